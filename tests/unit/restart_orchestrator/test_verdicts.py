"""One sentence for every row of the verdict table."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Cause, Confidence, EvidenceKind, Health, MissingLink, Outcome, Status, Step
from restart_orchestrator.states import Idle
from restart_orchestrator.story import (
    QUIET,
    RESET_ON,
    accepted,
    at,
    booted,
    connected,
    dropped,
    not_delivered,
    rejected,
    requested,
    security_event,
    sent,
    status,
    transaction_ended,
    unanswered,
    unsupported,
)

ASKED = (requested(), sent(), accepted())
AWAY = (*ASKED, dropped(10))
BACK = (*AWAY, connected(90))


# --- restarted ---------------------------------------------------------------------------------------------------------


def test_accepted_gone_and_booted_on_a_new_socket_is_restarted_with_high_confidence(given):
    spec = given(*BACK).when(booted(90.1), status(90.2)).when_nothing_more_happens()
    verdict = spec.then_verdict(
        Status.RESTARTED,
        outcome=Outcome.RESTARTED,
        confidence=Confidence.HIGH,
        health=Health.OK,
        missing=(),
        cause=None,
    )
    assert verdict.params == {"away_s": "80"}


@pytest.mark.parametrize("reason", ["PowerUp", "Unknown", "SomethingNew", None])
def test_it_is_high_whatever_the_reason_says_unless_it_names_another_cause(given, reason):
    spec = given(*BACK).when(booted(90.1, reason=reason), status(90.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


@pytest.mark.parametrize("reason", ["RemoteReset", "ScheduledReset"])
def test_a_boot_reason_that_names_the_reset_proves_it(given, reason):
    spec = given(*BACK).when(booted(90.1, reason=reason), status(90.2)).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN, missing=())
    assert verdict.params["said"] == reason


@pytest.mark.parametrize("kind", ["ResetOrReboot", "StartupOfTheDevice"])
def test_a_security_event_on_a_new_socket_proves_it_even_without_a_boot(given, kind):
    spec = given(*BACK).when(security_event(91, kind), status(92)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN, health=Health.OK)


def test_a_security_event_before_the_charger_goes_proves_it_once_it_boots(given):
    before = given(*ASKED, security_event(5, "ResetOrReboot", session=RESET_ON))
    before.then(Status.AWAITING_DROP)
    spec = before.when(dropped(10), connected(90), booted(90.1), status(90.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


def test_a_security_event_of_another_kind_proves_nothing(given):
    given(*BACK).when(security_event(91, "SettingSystemTime")).then_nothing_happened(Idle.NO_BEARING)


def test_a_security_event_of_before_the_reset_proves_nothing(given):
    given(*ASKED).when(security_event(-30, "ResetOrReboot", session=RESET_ON)).then_nothing_happened(Idle.NO_BEARING)


YESTERDAY = -20 * 3600


@pytest.mark.parametrize("kind", ["ResetOrReboot", "StartupOfTheDevice"])
@pytest.mark.parametrize("said", [-61, YESTERDAY])
def test_a_security_event_of_an_earlier_restart_that_comes_after_the_return_proves_nothing(given, kind, said):
    spec = given(*BACK).when(security_event(91, kind, said=said))
    spec.then_nothing_happened(Idle.NO_BEARING)
    spec.when_nothing_more_happens().then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)


@pytest.mark.parametrize("said", [-60, 91 - 86_401])
def test_a_clock_a_little_behind_or_more_than_a_day_off_does_not_make_a_security_event_old(given, said):
    spec = given(*BACK).when(security_event(91, "StartupOfTheDevice", said=said), status(92))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


def test_a_transaction_that_an_earlier_reset_ended_and_that_is_told_again_does_not_prove_a_boot(given):
    again = transaction_ended(91, "SoftReset", RESET_ON + 1, said=YESTERDAY)
    spec = given(*BACK, booted(90.1, reason="Watchdog")).when(again)
    spec.then_nothing_happened(Idle.NO_BEARING)
    spec.when(status(92)).when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.LOW)


@pytest.mark.parametrize("reason", ["HardReset", "SoftReset", "ImmediateReset"])
def test_a_transaction_that_ended_by_the_reset_then_a_boot_proves_it(given, reason):
    spec = given(*ASKED, transaction_ended(0.03, reason), dropped(10), connected(15), booted(15.1), status(15.2))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN, missing=())


def test_a_transaction_that_ended_by_the_reset_proves_nothing_without_a_boot(given):
    spec = given(*ASKED, transaction_ended(0.03, "SoftReset"), dropped(10), connected(15), status(15.2))
    spec.when_nothing_more_happens().then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)


def test_a_transaction_that_ended_for_another_reason_says_nothing(given):
    given(*ASKED).when(transaction_ended(0.03, "EVDisconnected")).then_nothing_happened(Idle.NO_BEARING)


def test_a_transaction_that_ended_by_an_earlier_reset_says_nothing(given):
    given(*ASKED).when(transaction_ended(-30, "SoftReset")).then_nothing_happened(Idle.NO_BEARING)


def test_no_answer_makes_it_medium(given):
    spec = given(
        requested(), sent(), dropped(10), unanswered(10, "session_ended"), connected(15), booted(15.1), status(16)
    )
    spec.when_nothing_more_happens().then_verdict(
        Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.ANSWER,)
    )


def test_an_unseen_drop_makes_it_medium(given):
    spec = given(*ASKED, connected(15), booted(15.1), status(15.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.DROP,))


@pytest.mark.parametrize("why", ["replaced", "bridge_stopped", "bridge_lost", "refused"])
def test_a_drop_that_the_charger_did_not_make_is_as_good_as_unseen(given, why):
    spec = given(*ASKED, dropped(10, why=why), connected(15), booted(15.1), status(15.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.DROP,))


def test_a_drop_that_is_noticed_only_after_the_return_is_as_good_as_unseen(given):
    spec = given(*ASKED, connected(15), booted(15.1), status(15.2), dropped(20)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, missing=(MissingLink.DROP,), health=Health.OK)


def test_an_answer_on_the_next_socket_makes_it_medium(given):
    spec = given(requested(), sent(), dropped(10), connected(15), booted(15.1), status(15.2))
    spec.when(accepted(15.3, on=RESET_ON + 1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.LATE_ANSWER,))


def test_an_answer_on_the_old_socket_after_the_return_makes_it_medium(given):
    spec = given(requested(), sent(), dropped(10), connected(15), booted(15.1), status(15.2), accepted(16))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, missing=(MissingLink.LATE_ANSWER,))


def test_several_links_may_be_missing(given):
    spec = given(requested(), sent(), unanswered(1, "bridge_lost"), dropped(1, why="bridge_lost"), connected(2))
    spec.when(booted(20, RESET_ON + 2), status(21, session=RESET_ON + 2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.ANSWER, MissingLink.DROP))


def test_proof_stands_whatever_link_is_missing(given):
    spec = given(requested(), sent(), connected(15), booted(15.1, reason="RemoteReset"), status(15.2))
    spec.when_nothing_more_happens().then_verdict(
        Status.RESTARTED, confidence=Confidence.PROVEN, missing=(MissingLink.ANSWER, MissingLink.DROP)
    )


@pytest.mark.parametrize("reason", ["Watchdog", "LocalReset", "FirmwareUpdate", "ApplicationReset"])
def test_a_boot_that_names_another_cause_makes_it_low(given, reason):
    spec = given(*BACK).when(booted(90.1, reason=reason), status(90.2)).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.RESTARTED, confidence=Confidence.LOW)
    assert verdict.params["reason"] == reason


# --- what is no evidence -----------------------------------------------------------------------------------------------


def test_a_boot_on_the_same_socket_is_no_evidence_and_the_waiting_goes_on(given):
    spec = given(*ASKED).when(booted(5, RESET_ON, reason="RemoteReset"))
    spec.then(Status.AWAITING_DROP)
    assert spec.story.evidence[-1].kind is EvidenceKind.BOOT_NOT_COUNTED
    spec.when_nothing_more_happens().then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)


def test_a_boot_after_our_own_trigger_is_no_evidence(given):
    spec = given(*BACK).when(booted(91, solicited=True))
    spec.then(Status.RESTARTING)
    assert spec.story.evidence[-1].kind is EvidenceKind.BOOT_NOT_COUNTED
    spec.when_nothing_more_happens().then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)


def test_a_boot_whose_reason_is_triggered_is_no_evidence(given):
    given(*BACK).when(booted(91, reason="Triggered")).then(Status.RESTARTING)


def test_a_boot_that_does_not_count_is_noted_once(given):
    given(*ASKED, booted(5, RESET_ON)).when(booted(6, RESET_ON)).then_nothing_happened(Idle.KNOWN)


def test_a_boot_that_was_owed_anyway_says_little(given):
    spec = given(*BACK).when(booted(91, owed_since=RESET_ON), status(91.2)).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.RESTARTED, confidence=Confidence.LOW)
    assert verdict.params["boot"] == "owed"


@pytest.mark.parametrize("more", [(), (booted(95, RESET_ON + 2),)])
def test_a_boot_that_is_owed_since_one_of_after_the_reset_says_as_much_as_that_one(given, more):
    seen = (*BACK, booted(91, owed_since=RESET_ON + 1), *more)
    given(*seen).when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


def test_the_chargers_own_word_for_a_reset_counts_with_an_owed_boot_as_well(given):
    owed = booted(91, reason="RemoteReset", owed_since=RESET_ON)
    given(*BACK, owed).when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


def test_a_boot_on_a_socket_that_was_open_before_the_reset_is_no_evidence(given):
    spec = given(requested(), connected(-5), booted(-4)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)


def test_a_boot_that_turns_out_to_be_of_before_the_reset_is_taken_back(given):
    spec = given(requested(), booted(0.1))
    spec.then(Status.CHECKING)
    spec.when(connected(-5)).then(Status.RESTARTING)
    assert spec.story.evidence[-2].kind is EvidenceKind.BOOT


def test_a_boot_of_a_session_before_that_of_the_reset_has_no_bearing(given):
    given(*ASKED).when(booted(5, RESET_ON - 1)).then_nothing_happened(Idle.NO_BEARING)


# --- not restarted -----------------------------------------------------------------------------------------------------


def test_gone_and_back_without_a_boot_is_a_blip(given):
    spec = given(*BACK).when_nothing_more_happens()
    verdict = spec.then_verdict(
        Status.NOT_RESTARTED, outcome=Outcome.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.HIGH, health=None
    )
    assert verdict.params == {"away_s": "80"}
    assert spec.story.attempt.moved_at == at(10 + 300)


def test_a_blip_on_a_session_that_we_ended_ourselves_is_medium(given):
    spec = given(*ASKED, dropped(10, why="bridge_lost"), connected(20)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.MEDIUM, missing=(MissingLink.DROP,))


NEVER_BOOTS = requested(by=replace(QUIET, boots_on_return=False))


@pytest.mark.parametrize(
    ("back_at", "expected", "cause"),
    [
        (10 + 60, Status.RESTARTED, None),
        (10 + 30, Status.RESTARTED, None),
        (10 + 29, Status.NOT_RESTARTED, Cause.BLIP),
        (10 + 1, Status.NOT_RESTARTED, Cause.BLIP),
    ],
)
def test_a_charger_that_never_boots_is_judged_by_its_time_away(given, back_at, expected, cause):
    spec = given(NEVER_BOOTS, sent(), accepted(), dropped(10), connected(back_at), status(back_at + 1))
    spec.when_nothing_more_happens()
    verdict = spec.then_verdict(expected, confidence=Confidence.LOW, cause=cause)
    assert verdict.params["usual_away_s"] == "60"
    assert verdict.health is (Health.OK if expected is Status.RESTARTED else None)


def test_a_charger_that_never_boots_may_do_so_after_all(given):
    spec = given(NEVER_BOOTS, sent(), accepted(), dropped(10), connected(15), booted(16), status(17))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


def test_staying_past_the_window_is_ignored(given):
    spec = given(*ASKED).when_nothing_more_happens()
    spec.then_verdict(
        Status.NOT_RESTARTED, outcome=Outcome.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH
    )
    assert spec.story.attempt.moved_at == at(0.01 + 60)
    assert spec.story.evidence[-1].kind is EvidenceKind.DEADLINE


def test_staying_without_an_answer_is_ignored_too(given):
    spec = given(requested(), sent(), unanswered(30)).when_nothing_more_happens()
    spec.then_verdict(
        Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH, missing=(MissingLink.ANSWER,)
    )


def test_rejected_is_proven(given):
    spec = given(requested(), sent()).when(rejected(info="CMNotReady"))
    verdict = spec.then_verdict(
        Status.REJECTED, outcome=Outcome.NOT_RESTARTED, cause=Cause.REJECTED, confidence=Confidence.PROVEN
    )
    assert verdict.params == {"info": "CMNotReady"}
    assert [one.kind for one in spec.story.evidence] == [EvidenceKind.SENT, EvidenceKind.REJECTED]


@pytest.mark.parametrize("code", ["NotSupported", "NotImplemented"])
def test_unsupported_is_proven(given, code):
    spec = given(requested(), sent()).when(unsupported(code=code))
    verdict = spec.then_verdict(Status.UNSUPPORTED, cause=Cause.UNSUPPORTED, confidence=Confidence.PROVEN)
    assert verdict.params == {"code": code}


def test_another_error_as_the_answer_is_no_failure(given):
    spec = given(requested(), sent()).when(unanswered(1, "call_error", "InternalError"))
    spec.then(Status.AWAITING_DROP)
    assert spec.story.evidence[-1].params == {"why": "call_error", "error": "InternalError"}


@pytest.mark.parametrize("why", ["expired", "not_connected", "other_session"])
def test_not_delivered_is_proven(given, why):
    spec = given(requested()).when(not_delivered(why=why))
    verdict = spec.then_verdict(Status.UNDELIVERED, cause=Cause.UNDELIVERED, confidence=Confidence.PROVEN)
    assert verdict.params == {"why": why}


def test_a_boot_before_we_hear_that_nothing_was_delivered_was_not_ours(given):
    given(requested(), connected(1), booted(2)).when(not_delivered(3)).then(Status.UNDELIVERED)


def test_silence_of_every_bridge_is_undelivered(given):
    spec = given(requested()).when_nothing_more_happens()
    spec.then_verdict(
        Status.UNDELIVERED, cause=Cause.UNDELIVERED, confidence=Confidence.MEDIUM, missing=(MissingLink.ANSWER,)
    )
    assert spec.story.attempt.moved_at == at(60 + 300), "until then a restart could still show"
    assert [(one.kind, one.at) for one in spec.story.evidence] == [
        (EvidenceKind.DEADLINE, at(10 + 30)),
        (EvidenceKind.DEADLINE, at(60 + 300)),
    ]


def test_a_bridge_that_died_between_the_frame_and_its_word_is_not_called_undelivered(given):
    silence = given(requested(), connected(52), booted(53), status(54))
    silence.when_nothing_more_happens().then_verdict(
        Status.RESTARTED,
        confidence=Confidence.MEDIUM,
        health=Health.OK,
        missing=(MissingLink.ANSWER, MissingLink.DROP),
    )


def test_a_status_with_reset_failure_is_proven(given):
    spec = given(*ASKED).when(status(30, ConnectorState.FAULTED, RESET_ON, connector="0/0", error="ResetFailure"))
    spec.then_verdict(
        Status.NOT_RESTARTED,
        outcome=Outcome.NOT_RESTARTED,
        cause=Cause.RESET_FAILURE,
        confidence=Confidence.PROVEN,
    )
    assert spec.story.evidence[-1].kind is EvidenceKind.RESET_FAILURE


def test_a_reset_failure_of_before_the_reset_has_no_bearing(given):
    failure = status(-30, ConnectorState.FAULTED, RESET_ON, connector="0/0", error="ResetFailure")
    given(*ASKED).when(failure).then_nothing_happened(Idle.NO_BEARING)


FAILED_BEFORE = requested(by=replace(QUIET, faults={"0/0": "ResetFailure"}))


@pytest.mark.parametrize(
    ("first", "said"),
    [(requested(), YESTERDAY), (FAILED_BEFORE, 15)],
    ids=["told again with its old time", "still so"],
)
def test_a_reset_failure_of_before_that_is_told_again_after_the_return_says_nothing_of_this_reset(given, first, said):
    again = status(15, ConnectorState.FAULTED, connector="0/0", error="ResetFailure", said=said)
    spec = given(first, sent(), accepted(), dropped(10), connected(15)).when(again)
    spec.then(Status.RESTARTING)
    spec.when(booted(15.1), status(15.2)).when_nothing_more_happens().then_verdict(Status.RESTARTED)


def test_a_reset_failure_on_the_next_session_is_proof_as_well(given):
    failure = status(20, ConnectorState.FAULTED, connector="0/0", error="ResetFailure")
    spec = given(*AWAY, connected(15)).when(failure)
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.RESET_FAILURE)


def test_a_charger_that_could_not_reset_before_may_say_so_again(given):
    failure = status(30, ConnectorState.FAULTED, RESET_ON, connector="0/0", error="ResetFailure")
    spec = given(FAILED_BEFORE, sent(), accepted()).when(failure)
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.RESET_FAILURE)


def test_a_reset_failure_after_a_boot_is_only_a_status(given):
    failure = status(20, ConnectorState.FAULTED, connector="0/0", error="ResetFailure")
    spec = given(*AWAY, connected(15), booted(15.1), status(15.2)).when(failure)
    spec.then(Status.CHECKING)
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.UNHEALTHY)


# --- lost --------------------------------------------------------------------------------------------------------------

LOST = 10 + 300


def test_gone_and_not_back_is_lost(given):
    spec = given(*AWAY).when_nothing_more_happens()
    attempt = spec.then(Status.LOST)
    assert attempt.lost_at == at(LOST)
    spec.then_verdict(Status.LOST, outcome=Outcome.LOST, confidence=Confidence.HIGH, cause=None, health=None)


def test_back_and_gone_again_without_a_boot_is_lost(given):
    given(*AWAY, connected(20), dropped(30, RESET_ON + 1)).when_nothing_more_happens().then(Status.LOST)


def test_a_lost_charger_that_boots_within_a_day_is_judged_once_more(given):
    late = 3600
    spec = given(*AWAY).when(connected(late), booted(late + 1), status(late + 2))
    attempt = spec.then(Status.LOST)
    lost_version = attempt.lost_version
    attempt = spec.when_nothing_more_happens().then(Status.RESTARTED)
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)
    assert attempt.revises == lost_version
    assert lost_version is not None
    assert attempt.version > lost_version
    assert attempt.steps[Step.BACK] == at(late + 1)
    assert attempt.moved_at == at(late + 1 + 60)


def test_a_lost_charger_that_returns_without_a_boot_becomes_a_blip(given):
    spec = given(*AWAY).when(connected(3600)).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.HIGH)
    assert verdict.params == {"away_s": str(3600 - 10)}
    assert spec.story.attempt.moved_at == at(3600 + 300)


def test_a_lost_charger_that_returns_and_goes_again_stays_lost(given):
    spec = given(*AWAY).when(connected(3600), dropped(3610, RESET_ON + 1)).when_nothing_more_happens()
    spec.then(Status.LOST)
    spec.when(connected(7200, RESET_ON + 2), booted(7201, RESET_ON + 2)).when_nothing_more_happens()
    spec.then(Status.RESTARTED)


def test_a_lost_charger_that_boots_three_times_is_judged_at_once(given):
    boots = [
        one for n in (1, 2, 3) for one in (connected(3600 + 10 * n, RESET_ON + n), booted(3601 + 10 * n, RESET_ON + n))
    ]
    spec = given(*AWAY).when(*boots)
    attempt = spec.then(Status.RESTARTED)
    assert attempt.revises == attempt.lost_version
    spec.then_verdict(Status.RESTARTED, health=Health.BOOT_LOOP)


def test_a_lost_charger_is_not_judged_anew_after_a_day(given):
    day = timedelta(hours=24).total_seconds()
    spec = given(*AWAY).when_seconds_pass(LOST)
    spec.when(connected(LOST + day + 1)).then_nothing_happened(Idle.OVER)
    spec.when_nothing_more_happens().then(Status.LOST)


def test_a_lost_charger_is_judged_anew_only_once(given):
    spec = given(*AWAY).when(connected(3600), booted(3601), status(3602)).when_nothing_more_happens()
    spec.when(dropped(4000, RESET_ON + 1)).then_nothing_happened(Idle.OVER)


def test_an_answer_for_a_lost_attempt_changes_nothing(given):
    given(requested(), sent(), dropped(10)).when_nothing_more_happens().when(rejected(1000)).then_nothing_happened(
        Idle.OVER
    )


@pytest.mark.parametrize("second", [rejected(1), unsupported(1)])
def test_the_first_answer_counts(given, second):
    given(*ASKED).when(second).then_nothing_happened(Idle.KNOWN)


def test_that_nothing_was_delivered_has_no_bearing_once_it_was_sent(given):
    given(requested(), sent()).when(not_delivered(1)).then_nothing_happened(Idle.NO_BEARING)
    given(requested(), accepted()).when(not_delivered(1)).then_nothing_happened(Idle.NO_BEARING)


def test_a_boot_after_a_security_event_of_its_start_is_noted_with_its_reason(given):
    spec = given(*BACK, security_event(90.1, "StartupOfTheDevice")).when(booted(90.2, reason="PowerUp"))
    assert spec.story.evidence[-1].kind is EvidenceKind.BOOT
    verdict = spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)
    assert verdict.params["reason"] == "PowerUp"


def test_an_answer_after_the_first_return_is_late_even_when_the_charger_went_again(given):
    spec = given(requested(), sent(), dropped(10), connected(15), accepted(16), dropped(20, RESET_ON + 1))
    spec.when(connected(30, RESET_ON + 2), booted(31, RESET_ON + 2), status(32, session=RESET_ON + 2))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, missing=(MissingLink.LATE_ANSWER,))


def test_the_first_boot_says_what_restarted_the_charger(given):
    spec = given(*BACK, booted(90.1, reason="PowerUp"), dropped(95, RESET_ON + 1), connected(99, RESET_ON + 2))
    spec.when(booted(100, RESET_ON + 2, reason="Watchdog")).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, health=Health.UNSTABLE)
    assert verdict.params["reason"] == "PowerUp"


def test_of_several_times_away_the_longest_tells(given):
    spec = given(NEVER_BOOTS, sent(), accepted(), dropped(10), connected(15), dropped(20, RESET_ON + 1))
    spec.when(connected(70, RESET_ON + 2), dropped(80, RESET_ON + 2), connected(81, RESET_ON + 3))
    verdict = spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.LOW)
    assert verdict.params["away_s"] == "50"
