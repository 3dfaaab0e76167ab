"""What five public charger implementations did when they were reset, and what is said of each; times in seconds."""

from dataclasses import replace

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Cause, Confidence, Health, MissingLink, RefusalReason, Status, When
from restart_orchestrator.health import interrupted
from restart_orchestrator.story import (
    CONNECTOR,
    RESET_ON,
    Story,
    accepted,
    booted,
    connected,
    dropped,
    requested,
    scheduled,
    sent,
    standing,
    status,
    transaction_ended,
    unanswered,
)

UNAVAILABLE, OCCUPIED = ConnectorState.UNAVAILABLE, ConnectorState.OCCUPIED
CHARGING = replace(standing(transactions=(CONNECTOR,)), connectors={CONNECTOR: ConnectorState.OCCUPIED})
ON_2 = standing(protocol="ocpp2.0.1")
CHARGING_ON_2 = standing(CHARGING, protocol="ocpp2.0.1")
NOW = (requested(), sent(0))
NOW_CHARGING = (requested(by=CHARGING, interrupt_charging=True), sent(0))
NOW_CHARGING_ON_2 = (requested(by=CHARGING_ON_2, interrupt_charging=True), sent(0))


# --- the firmware library ----------------------------------------------------------------------------------------------


def test_firmware_library_1_6_soft_idle_drops_without_a_close_and_boots(given):
    spec = given(*NOW, accepted(0.001), dropped(10), connected(15), booted(15), status(15.1))
    spec.when_nothing_more_happens().then_verdict(
        Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK, missing=()
    )


@pytest.mark.parametrize("reason", ["SoftReset", "HardReset"])
def test_firmware_library_with_a_transaction_stops_it_and_names_the_reset(given, reason):
    spec = given(*NOW_CHARGING, accepted(0.001), transaction_ended(0.005, reason), status(0.006, OCCUPIED, RESET_ON))
    spec.when(dropped(10), connected(15), booted(15), status(15.1, OCCUPIED)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN, health=Health.OK)


def test_firmware_library_restarts_its_timer_at_a_second_reset_so_there_is_none(given):
    first = given(*NOW, accepted(0.001))
    open_attempt = str(first.story.attempt.attempt_id)
    second = Story().tell(requested(seconds=7.7, by=standing(open_attempt=open_attempt)))
    assert second.attempt.status is Status.REFUSED
    assert [one.reason for one in second.attempt.refusals] == [RefusalReason.ALREADY_RESTARTING]
    assert second.resets == ()
    first.when(dropped(10), connected(15), booted(15), status(15.1)).when_nothing_more_happens()
    first.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)
    assert len(first.story.resets) == 1


def test_firmware_library_sends_an_unanswered_stop_again_after_the_boot(given):
    spec = given(*NOW_CHARGING, accepted(0.001), transaction_ended(0.005, "SoftReset"), dropped(10), connected(15))
    spec.when(booted(15), transaction_ended(15.05, "SoftReset", RESET_ON + 1), status(15.1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN, health=Health.OK)


def test_firmware_library_whose_socket_is_closed_as_the_reset_arrives_is_back_at_once_and_restarts_later(given):
    spec = given(*NOW, dropped(0.001, why="closed"), unanswered(0.001, "session_ended"), connected(0.005))
    spec.then(Status.RESTARTING)
    spec.when(dropped(10, RESET_ON + 1)).then(Status.RESTARTING)
    spec.when(connected(15, RESET_ON + 2), booted(15, RESET_ON + 2), status(15.1, session=RESET_ON + 2))
    spec.when_nothing_more_happens().then_verdict(
        Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.ANSWER,), health=Health.OK
    )


def test_firmware_library_1_6_whose_hardware_cannot_reset_says_reset_failure(given):
    spec = given(*NOW, accepted(0.001)).when(
        status(30, ConnectorState.FAULTED, RESET_ON, connector="0/0", error="ResetFailure")
    )
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.RESET_FAILURE, confidence=Confidence.PROVEN)


def test_firmware_library_2_0_1_whose_hardware_cannot_reset_stays_silent(given):
    spec = given(requested(by=ON_2), sent(0), accepted(0.001)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH)


def test_firmware_library_2_0_1_immediate_with_a_transaction_ends_it_and_says_power_up(given):
    spec = given(*NOW_CHARGING_ON_2, accepted(0.001), transaction_ended(0.005, "ImmediateReset"), dropped(10))
    spec.when(connected(15), booted(15, reason="PowerUp"), status(15.1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN, health=Health.OK)


def test_firmware_library_2_0_1_on_idle_schedules_and_restarts_after_the_transaction(given):
    spec = given(requested(When.IDLE, by=CHARGING_ON_2), sent(0), scheduled(0.001))
    assert spec.story.resets[0].on_idle
    spec.then(Status.AWAITING_IDLE)
    spec.when(transaction_ended(3600, "Local")).then(Status.AWAITING_DROP)
    spec.when(dropped(3610), connected(3615), booted(3615, reason="PowerUp"), status(3615.1))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


# --- the fleet simulator -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [20, 60])
def test_fleet_simulator_1_6_soft_reports_unavailable_and_closes_without_a_code(given, back):
    spec = given(*NOW, accepted(0.04), status(0.05, UNAVAILABLE, RESET_ON), dropped(0.07, why="closed"))
    spec.when(connected(back), booted(back), status(back + 0.1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


def test_fleet_simulator_1_6_hard_with_a_transaction_never_stops_it(given):
    spec = given(*NOW_CHARGING, accepted(0.01), status(0.01, UNAVAILABLE, RESET_ON), dropped(0.02, why="closed"))
    spec.when(connected(30), booted(30), status(30.1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


def test_fleet_simulator_2_0_1_immediate_tells_its_effects_before_it_answers(given):
    spec = given(*NOW_CHARGING_ON_2, status(0.01, UNAVAILABLE, RESET_ON), transaction_ended(0.02, "ImmediateReset"))
    spec.then(Status.DISPATCHING)
    spec.when(accepted(0.03)).then(Status.AWAITING_DROP)
    spec.when(dropped(0.04, why="closed"), connected(30), booted(30, reason="PowerUp"), status(30.1))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


def test_fleet_simulator_2_0_1_one_evse_shows_in_its_statuses_alone(given):
    both = replace(ON_2, connectors={"1/1": ConnectorState.AVAILABLE, "2/1": ConnectorState.AVAILABLE})
    spec = given(requested(by=both, evse_id=1), sent(0)).when(status(0.01, UNAVAILABLE, RESET_ON), accepted(0.02))
    spec.then(Status.AWAITING_DROP)
    spec.when(status(1.02, session=RESET_ON)).then(Status.CHECKING)
    spec.when_nothing_more_happens().then_verdict(
        Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK, missing=()
    )


def test_fleet_simulator_that_lost_the_answer_sends_it_on_the_next_socket_after_the_boot(given):
    spec = given(*NOW, dropped(0.07), unanswered(0.07, "session_ended"), connected(20), booted(20), status(20.1))
    spec.when(accepted(20.2, on=RESET_ON + 1))
    spec.when(status(20.3, UNAVAILABLE, said=0.05)).when_nothing_more_happens()
    spec.then_verdict(
        Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.LATE_ANSWER,), health=Health.OK
    )


def test_fleet_simulator_that_lost_the_answer_while_charging_ends_with_a_stale_unavailable(given):
    spec = given(*NOW_CHARGING, dropped(0.07), connected(20), booted(20), status(20.1))
    spec.when(transaction_ended(20.2, "SoftReset", RESET_ON + 1), status(20.3, UNAVAILABLE, said=0.05))
    spec.when_nothing_more_happens().then_verdict(
        Status.RESTARTED, confidence=Confidence.PROVEN, missing=(MissingLink.ANSWER,), health=Health.OK
    )


# --- the third ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_third_keeps_its_socket_for_a_while_and_reports_before_its_boot_is_answered(given, protocol):
    spec = given(requested(by=standing(protocol=protocol)), sent(0), accepted(0.01), dropped(3, why="closed"))
    spec.when(connected(6), status(6), booted(6)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


def test_third_crashes_at_two_resets_so_there_is_one_and_a_crash_is_called_lost(given):
    spec = given(*NOW, accepted(0.01), dropped(3, why="closed")).when_nothing_more_happens()
    spec.then_verdict(Status.LOST, confidence=Confidence.HIGH)
    assert len(spec.story.resets) == 1


def test_third_with_a_transaction_boots_well_and_crashes_afterwards(given):
    spec = given(*NOW_CHARGING, accepted(0.01), dropped(3, why="closed"), connected(6), booted(6), status(6.1))
    spec.when(dropped(10.6, RESET_ON + 1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.UNSTABLE)


# --- the fourth and the fifth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [CHARGING, CHARGING_ON_2])
def test_fourth_and_fifth_accept_and_do_nothing(given, known):
    spec = given(requested(by=known, interrupt_charging=True), sent(0), accepted(0.01)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH, missing=())


def test_fourth_when_paused_answers_after_our_time_limit(given):
    spec = given(*NOW, unanswered(30)).when(accepted(40)).then(Status.AWAITING_DROP)
    assert spec.steps.keys() >= {"no_answer", "accepted"}


# --- without any reset, and after it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("away", [1, 33])
def test_a_reconnect_after_a_network_loss_has_no_boot_and_is_a_blip(given, away):
    spec = given(*NOW, accepted(0.01), dropped(5), connected(5 + away)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.HIGH)


def test_a_triggered_boot_on_the_same_socket_is_no_restart(given):
    spec = given(*NOW, accepted(0.01)).when(booted(3, RESET_ON, solicited=True)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)


def test_a_boot_that_is_repeated_because_it_was_not_answered_is_one_restart(given):
    spec = given(*NOW, accepted(0.01), dropped(10), connected(15), booted(15), status(15.1), booted(45), booted(74))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK)


def test_a_transaction_that_goes_on_after_the_boot_is_healthy(given):
    spec = given(*NOW_CHARGING, accepted(0.01), dropped(10), connected(15), booted(15), status(15.1, OCCUPIED))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK)


def test_a_transaction_that_one_resumes_after_a_power_loss_was_not_interrupted(given):
    running = replace(CHARGING, running={"42": CONNECTOR})
    spec = given(requested(by=running, interrupt_charging=True), sent(0), accepted(0.01), dropped(10), connected(15))
    attempt = spec.when(booted(15), status(15.1, OCCUPIED)).when_nothing_more_happens().then(Status.RESTARTED)
    assert interrupted(attempt.seen, attempt.reset) == ()


def test_a_transaction_that_another_ends_and_goes_on_with_under_a_new_id_was_interrupted(given):
    running = replace(CHARGING, running={"42": CONNECTOR})
    spec = given(requested(by=running, interrupt_charging=True), sent(0), accepted(0.01), dropped(10), connected(15))
    spec.when(booted(15), transaction_ended(15.1, "PowerLoss", RESET_ON + 1, transaction="42", idle=False))
    attempt = spec.when(status(15.2, OCCUPIED)).when_nothing_more_happens().then(Status.RESTARTED)
    assert interrupted(attempt.seen, attempt.reset) == ("42",)


# --- what the field reports --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "back"), [(10, 100), (1, 31), (10, 309)], ids=["a Wallbox", "a soft one", "a hard one"]
)
def test_the_longest_that_was_seen_in_the_field_is_still_a_restart(given, gone, back):
    spec = given(*NOW, accepted(0.01), dropped(gone), connected(back), booted(back), status(back + 0.1))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)


def test_a_reply_that_is_lost_because_the_charger_goes_down_first_is_no_failure(given):
    spec = given(*NOW, dropped(0.5), unanswered(0.5, "session_ended"), connected(30), booted(30, reason="PowerUp"))
    spec.when(status(30.1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.ANSWER,))


def test_a_station_that_connects_without_a_boot_is_judged_by_its_time_away_and_never_surely(given):
    never = requested(by=replace(standing(), boots_on_return=False))
    spec = given(never, sent(0), accepted(0.01), dropped(10), connected(100), status(100.1))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.LOW)
