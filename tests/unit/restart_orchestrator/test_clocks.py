"""Clocks that do not agree, and clocks that are put forward or back, lead to no other verdict."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Cause, Confidence, EvidenceKind, Health, Outcome, Status
from restart_orchestrator.inputs import Input
from restart_orchestrator.lateness import said_late
from restart_orchestrator.states import Idle
from restart_orchestrator.story import (
    RESET_ON,
    START,
    accepted,
    at,
    booted,
    connected,
    dropped,
    probed,
    requested,
    security_event,
    sent,
    standing,
    status,
    transaction_ended,
    unanswered,
)

AFTER = RESET_ON + 1
OFF = (-86400.0, -300.0, -60.0, 60.0, 300.0, 86400.0)
YEARS = timedelta(days=3650)


@pytest.fixture
def told_by(given):
    """What the bridge says of the Reset that was asked for at 0, in order, by a clock that is so many seconds ahead."""

    def tell(ahead: float, *events: Input, first: Input | None = None, **options: bool):
        spec = given(first or requested(), **options)
        for event in events:
            known = spec.story.until(event.at)
            spec.story = known.hear(replace(event, at=event.at + timedelta(seconds=ahead)), now=event.at)
        return spec

    return tell


def about(moment: datetime, seconds: float) -> bool:
    return abs(moment - at(seconds)) <= timedelta(seconds=1)


# --- clocks that are apart ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", OFF)
def test_a_restart_is_proved_and_waited_for_as_ever_whatever_the_bridges_clock_says(told_by, ahead):
    seen = (sent(), accepted(), dropped(10), connected(40), booted(41), status(41.2))
    spec = told_by(ahead, *seen).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK, missing=())
    assert about(spec.story.attempt.moved_at, 41 + 60)


@pytest.mark.parametrize("ahead", OFF)
def test_an_ignored_reset_is_asked_about_when_its_window_is_over_and_not_before(told_by, ahead):
    spec = told_by(ahead, sent(), accepted(), answering=False).when_nothing_more_happens()
    assert about(spec.story.probes[0].asked_at, 60)


@pytest.mark.parametrize("ahead", OFF)
def test_a_charger_that_went_away_has_all_its_time_to_come_back(told_by, ahead):
    spec = told_by(ahead, sent(), accepted(), dropped(10)).when_nothing_more_happens()
    spec.then_verdict(Status.LOST, confidence=Confidence.HIGH)
    assert about(spec.story.attempt.moved_at, 10 + 300)


@pytest.mark.parametrize("ahead", OFF)
def test_a_missing_answer_is_noted_when_its_time_is_over(told_by, ahead):
    spec = told_by(ahead, sent()).when_seconds_pass(29).then(Status.DISPATCHING)
    assert about(spec.deadline.due, 30)


@pytest.mark.parametrize("ahead", OFF)
def test_what_the_charger_says_of_itself_on_the_next_session_counts(told_by, ahead):
    seen = (sent(), accepted(), dropped(10), connected(40), security_event(41, "ResetOrReboot"))
    told_by(ahead, *seen).when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


@pytest.mark.parametrize("behind", [-60.0, -300.0])
def test_what_it_says_before_it_goes_counts_by_the_clock_of_the_bridge_that_sent_the_reset(told_by, behind):
    charging = replace(standing(transactions=("1/1",)), running={"42": "1/1"})
    ended = transaction_ended(1, "HardReset", transaction="42")
    seen = (sent(), accepted(), ended, dropped(10), connected(40), booted(41))
    spec = told_by(behind, *seen, first=requested(by=charging, interrupt_charging=True)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


@pytest.mark.parametrize("behind", [-60.0, -300.0])
def test_an_evse_that_restarts_alone_is_seen_to(told_by, behind):
    by = standing(protocol="ocpp2.0.1")
    out, back = status(2, ConnectorState.UNAVAILABLE, RESET_ON), status(3, ConnectorState.AVAILABLE, RESET_ON)
    spec = told_by(behind, sent(), out, accepted(2.5), back, first=requested(by=by, evse_id=1))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


def test_a_session_that_was_open_before_a_reset_of_which_nothing_is_known_is_no_evidence(given):
    spec = given(requested(), connected(-5), booted(-4))
    spec.then(Status.RESTARTING)
    assert spec.story.evidence[-1].kind is EvidenceKind.BOOT_NOT_COUNTED


@pytest.mark.parametrize("word", [sent(), accepted(), unanswered(0.5)])
def test_once_the_reset_is_known_to_be_claimed_every_later_session_is_one_of_after_it(given, word):
    """The claim takes a session that is the charger's last one: what the clocks say is of no importance then."""
    given(requested(), connected(-5), booted(-4)).when(word).then(Status.CHECKING)


# --- questions and answers ---------------------------------------------------------------------------------------------


def asked_for(told_by, ahead: float = 0.0):
    spec = told_by(ahead, sent(), accepted(), answering=False).when_seconds_pass(61)
    assert len(spec.story.probes) == 1
    return spec


@pytest.mark.parametrize("heard", [-3600.0, 3600.0])
def test_an_answer_is_known_by_its_question_and_not_by_the_time_it_tells(told_by, heard):
    spec = asked_for(told_by)
    answer = replace(probed(60.1), at=at(heard), asked_at=spec.story.probes[0].asked_at)
    spec.story = spec.story.hear(answer, now=at(60.2))
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)


def test_an_answer_to_an_earlier_question_does_not_count(told_by):
    spec = asked_for(told_by)
    spec.when(replace(probed(61.1), asked_at=at(5))).then_nothing_happened(Idle.NO_BEARING)


# --- clocks that are put forward ---------------------------------------------------------------------------------------


def test_a_charger_that_still_has_some_of_its_time_is_asked_again_when_it_is_over(told_by):
    spec = asked_for(told_by)
    spec.when(probed(61.1, lasted=20.0))
    assert about(spec.then(Status.AWAITING_DROP).deadline.due, 61.1 + 40)
    assert "its time for this is not over" in spec.story.last.transitions[-1].sentence
    spec.when_seconds_pass(102)
    assert [about(probe.asked_at, when) for probe, when in zip(spec.story.probes, (60, 100), strict=True)] == [True] * 2
    spec.when(probed(102.1, lasted=61.0))
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH)


def test_a_charger_that_restarts_in_the_time_that_it_still_has_is_restarted(told_by):
    spec = asked_for(told_by).when(probed(61.1, lasted=20.0))
    spec.when(dropped(70), connected(90), booted(91)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


def test_a_charger_that_is_back_has_the_rest_of_its_time_to_boot(told_by):
    spec = told_by(0.0, sent(), accepted(), dropped(10), connected(30), answering=False).when_seconds_pass(311)
    assert [probe.epoch for probe in spec.story.probes] == [AFTER]
    spec.when(probed(311.1, AFTER, lasted=100.0))
    assert about(spec.then(Status.RESTARTING).deadline.due, 311.1 + 300 - 20 - 100)
    spec.when(booted(320)).when_nothing_more_happens().then_verdict(Status.RESTARTED, outcome=Outcome.RESTARTED)


def test_a_lost_charger_that_is_back_has_all_of_it(told_by):
    lost = told_by(0.0, sent(), accepted(), dropped(10), answering=False).when_seconds_pass(400)
    spec = lost.when(connected(500)).when_seconds_pass(801)
    spec.when(probed(801.1, AFTER, lasted=100.0))
    assert about(spec.then(Status.LOST).deadline.due, 801.1 + 200)
    spec.when_seconds_pass(1002).when(probed(1002.1, AFTER, lasted=301.0))
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)


def test_a_charger_that_came_back_after_it_was_asked_for_was_heard_whatever_the_clocks_say(told_by):
    spec = told_by(0.0, sent(), accepted(), dropped(10), connected(30), answering=False).when_seconds_pass(311)
    returned = replace(connected(400, AFTER + 1), at=at(100))
    spec.story = spec.story.hear(dropped(400, AFTER), now=at(400)).hear(returned, now=at(401))
    verdict = spec.when_nothing_more_happens().then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)
    assert "unheard_since" not in verdict.params


# --- clocks that are put back ------------------------------------------------------------------------------------------


def test_a_status_counts_that_came_after_the_bridges_clock_was_put_back(given):
    spec = given(requested(), sent(), accepted(), dropped(10), connected(40), booted(41))
    spec.when(status(42, ConnectorState.UNAVAILABLE))
    put_back = replace(status(42), at=at(-250), reported_at=None)
    spec.story = spec.story.hear(put_back, now=at(43))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK)


@pytest.mark.parametrize("back", [booted(41), security_event(41, "StartupOfTheDevice")])
def test_a_bridges_clock_that_is_put_back_while_the_charger_is_away_takes_none_of_its_time_to_be_whole(given, back):
    spec = given(requested(), sent(), accepted(), dropped(10))
    for event in (connected(40), back, status(50)):
        spec.story = spec.story.until(event.at).hear(replace(event, at=event.at - timedelta(seconds=300)), now=event.at)
    verdict = spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK, missing=())
    assert verdict.confidence in {Confidence.HIGH, Confidence.PROVEN}
    assert about(spec.story.attempt.moved_at, 41 + 60)


def test_with_our_own_clock_put_back_a_restart_is_one_all_the_same(given):
    spec = given(requested())
    for event in (sent(), accepted(), dropped(10), connected(40), booted(41), status(41.2)):
        spec.story = spec.story.hear(event, now=event.at - timedelta(seconds=300))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


# --- the charger's own clock -------------------------------------------------------------------------------------------


def test_what_a_charger_says_after_it_has_put_its_clock_right_is_not_late(given):
    spec = given(requested(), sent(), accepted(), dropped(10), connected(40), booted(41))
    spec.when(status(42, ConnectorState.UNAVAILABLE, said=YEARS.total_seconds()), status(43))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK)


@pytest.mark.parametrize(
    ("reported", "known", "late"),
    [
        (timedelta(0), timedelta(minutes=5), True),
        (timedelta(minutes=5), timedelta(0), False),
        (timedelta(0), YEARS, False),
        (-YEARS, timedelta(0), False),
        (-YEARS, -YEARS + timedelta(minutes=5), False),
    ],
)
def test_only_times_that_can_be_believed_say_that_something_is_late(reported, known, late):
    assert said_late(START + reported, START, START + known) is late
