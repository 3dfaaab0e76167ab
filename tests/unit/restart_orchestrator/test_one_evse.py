"""A Reset of one EVSE (2.x): no drop and no boot are needed, its statuses are the evidence."""

from dataclasses import replace

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Cause, Confidence, Health, MissingLink, Status
from restart_orchestrator.states import Idle
from restart_orchestrator.story import (
    RESET_ON,
    accepted,
    at,
    booted,
    connected,
    dropped,
    rejected,
    requested,
    sent,
    standing,
    status,
)

OUT = ConnectorState.UNAVAILABLE
KNOWN = replace(
    standing(protocol="ocpp2.0.1"),
    connectors={"1/1": ConnectorState.AVAILABLE, "1/2": ConnectorState.AVAILABLE, "2/1": ConnectorState.AVAILABLE},
)
ASKED = (requested(by=KNOWN, evse_id=1), sent(), accepted())


def of(seconds, connector, state=ConnectorState.AVAILABLE):
    return status(seconds, state, RESET_ON, connector=connector)


def test_out_of_use_and_back_is_restarted(given):
    spec = given(*ASKED, of(1, "1/1", OUT), of(1, "1/2", OUT), of(2, "1/1"))
    spec.then(Status.AWAITING_DROP)
    spec.when(of(3, "1/2")).then(Status.CHECKING)
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


def test_no_answer_makes_it_medium(given):
    spec = given(ASKED[0], sent(), of(1, "1/1", OUT), of(2, "1/1"), of(2, "1/2")).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.ANSWER,))


def test_a_connector_that_stays_silent_is_unhealthy(given):
    spec = given(*ASKED, of(1, "1/1", OUT), of(2, "1/1")).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.UNHEALTHY)


def test_another_evse_says_nothing(given):
    given(*ASKED).when(of(1, "2/1", OUT)).then_nothing_happened(Idle.NO_BEARING)


def test_a_status_without_having_been_out_says_nothing_of_a_restart(given):
    given(*ASKED).when(of(1, "1/1", ConnectorState.OCCUPIED)).then(Status.AWAITING_DROP)


def test_out_of_use_once_more_is_waited_for(given):
    spec = given(*ASKED, of(1, "1/1", OUT), of(2, "1/1")).when(of(3, "1/1", OUT))
    spec.then(Status.AWAITING_DROP)


def test_going_on_after_it_is_back_changes_nothing(given):
    spec = given(*ASKED, of(1, "1/1", OUT), of(2, "1/1")).when(of(3, "1/1", ConnectorState.OCCUPIED), of(3, "1/2"))
    assert spec.then(Status.CHECKING).deadline.due == at(2 + 60)
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK)


def test_nothing_seen_is_ignored_with_low_confidence(given):
    spec = given(*ASKED).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.LOW)


def test_a_charger_that_cannot_reset_one_evse_rejects(given):
    """B11.FR.09."""
    given(ASKED[0], sent()).when(rejected()).then_verdict(Status.REJECTED, cause=Cause.REJECTED)


def test_a_charger_that_restarts_as_a_whole_is_judged_as_such(given):
    spec = given(*ASKED, dropped(5), connected(20), booted(21)).when(
        *(status(22, connector=name) for name in ("1/1", "1/2", "2/1"))
    )
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


@pytest.mark.parametrize(("why", "health"), [("lost", Health.UNSTABLE), ("bridge_stopped", Health.OK)])
def test_gone_after_it_was_back(given, why, health):
    spec = given(*ASKED, of(1, "1/1", OUT), of(2, "1/1"), of(2, "1/2")).when(dropped(30, why=why))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=health)
