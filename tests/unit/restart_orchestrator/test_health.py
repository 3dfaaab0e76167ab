"""How a charger is after it restarted: its faults compared, its transactions named, stale statuses not believed."""

from dataclasses import replace

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Health, Status, When
from restart_orchestrator.health import compared, interrupted, whole_at
from restart_orchestrator.story import (
    CONNECTOR,
    QUIET,
    accepted,
    at,
    booted,
    connected,
    dropped,
    requested,
    sent,
    standing,
    status,
    transaction_ended,
)

FAULTED, AVAILABLE, OCCUPIED = ConnectorState.FAULTED, ConnectorState.AVAILABLE, ConnectorState.OCCUPIED
TWO = {"1/1": AVAILABLE, "2/1": AVAILABLE}


def restart(*after, by=QUIET, **how):
    return (
        requested(by=by, **how),
        sent(),
        accepted(),
        dropped(10),
        connected(40),
        booted(41),
        *after,
    )


def verdict_of(given, *inputs):
    return given(*inputs).when_nothing_more_happens().then_verdict(Status.RESTARTED)


# --- faults before and after --------------------------------------------------------------------------------------------


def test_a_fault_that_was_not_there_before_is_new(given):
    verdict = verdict_of(given, *restart(status(42, FAULTED, error="GroundFailure")))
    assert verdict.health is Health.UNHEALTHY
    assert verdict.params["faults_new"] == "1/1 GroundFailure"


def test_a_fault_that_the_restart_left_is_said_to_be_left(given):
    before = replace(QUIET, connectors={CONNECTOR: FAULTED}, faults={CONNECTOR: "GroundFailure"})
    verdict = verdict_of(given, *restart(status(42, FAULTED, error="GroundFailure"), by=before))
    assert verdict.health is Health.UNHEALTHY
    assert verdict.params["faults_left"] == "1/1 GroundFailure"
    assert "faults_new" not in verdict.params


def test_a_fault_that_the_restart_cleared_is_said_to_be_gone(given):
    before = replace(QUIET, connectors={CONNECTOR: FAULTED}, faults={CONNECTOR: "GroundFailure"})
    verdict = verdict_of(given, *restart(status(42), by=before))
    assert verdict.health is Health.OK
    assert verdict.params["faults_gone"] == "1/1 GroundFailure"


def test_a_faulted_connector_without_a_code_is_a_fault_too(given):
    before = replace(QUIET, connectors={CONNECTOR: FAULTED})
    assert verdict_of(given, *restart(status(42), by=before)).params["faults_gone"] == "1/1 faulted"


def test_a_warning_on_a_connector_that_works_is_compared_and_is_no_harm(given):
    verdict = verdict_of(given, *restart(status(42, AVAILABLE, error="WeakSignal")))
    assert verdict.health is Health.OK
    assert verdict.params["faults_new"] == "1/1 WeakSignal"


def test_a_connector_that_says_nothing_since_is_not_compared(given):
    before = replace(QUIET, connectors=TWO, faults={"2/1": "WeakSignal"})
    assert "faults_gone" not in verdict_of(given, *restart(status(42), by=before)).params


def test_a_code_that_changes_without_the_state_is_noted(given):
    after = (status(42, FAULTED, error="OtherError"), status(43, FAULTED, error="GroundFailure"))
    assert verdict_of(given, *restart(*after)).params["faults_new"] == "1/1 GroundFailure"


# --- stale statuses -----------------------------------------------------------------------------------------------------


def test_a_stale_last_status_is_not_believed(given):
    after = (status(42, AVAILABLE), status(43, ConnectorState.UNAVAILABLE, said=1))
    assert verdict_of(given, *restart(*after)).health is Health.OK


def test_a_stale_good_status_does_not_hide_a_fault(given):
    after = (status(42, FAULTED, error="GroundFailure"), status(43, AVAILABLE, said=1))
    assert verdict_of(given, *restart(*after)).health is Health.UNHEALTHY


def test_a_clock_that_is_far_off_says_nothing_about_what_is_stale(given):
    after = (status(42, AVAILABLE), status(43, FAULTED, said=-200_000))
    assert verdict_of(given, *restart(*after)).health is Health.UNHEALTHY


# --- when it was whole ----------------------------------------------------------------------------------------------------


def test_it_is_whole_when_the_last_connector_is_back(given):
    attempt = given(*restart(status(42), status(50, connector="2/1"), by=replace(QUIET, connectors=TWO))).story.attempt
    assert whole_at(attempt.seen, attempt.reset) == at(50)


def test_it_is_not_whole_while_one_is_silent(given):
    attempt = given(*restart(status(42), by=replace(QUIET, connectors=TWO))).story.attempt
    assert whole_at(attempt.seen, attempt.reset) is None


def test_a_cable_that_is_plugged_in_later_does_not_make_it_later(given):
    attempt = given(*restart(status(42), status(50, OCCUPIED))).story.attempt
    assert whole_at(attempt.seen, attempt.reset) == at(42)


# --- interrupted transactions ---------------------------------------------------------------------------------------------

CHARGING = replace(standing(transactions=(CONNECTOR,)), connectors={CONNECTOR: OCCUPIED}, running={"42": CONNECTOR})


def interrupted_by(given, *inputs):
    attempt = given(*inputs).story.attempt
    return interrupted(attempt.seen, attempt.reset)


def charging(*after):
    return restart(*after, by=CHARGING, interrupt_charging=True)


@pytest.mark.parametrize("reason", ["SoftReset", "HardReset", "ImmediateReset", "Reboot", "PowerLoss", "Other", None])
def test_a_transaction_that_the_reset_ended_is_named(given, reason):
    ended = transaction_ended(44, reason, 8, transaction="42")
    assert interrupted_by(given, *charging(status(42, OCCUPIED), ended)) == ("42",)


@pytest.mark.parametrize("reason", ["Local", "EVDisconnected", "Remote", "DeAuthorized"])
def test_a_transaction_that_somebody_ended_meanwhile_is_not(given, reason):
    ended = transaction_ended(5, reason, transaction="42")
    asked = (requested(by=CHARGING, interrupt_charging=True), sent(), accepted(), ended)
    assert interrupted_by(given, *asked, dropped(10), connected(40), booted(41), status(42)) == ()


def test_a_transaction_whose_end_is_never_said_is_named_when_its_connector_is_free(given):
    assert interrupted_by(given, *charging(status(42, AVAILABLE))) == ("42",)


def test_a_transaction_that_goes_on_is_not(given):
    assert interrupted_by(given, *charging(status(42, OCCUPIED))) == ()


def test_a_transaction_of_another_connector_is_not(given):
    assert interrupted_by(given, *charging(status(42, AVAILABLE, connector="2/1"))) == ()


def test_a_transaction_that_began_later_is_not(given):
    assert interrupted_by(given, *charging(transaction_ended(44, "SoftReset", 8, transaction="43"))) == ()


def test_a_transaction_that_was_waited_for_is_not(given):
    on_2 = standing(CHARGING, protocol="ocpp2.0.1")
    waited = (requested(When.IDLE, by=on_2, expires=7200), sent(), transaction_ended(60, "SoftReset", transaction="42"))
    assert interrupted_by(given, *waited) == ()


# --- connectors before and since ---------------------------------------------------------------------------------------


def test_each_connector_is_told_as_it_was_and_as_it_is_since(given):
    before = replace(QUIET, connectors={**TWO, "3/1": FAULTED}, faults={"3/1": "GroundFailure"})
    now = (status(42, FAULTED, error="WeakSignal"), status(43, OCCUPIED, connector="3/1"), status(44, connector="4/1"))
    attempt = given(*restart(*now, by=before)).story.attempt
    assert [
        (each.evse_id, each.before, each.since, each.error_before, each.error_since)
        for each in compared(attempt.seen, attempt.reset)
    ] == [
        (1, AVAILABLE, FAULTED, None, "WeakSignal"),
        (2, AVAILABLE, None, None, None),
        (3, FAULTED, OCCUPIED, "GroundFailure", None),
        (4, None, AVAILABLE, None, None),
    ]


def test_a_restart_of_one_evse_compares_its_connectors_only(given):
    on_2 = standing(replace(QUIET, connectors=TWO), protocol="ocpp2.0.1")
    attempt = given(*restart(status(42), status(43, connector="2/1"), by=on_2, evse_id=2)).story.attempt
    assert [each.evse_id for each in compared(attempt.seen, attempt.reset)] == [2]
