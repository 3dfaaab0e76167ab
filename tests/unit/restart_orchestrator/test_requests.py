"""What becomes of a request before anything is sent: every refusal, every way of waiting, and taking it back."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Cause, Confidence, Outcome, RefusalReason, Status, Step, Strength, When
from contracts.words import Role
from restart_orchestrator.states import Idle, SendReset
from restart_orchestrator.story import (
    ATTEMPT_ID,
    CHARGER_ID,
    CONNECTOR,
    PERSON,
    QUIET,
    RESET_ON,
    START,
    at,
    booted,
    cancelled,
    changed,
    connected,
    requested,
    sent,
    standing,
    transaction_ended,
)

OFFLINE = standing(online=False, offline_since="2026-01-01T00:00:00+00:00")
CHARGING = standing(transactions=(CONNECTOR,))
UPDATING = standing(updating_firmware=True)
OTHER = UUID("00000000-0000-4000-8000-000000000002")
ON_2 = "ocpp2.0.1"


def reasons(attempt):
    return [refusal.reason for refusal in attempt.refusals]


# --- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "reason", "params", "lifted_by"),
    [
        (standing(role=None), RefusalReason.NOT_A_MEMBER, {}, "group_administrators"),
        (standing(role=Role.OPERATOR), RefusalReason.ROLE, {"role": "operator"}, "group_administrators"),
        (standing(role=Role.USER), RefusalReason.ROLE, {"role": "user"}, "group_administrators"),
        (standing(features=frozenset()), RefusalReason.PLAN, {"plan": "business"}, "super_administrator"),
        (standing(plan=None, features=frozenset()), RefusalReason.PLAN, {"plan": ""}, "super_administrator"),
        (standing(model="Pulsar", abilities=frozenset()), RefusalReason.MODEL, {"model": "Pulsar"}, "nobody"),
        (OFFLINE, RefusalReason.OFFLINE, {"since": "2026-01-01T00:00:00+00:00"}, "waiting"),
        (CHARGING, RefusalReason.CHARGING, {"connectors": CONNECTOR}, "waiting"),
        (UPDATING, RefusalReason.UPDATING_FIRMWARE, {}, "waiting"),
    ],
)
def test_a_request_is_refused_and_says_why_and_who_could_lift_it(given, known, reason, params, lifted_by):
    spec = given().when(requested(by=known))
    attempt = spec.then(Status.REFUSED)
    assert [(one.reason, one.params, one.lifted_by) for one in attempt.refusals] == [(reason, params, lifted_by)]
    spec.then_verdict(Status.REFUSED, outcome=Outcome.REFUSED, confidence=Confidence.PROVEN)
    assert spec.story.resets == ()


def test_a_second_request_is_refused_and_pointed_to_the_open_attempt(given):
    attempt = given().when(requested(by=standing(open_attempt=str(OTHER)))).then(Status.REFUSED)
    assert reasons(attempt) == [RefusalReason.ALREADY_RESTARTING]
    assert attempt.existing_attempt_id == OTHER


def test_a_refusal_names_everything_that_blocks(given):
    everything = standing(
        role=Role.USER,
        features=frozenset(),
        abilities=frozenset(),
        online=False,
        transactions=(CONNECTOR,),
        updating_firmware=True,
        open_attempt=str(OTHER),
    )
    attempt = given().when(requested(by=everything)).then(Status.REFUSED)
    assert reasons(attempt) == [reason for reason in RefusalReason if reason is not RefusalReason.NOT_A_MEMBER]


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.SUPER_ADMINISTRATOR])
def test_an_administrator_may_restart(given, role):
    given().when(requested(by=standing(role=role))).then(Status.DISPATCHING)


def test_a_charging_charger_is_restarted_when_the_person_wants_it_so(given):
    given().when(requested(by=CHARGING, interrupt_charging=True)).then(Status.DISPATCHING)


# --- dispatch ----------------------------------------------------------------------------------------------------------


def test_a_free_request_sends_one_reset_on_the_session_that_is_open(given):
    spec = given().when(requested(strength=Strength.HARD))
    attempt = spec.then(Status.DISPATCHING)
    assert spec.story.resets == (
        SendReset(
            attempt_id=ATTEMPT_ID,
            charger_id=CHARGER_ID,
            epoch=RESET_ON,
            strength=Strength.HARD,
            on_idle=False,
            evse_id=None,
            not_after=at(10),
            watch_until=at(10 + 60 + 300 + 60),
        ),
    )
    assert attempt.steps == {Step.REQUESTED: START}
    assert attempt.reset.connectors == {CONNECTOR: ConnectorState.AVAILABLE}
    assert attempt.deadline.due == at(10 + 30)


def test_the_same_request_again_is_the_same_attempt(given):
    given(requested()).when(requested()).then_nothing_happened(Idle.KNOWN)


def test_the_same_request_again_is_the_same_attempt_even_when_it_is_over(given):
    given(requested(by=OFFLINE)).when(requested()).then_nothing_happened(Idle.KNOWN)


def test_a_request_to_restart_now_that_is_heard_of_much_later_has_expired(given):
    late = requested(seconds=-61)
    spec = given().when(replace(late, at=START))
    spec.then_verdict(Status.EXPIRED, outcome=Outcome.EXPIRED, confidence=Confidence.PROVEN)
    assert spec.story.resets == ()


def test_a_request_that_is_heard_of_a_minute_later_is_still_wanted(given):
    given().when(replace(requested(seconds=-60), at=START)).then(Status.DISPATCHING)


def test_a_waiting_request_that_is_heard_of_after_its_time_has_expired(given):
    late = requested(When.ONLINE, seconds=-600, by=OFFLINE, expires=0)
    given().when(replace(late, at=START)).then(Status.EXPIRED)


def test_a_charger_of_1_6_cannot_restart_one_evse(given):
    spec = given().when(requested(evse_id=1))
    verdict = spec.then_verdict(Status.UNSUPPORTED, cause=Cause.UNSUPPORTED, confidence=Confidence.PROVEN)
    assert verdict.params == {"protocol": "ocpp1.6", "part": "evse"}
    assert spec.story.resets == ()


@pytest.mark.parametrize("protocol", [ON_2, "ocpp2.1"])
def test_a_charger_of_2_x_can_restart_one_evse(given, protocol):
    spec = given().when(requested(evse_id=1, by=standing(protocol=protocol)))
    spec.then(Status.DISPATCHING)
    assert spec.story.resets[0].evse_id == 1


def test_what_is_said_of_an_attempt_that_nobody_asked_for_has_no_bearing(given):
    given().when(sent()).then_nothing_happened(Idle.NO_BEARING)


# --- when: idle --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [ON_2, "ocpp2.1"])
@pytest.mark.parametrize("base", [QUIET, CHARGING])
def test_idle_on_2_x_lets_the_charger_wait(given, protocol, base):
    spec = given().when(requested(When.IDLE, by=standing(base, protocol=protocol), expires=3600))
    spec.then(Status.DISPATCHING)
    assert spec.story.resets[0].on_idle
    assert spec.story.resets[0].not_after == at(10)
    assert spec.story.resets[0].watch_until == at(3600 + 60 + 300 + 60)


def test_idle_on_1_6_is_sent_at_once_when_no_transaction_runs(given):
    spec = given().when(requested(When.IDLE))
    spec.then(Status.DISPATCHING)
    assert not spec.story.resets[0].on_idle


def test_idle_on_1_6_is_held_until_the_transaction_ends(given):
    spec = given().when(requested(When.IDLE, by=CHARGING, expires=3600))
    attempt = spec.then(Status.AWAITING_IDLE)
    assert attempt.deadline.due == at(3600)
    assert spec.story.resets == ()
    spec.when(changed(100, QUIET)).then(Status.DISPATCHING)
    assert len(spec.story.resets) == 1


def test_idle_waits_even_when_interrupting_would_be_allowed(given):
    given().when(requested(When.IDLE, by=CHARGING, interrupt_charging=True)).then(Status.AWAITING_IDLE)


def test_news_that_lift_nothing_leave_a_held_request_waiting(given):
    held = given(requested(When.IDLE, by=CHARGING))
    held.when(changed(50, CHARGING)).then_nothing_happened(Idle.KNOWN)
    held.when(changed(60, standing(CHARGING, online=False))).then_nothing_happened(Idle.KNOWN)
    held.when(changed(70, UPDATING)).then_nothing_happened(Idle.KNOWN)


def test_a_held_request_expires(given):
    spec = given(requested(When.IDLE, by=CHARGING, expires=3600)).when_nothing_more_happens()
    assert spec.then(Status.EXPIRED).moved_at == at(3600)
    spec.then_verdict(Status.EXPIRED, outcome=Outcome.EXPIRED)
    assert spec.story.resets == ()


def test_a_held_request_without_an_end_is_given_up_after_a_day(given):
    attempt = given().when(requested(When.IDLE, by=CHARGING)).then(Status.AWAITING_IDLE)
    assert attempt.deadline.due == START + timedelta(hours=24)


def test_news_after_the_end_of_the_wait_find_it_expired(given):
    spec = given(requested(When.IDLE, by=CHARGING, expires=3600))
    late = spec.story.hear(changed(3601, QUIET), now=at(3601))
    assert late.attempt.status is Status.EXPIRED


def test_what_was_seen_of_a_charger_has_no_bearing_while_nothing_was_sent(given):
    held = given(requested(When.IDLE, by=CHARGING))
    held.when(transaction_ended(10)).then_nothing_happened(Idle.NO_BEARING)
    held.when(booted(11)).then_nothing_happened(Idle.NO_BEARING)
    held.when(sent(12)).then_nothing_happened(Idle.NO_BEARING)


# --- when: online ------------------------------------------------------------------------------------------------------

JUST_BACK = replace(QUIET, epoch=RESET_ON + 1, quiet_since=at(100))


def test_online_waits_for_an_offline_charger(given):
    spec = given().when(requested(When.ONLINE, by=OFFLINE, expires=3600))
    attempt = spec.then(Status.QUEUED)
    assert attempt.deadline.due == at(3600)
    assert spec.story.resets == ()


def test_online_is_sent_at_once_when_the_charger_is_there(given):
    given().when(requested(When.ONLINE)).then(Status.DISPATCHING)


def test_online_leaves_a_returning_charger_alone_for_a_moment_and_is_then_sent_on_its_new_session(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(100, JUST_BACK))
    assert spec.then(Status.QUEUED).deadline.due == at(105)
    spec.when_seconds_pass(105)
    assert spec.then(Status.DISPATCHING).reset.at == at(105)
    assert spec.story.resets[0].epoch == RESET_ON + 1


def test_online_waits_a_moment_more_when_the_returning_charger_boots(given):
    spec = given(requested(When.ONLINE, by=OFFLINE), changed(100, JUST_BACK))
    spec.when(changed(102, replace(JUST_BACK, quiet_since=at(102))))
    assert spec.then(Status.QUEUED).deadline.due == at(107)
    spec.when_seconds_pass(106.9).then(Status.QUEUED)
    spec.when_seconds_pass(107).then(Status.DISPATCHING)
    assert len(spec.story.resets) == 1


def test_online_does_not_outwait_its_own_end(given):
    spec = given(requested(When.ONLINE, by=OFFLINE, expires=102), changed(100, JUST_BACK))
    assert spec.when_nothing_more_happens().then(Status.EXPIRED).moved_at == at(102)


def test_rights_are_checked_again_at_dispatch_and_a_person_who_lost_them_is_refused(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(100, standing(JUST_BACK, role=Role.USER)))
    assert reasons(spec.then(Status.REFUSED)) == [RefusalReason.ROLE]
    assert spec.story.resets == ()


def test_a_plan_that_was_given_up_meanwhile_refuses_at_dispatch(given):
    spec = given(requested(When.IDLE, by=CHARGING)).when(changed(100, standing(features=frozenset())))
    assert reasons(spec.then(Status.REFUSED)) == [RefusalReason.PLAN]


def test_online_does_not_interrupt_a_transaction_that_runs_when_the_charger_returns(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(200, standing(JUST_BACK, transactions=(CONNECTOR,))))
    spec.then(Status.QUEUED)
    spec.when(changed(300, JUST_BACK)).then(Status.DISPATCHING)


def test_online_interrupts_a_transaction_when_the_person_wants_it_so(given):
    spec = given(requested(When.ONLINE, by=OFFLINE, interrupt_charging=True))
    spec.when(changed(200, standing(JUST_BACK, transactions=(CONNECTOR,)))).then(Status.DISPATCHING)


def test_online_waits_for_the_end_of_a_firmware_update(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(200, standing(JUST_BACK, updating_firmware=True)))
    spec.then(Status.QUEUED)
    spec.when(changed(300, JUST_BACK)).then(Status.DISPATCHING)


def test_online_never_connects_and_expires(given):
    given(requested(When.ONLINE, by=OFFLINE, expires=600)).when_nothing_more_happens().then(Status.EXPIRED)


def test_one_evse_of_a_charger_that_turns_out_to_speak_1_6_is_unsupported(given):
    spec = given(requested(When.ONLINE, by=replace(OFFLINE, protocol=None), evse_id=1))
    spec.then(Status.QUEUED)
    spec.when(changed(200, JUST_BACK)).then(Status.UNSUPPORTED)


# --- taking it back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "known"), [(When.ONLINE, OFFLINE), (When.IDLE, CHARGING)])
def test_a_request_can_be_taken_back_while_nothing_was_sent(given, when, known):
    spec = given(requested(when, by=known)).when(cancelled(10))
    attempt = spec.then(Status.CANCELLED)
    assert attempt.cancelled_by == PERSON
    spec.then_verdict(Status.CANCELLED, outcome=Outcome.CANCELLED, confidence=Confidence.PROVEN)
    spec.when(changed(20, QUIET)).then_nothing_happened(Idle.OVER)
    assert spec.story.resets == ()


def test_another_administrator_may_take_it_back(given):
    attempt = given(requested(When.ONLINE, by=OFFLINE)).when(cancelled(10, by="grace")).then(Status.CANCELLED)
    assert attempt.cancelled_by == "grace"


def test_the_person_who_asked_may_take_it_back_even_without_the_role(given):
    given(requested(When.ONLINE, by=OFFLINE)).when(cancelled(10, role=None)).then(Status.CANCELLED)


@pytest.mark.parametrize("role", [None, Role.USER, Role.OPERATOR])
def test_someone_who_may_not_restart_may_not_take_back_the_request_of_another(given, role):
    spec = given(requested(When.ONLINE, by=OFFLINE))
    spec.when(cancelled(10, by="grace", role=role)).then_nothing_happened(Idle.NOT_ALLOWED)


def test_there_is_nothing_to_take_back_once_it_is_over(given):
    given(requested(by=OFFLINE)).when(cancelled(1)).then_nothing_happened(Idle.OVER)


def test_a_change_of_standing_has_no_bearing_once_the_reset_is_on_its_way(given):
    given(requested()).when(changed(1, OFFLINE)).then_nothing_happened(Idle.NO_BEARING)


def test_the_time_of_connecting_is_no_drop(given):
    given(requested()).when(connected(-3600, RESET_ON)).then_nothing_happened(Idle.KNOWN)


# --- a firmware update whose end is never reported ------------------------------------------------------------------------


def updating(since: float, base=QUIET):
    return replace(standing(base, updating_firmware=True), firmware_news_at=at(since))


def test_an_update_of_which_nothing_was_heard_for_hours_blocks_nothing(given):
    given().when(requested(by=updating(-7201))).then(Status.DISPATCHING)


def test_an_update_that_was_heard_of_lately_blocks(given):
    assert reasons(given().when(requested(by=updating(-7199))).then(Status.REFUSED)) == [
        RefusalReason.UPDATING_FIRMWARE
    ]


def test_whoever_waits_for_the_end_of_an_update_waits_no_longer_than_it_is_believed(given):
    spec = given(requested(When.ONLINE, by=OFFLINE)).when(changed(200, updating(100)))
    assert spec.then(Status.QUEUED).deadline.due == at(100 + 7200)
    spec.when_seconds_pass(7301).then(Status.DISPATCHING)


def test_an_update_without_a_time_blocks(given):
    given().when(requested(by=UPDATING)).then(Status.REFUSED)
