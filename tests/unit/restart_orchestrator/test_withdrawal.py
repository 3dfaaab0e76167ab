"""A request that is taken back when its Reset is on its way: the bridge says which was first, and the record says so."""

from dataclasses import replace

import pytest

from contracts.restart import Cause, EvidenceKind, Health, Outcome, Status, When
from contracts.words import Role
from restart_orchestrator.states import Idle, Moved, Withdraw
from restart_orchestrator.story import (
    ATTEMPT_ID,
    CHARGER_ID,
    ESCALATING,
    PERSON,
    QUIET,
    RESET_ON,
    accepted,
    at,
    booted,
    cancelled,
    connected,
    dropped,
    not_delivered,
    not_withdrawn,
    rejected,
    requested,
    scheduled,
    sent,
    standing,
    status,
    unanswered,
    unsupported,
    withdrawn,
)

ON_2 = standing(transactions=("1/1",), protocol="ocpp2.0.1")


def moves(spec):
    return [move for decision in spec.story.decisions for move in decision.transitions if isinstance(move, Moved)]


# --- before anything is known of the Reset -----------------------------------------------------------------------------


def test_the_bridge_is_asked_while_nothing_is_known_of_the_reset(given):
    spec = given(requested()).when(cancelled(0.005))
    attempt = spec.then(Status.DISPATCHING)
    assert spec.story.withdrawals == (Withdraw(attempt_id=ATTEMPT_ID, charger_id=CHARGER_ID, epoch=RESET_ON),)
    asked = attempt.withdrawal
    assert (asked.asked_by, asked.asked_at, asked.answer) == (PERSON, at(0.005), None)
    assert "the bridge is asked" in moves(spec)[-1].sentence


def test_it_is_cancelled_when_the_bridge_says_that_it_was_not_claimed(given):
    spec = given(requested(), cancelled(0.005)).when(withdrawn())
    assert spec.then_verdict(Status.CANCELLED).outcome is Outcome.CANCELLED
    attempt = spec.then(Status.CANCELLED)
    assert attempt.cancelled_by == PERSON
    [proof] = spec.story.evidence
    assert (proof.kind, proof.params["why"]) == (EvidenceKind.NOT_DELIVERED, "withdrawn")
    assert (attempt.withdrawal.answer, attempt.withdrawal.event_id) == ("withdrawn", proof.event_id)
    assert "taken back, and nothing was sent" in moves(spec)[-1].sentence


@pytest.mark.parametrize("why", ["expired", "not_connected", "other_session"])
def test_it_is_cancelled_too_when_it_was_not_sent_for_another_reason(given, why):
    attempt = given(requested(), cancelled(0.005)).when(not_delivered(why=why)).then(Status.CANCELLED)
    assert attempt.withdrawal.answer == "withdrawn"


def test_it_goes_on_when_the_bridge_says_that_it_was_claimed_and_the_record_says_why(given):
    spec = given(requested(), cancelled(0.005)).when(not_withdrawn())
    attempt = spec.then(Status.DISPATCHING)
    assert attempt.withdrawal.answer == "too_late"
    assert attempt.withdrawal.event_id == not_withdrawn().event_id
    assert moves(spec)[-1].sentence == "It can't be taken back any more: the Reset was claimed for sending."
    spec.when(sent(), accepted(), dropped(10), connected(90), booted(91), status(92)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.OK)
    assert spec.story.attempt.cancelled_by is None


@pytest.mark.parametrize(
    ("proof", "stands"),
    [
        (sent(), Status.DISPATCHING),
        (accepted(), Status.AWAITING_DROP),
        (scheduled(), Status.AWAITING_IDLE),
        (rejected(), Status.REJECTED),
        (unsupported(), Status.UNSUPPORTED),
        (unanswered(0.02, why="bridge_lost"), Status.AWAITING_DROP),
    ],
)
def test_whatever_proves_that_it_was_claimed_settles_the_question(given, proof, stands):
    spec = given(requested(), cancelled(0.005)).when(proof)
    asked = spec.then(stands).withdrawal
    assert (asked.answer, asked.event_id) == ("too_late", proof.event_id)
    assert "can't be taken back any more" in moves(spec)[-1].sentence
    over = stands in {Status.REJECTED, Status.UNSUPPORTED}
    spec.when(not_withdrawn(0.03)).then_nothing_happened(Idle.OVER if over else Idle.NO_BEARING)


def test_it_is_cancelled_although_the_charger_went_away_by_itself_meanwhile(given):
    spec = given(requested(), cancelled(0.005), dropped(0.01)).when(withdrawn(0.02))
    spec.then(Status.CANCELLED)


def test_the_deadlines_are_those_that_it_had(given):
    before = given(requested()).then(Status.DISPATCHING).deadline
    asked = given(requested(), cancelled(0.005)).then(Status.DISPATCHING)
    late = given(requested(), cancelled(0.005), not_withdrawn()).then(Status.DISPATCHING)
    assert asked.deadline == late.deadline == before


def test_when_no_bridge_says_anything_at_all_nothing_is_concluded_from_the_withdrawal(given):
    spec = given(requested(), cancelled(0.005), answering=False).when_nothing_more_happens()
    spec.then_verdict(Status.UNDELIVERED, cause=Cause.UNDELIVERED)
    assert spec.story.attempt.withdrawal.answer is None


# --- when it is known to be too late -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ((requested(), sent()), Status.DISPATCHING),
        ((requested(When.IDLE, by=ON_2, expires=7200), sent(), scheduled()), Status.AWAITING_IDLE),
        ((requested(), accepted()), Status.AWAITING_DROP),
        ((requested(), unanswered(0.02, why="bridge_lost")), Status.AWAITING_DROP),
        ((requested(), sent(), accepted(), dropped(0.5)), Status.RESTARTING),
        ((requested(), sent(), accepted(), dropped(0.5), connected(0.6), booted(0.7)), Status.CHECKING),
    ],
)
def test_after_that_it_is_refused_at_once_and_the_record_says_so(given, told, stands):
    spec = given(*told).when(cancelled(1, by="grace"))
    asked = spec.then(stands).withdrawal
    assert (asked.asked_by, asked.answer) == ("grace", "too_late")
    assert spec.story.withdrawals == ()
    assert moves(spec)[-1].sentence == "It can't be taken back any more: the Reset was claimed for sending."
    assert spec.story.attempt.deadline == spec.before.attempt.deadline


def test_the_harder_reset_of_an_attempt_cannot_be_taken_back(given):
    spec = given(requested(by=ESCALATING), sent(), rejected(0.02, by=ESCALATING)).when(cancelled(1))
    assert spec.then(Status.DISPATCHING).withdrawal.answer == "too_late"
    assert spec.story.withdrawals == ()


def test_no_harder_reset_follows_what_somebody_wanted_to_take_back(given):
    spec = given(requested(by=ESCALATING), sent(), cancelled(0.015)).when(rejected(0.02, by=ESCALATING))
    assert spec.then_verdict(Status.REJECTED, cause=Cause.REJECTED).params["not_escalated"] == "withdrawn"
    assert len(spec.story.resets) == 1


# --- who may, and how often --------------------------------------------------------------------------------------------


def test_taken_back_twice_is_asked_once(given):
    spec = given(requested(), cancelled(0.005)).when(cancelled(0.006, by="grace"))
    spec.then_nothing_happened(Idle.KNOWN)
    assert spec.story.attempt.withdrawal.asked_by == PERSON


@pytest.mark.parametrize("role", [Role.USER, Role.OPERATOR, None])
def test_someone_who_may_not_restart_may_not_have_the_reset_of_another_withdrawn(given, role):
    given(requested()).when(cancelled(0.005, by="grace", role=role)).then_nothing_happened(Idle.NOT_ALLOWED)


def test_what_the_bridge_says_of_a_withdrawal_that_nobody_asked_for_has_no_bearing(given):
    for told in (withdrawn(), not_withdrawn()):
        given(requested()).when(told).then_nothing_happened(Idle.NO_BEARING)


def test_the_same_word_again_changes_nothing(given):
    given(requested(), cancelled(0.005), withdrawn()).when(withdrawn(0.03)).then_nothing_happened(Idle.OVER)
    spec = given(requested(), cancelled(0.005), not_withdrawn())
    spec.when(not_withdrawn(0.03)).then_nothing_happened(Idle.NO_BEARING)


def test_a_request_that_only_waits_is_cancelled_without_the_bridge(given):
    offline = replace(QUIET, situation=replace(QUIET.situation, online=False))
    spec = given(requested(When.ONLINE, by=offline)).when(cancelled(10))
    assert spec.then(Status.CANCELLED).withdrawal is None
    assert spec.story.withdrawals == ()
