"""A lost attempt is judged by what is heard before a newer attempt's Reset is decided on, and never by what follows it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Confidence, Health, Status, Step, When
from restart_orchestrator.states import Idle, Moved
from restart_orchestrator.story import (
    QUIET,
    RESET_ON,
    START,
    accepted,
    at,
    booted,
    changed,
    connected,
    dropped,
    requested,
    sent,
    standing,
    status,
    superseded,
    transaction_ended,
)

AWAY = (requested(), sent(), accepted(), dropped(10))
BACK = (*AWAY, connected(3600))
AFTER = RESET_ON + 1
DAY = timedelta(hours=24).total_seconds()


# --- the lost one ------------------------------------------------------------------------------------------------------


def test_a_charger_that_booted_before_it_is_judged_at_once(given):
    spec = given(*BACK, booted(3601), status(3602))
    lost_version = spec.then(Status.LOST).lost_version
    attempt = spec.when(superseded(3606)).then(Status.RESTARTED)
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)
    assert attempt.revises == lost_version
    assert attempt.steps[Step.HEALTHY] == at(3606)


@pytest.mark.parametrize("said", [(), (status(3602, ConnectorState.UNAVAILABLE),)], ids=["silent", "not back yet"])
def test_of_a_connector_that_might_have_been_back_in_its_time_nothing_is_said(given, said):
    verdict = given(*BACK, booted(3601), *said, superseded(3606)).then_verdict(Status.RESTARTED, health=None)
    assert "connectors" not in verdict.params


def test_that_a_charger_went_away_again_before_it_is_said(given):
    spec = given(*BACK, booted(3601), status(3602), dropped(3610, AFTER), connected(3620, AFTER + 1))
    spec.when(superseded(3630)).then_verdict(Status.RESTARTED, health=Health.UNSTABLE)


def test_a_charger_that_has_not_booted_stays_lost_and_is_waited_for_no_more(given):
    spec = given(*BACK).when(superseded(3605))
    attempt = spec.then(Status.LOST)
    assert (attempt.deadline, attempt.revises) == (None, None)
    move = spec.story.last.transitions[0]
    assert isinstance(move, Moved)
    assert move.sentence.startswith("A newer attempt's Reset goes out")
    spec.when_nothing_more_happens().then(Status.LOST)


@pytest.mark.parametrize(
    "news",
    [
        booted(3606),
        booted(3700, AFTER + 1),
        connected(3700, AFTER + 1),
        dropped(3610, AFTER),
        status(3607),
        transaction_ended(3607, "SoftReset", AFTER),
        accepted(3607, on=AFTER),
        superseded(3700),
    ],
    ids=lambda news: type(news).__name__,
)
def test_nothing_that_is_heard_after_it_revises_a_lost_attempt(given, news):
    spec = given(*BACK, superseded(3605)).when(news)
    spec.then_nothing_happened(Idle.OVER)
    spec.when_nothing_more_happens().then(Status.LOST)


def test_after_its_day_it_does_not_move(given):
    given(*AWAY).when_seconds_pass(310).when(superseded(310 + DAY + 1)).then_nothing_happened(Idle.OVER)


@pytest.mark.parametrize("so_far", [(requested(),), AWAY, (*AWAY, connected(18), booted(19))])
def test_an_attempt_that_is_not_lost_is_not_concerned(given, so_far):
    given(*so_far).when(superseded(20)).then_nothing_happened(Idle.NO_BEARING)


# --- the one that waits beside it --------------------------------------------------------------------------------------

OFFLINE = standing(online=False)
ONLINE = replace(QUIET, epoch=AFTER, quiet_since=START + timedelta(seconds=60), beside_lost=True)


def test_it_is_due_by_a_deadline_only_which_waits_until_all_is_read(given):
    spec = given(requested(When.ONLINE, by=OFFLINE), answering=False).when(changed(300, ONLINE))
    attempt = spec.then(Status.QUEUED)
    assert attempt.deadline.due == at(300)
    assert spec.story.resets == ()
    assert spec.story.last.transitions[0].sentence == "It waits for the charger to be free and online."


def test_what_is_heard_until_then_does_not_put_it_off(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(300, ONLINE))
    story = spec.story.hear(changed(300.2, ONLINE), now=at(300.2))
    assert story.last.idle is Idle.KNOWN
    assert story.attempt == spec.story.attempt


def test_its_reset_goes_out_when_that_deadline_passes(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(300, replace(ONLINE, beside_lost=False)))
    spec.then(Status.DISPATCHING)


def test_a_charger_that_has_just_come_back_is_left_alone_as_ever(given):
    back = replace(ONLINE, quiet_since=START + timedelta(seconds=299))
    attempt = given(requested(When.ONLINE, by=OFFLINE)).when(changed(300, back)).then(Status.QUEUED)
    assert attempt.deadline.due == at(304)
