"""The moves between dispatch and verdict: interleavings, deadlines, steps, health."""

import itertools
from dataclasses import replace

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Confidence, EvidenceKind, Health, MissingLink, Outcome, Status, Step, When
from restart_orchestrator.inputs import DeadlinePassed
from restart_orchestrator.states import Idle, Moved, Opened, WakeMe, evolve
from restart_orchestrator.story import (
    ATTEMPT_ID,
    CONNECTOR,
    QUIET,
    RESET_ON,
    Story,
    accepted,
    at,
    booted,
    connected,
    dropped,
    not_delivered,
    rejected,
    requested,
    scheduled,
    sent,
    standing,
    status,
    transaction_ended,
    unanswered,
)

ASKED = (requested(), sent(), accepted())
BOOTED = (*ASKED, dropped(10), connected(15), booted(15.1))
ON_2 = standing(protocol="ocpp2.0.1", transactions=(CONNECTOR,))


def deadline(story, **changes):
    waited = story.attempt.deadline
    facts = {"waiting_for": waited.waiting_for, "number": waited.number} | changes
    return DeadlinePassed(event_id=ATTEMPT_ID, at=waited.due, **facts)


# --- the usual way -----------------------------------------------------------------------------------------------------


def test_the_usual_way_is_told_step_by_step(given):
    spec = given(requested())
    for event, expected in [
        (sent(0.01), Status.DISPATCHING),
        (accepted(0.02), Status.AWAITING_DROP),
        (dropped(10), Status.RESTARTING),
        (connected(15), Status.RESTARTING),
        (booted(15.1), Status.CHECKING),
        (status(15.2), Status.CHECKING),
    ]:
        spec.when(event).then(expected)
    attempt = spec.when_nothing_more_happens().then(Status.RESTARTED)
    assert attempt.steps == {
        Step.REQUESTED: at(0),
        Step.SENT: at(0.01),
        Step.ACCEPTED: at(0.02),
        Step.GONE: at(10),
        Step.RECONNECTED: at(15),
        Step.BACK: at(15.1),
        Step.HEALTHY: at(15.1 + 60),
    }
    assert [one.kind for one in spec.story.evidence] == [
        EvidenceKind.SENT,
        EvidenceKind.ACCEPTED,
        EvidenceKind.DISCONNECTED,
        EvidenceKind.CONNECTED,
        EvidenceKind.BOOT,
        EvidenceKind.CONNECTOR_STATUS,
        EvidenceKind.DEADLINE,
    ]
    assert attempt.version == 8
    assert len(spec.story.resets) == 1


def test_each_evidence_names_its_message(given):
    boot = booted(15.1, reason="PowerUp")
    spec = given(*ASKED, dropped(10), connected(15)).when(boot)
    shown = spec.story.evidence[-1]
    assert (shown.event_id, shown.at, shown.epoch) == (boot.event_id, boot.at, RESET_ON + 1)
    assert shown.params == {"reason": "PowerUp"}


# --- every order -------------------------------------------------------------------------------------------------------

REQUEST, *TOLD = (requested(), sent(0.01), accepted(0.02), dropped(10), connected(15), booted(15.1), status(15.2))
ANSWERS, CONNECTIVITY, OBSERVATIONS = TOLD[:2], TOLD[2:4], TOLD[4:]


def interleavings():
    """Every order in which three topics may be read, each of which keeps its own."""
    places = set(itertools.permutations("aaccoo"))
    for order in sorted(places):
        topics = {"a": iter(ANSWERS), "c": iter(CONNECTIVITY), "o": iter(OBSERVATIONS)}
        yield [next(topics[name]) for name in order]


@pytest.mark.parametrize(
    "order", list(interleavings()), ids=lambda order: " ".join(type(one).__name__ for one in order)
)
def test_every_order_of_the_topics_ends_in_the_same_verdict(order):
    usual = Story().tell(REQUEST, *TOLD).to_the_end().attempt
    other = Story().tell(REQUEST, *order).to_the_end()
    assert other.attempt.verdict == usual.verdict
    assert other.attempt.seen == usual.seen
    assert other.attempt.steps == usual.steps
    assert len(other.resets) == 1


def test_the_boot_may_overtake_everything(given):
    spec = given(requested()).when(booted(15.1))
    spec.then(Status.CHECKING)
    spec.when(connected(15), dropped(10), sent(0.01), accepted(0.02), status(15.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, missing=())


def test_the_drop_may_overtake_the_answer(given):
    spec = given(requested(), sent()).when(dropped(0.5)).when(accepted(0.4))
    attempt = spec.then(Status.RESTARTING)
    assert attempt.steps[Step.ACCEPTED] == at(0.4)


def test_the_next_socket_may_be_seen_before_the_old_one_dies(given):
    spec = given(*ASKED).when(connected(15))
    attempt = spec.then(Status.RESTARTING)
    assert attempt.deadline.due == at(15 + 300)
    assert Step.GONE not in attempt.steps
    attempt = spec.when(dropped(15, why="replaced")).then(Status.RESTARTING)
    assert attempt.deadline.due == at(15 + 300)


@pytest.mark.parametrize("before", [(), (sent(),), (sent(), dropped(10)), (sent(), booted(15.1))])
def test_a_rejection_counts_whenever_it_is_heard(given, before):
    given(requested(), *before).when(rejected(20)).then(Status.REJECTED)


def test_an_answer_that_comes_after_our_time_limit_counts_in_full(given):
    spec = given(requested(), sent(), unanswered(30), accepted(40), dropped(45), connected(50), booted(51), status(52))
    attempt = spec.when_nothing_more_happens().then(Status.RESTARTED)
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, missing=())
    assert (attempt.steps[Step.NO_ANSWER], attempt.steps[Step.ACCEPTED]) == (at(30), at(40))


# --- duplicates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "again"),
    [
        ((), sent()),
        ((sent(),), accepted()),
        ((sent(),), unanswered(1)),
        ((sent(),), scheduled()),
        (ASKED[1:], dropped(10)),
        (ASKED[1:], connected(15)),
        (BOOTED[1:4], booted(15.1)),
        (BOOTED[1:], status(15.2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_heard_twice_counts_once(given, before, again):
    given(requested(), *before, again).when(again).then_nothing_happened(Idle.KNOWN)


def test_a_second_answer_counts_no_more(given):
    given(*ASKED).when(scheduled(1)).then_nothing_happened(Idle.KNOWN)
    given(*ASKED).when(unanswered(1)).then_nothing_happened(Idle.KNOWN)


def test_a_repeated_boot_on_one_socket_is_one_start(given):
    """A boot that was answered Rejected, or not at all, is sent again."""
    spec = given(*BOOTED).when(booted(30)).then_nothing_happened(Idle.KNOWN)
    spec = given(*BOOTED).when(booted(30), booted(40), booted(50), status(51)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.OK)


def test_an_old_session_has_no_bearing(given):
    given(*ASKED).when(dropped(5, RESET_ON - 1)).then_nothing_happened(Idle.NO_BEARING)
    given(*ASKED).when(connected(5, RESET_ON - 1)).then_nothing_happened(Idle.NO_BEARING)


def test_late_news_change_nothing_once_it_is_over(given):
    over = given(requested(), not_delivered())
    for event in (sent(1), accepted(2), dropped(3), connected(4), booted(5), status(6)):
        over.when(event).then_nothing_happened(Idle.OVER)


# --- deadlines ---------------------------------------------------------------------------------------------------------


def test_each_wait_has_its_deadline(given):
    for history, status_then, due in [
        ([requested()], Status.DISPATCHING, 10 + 30),
        ([requested(), sent(2)], Status.DISPATCHING, 2 + 30),
        ([requested(), sent(2), accepted(3)], Status.AWAITING_DROP, 2 + 60),
        ([requested(), accepted(3)], Status.AWAITING_DROP, 60),
        ([*ASKED, dropped(10)], Status.RESTARTING, 10 + 300),
        ([*ASKED, dropped(10), connected(100)], Status.RESTARTING, 10 + 300),
        ([*ASKED, dropped(10), connected(100), booted(101)], Status.CHECKING, 101 + 60),
    ]:
        spec = given(*history)
        attempt = spec.then(status_then)
        assert attempt.deadline.due == at(due)
        assert attempt.deadline.waiting_for is status_then
        assert attempt.deadline.number in spec.story.armed


def test_no_answer_in_time_is_noted_and_is_no_failure(given):
    spec = given(requested(), sent(2)).when_seconds_pass(32)
    attempt = spec.then(Status.AWAITING_DROP)
    assert attempt.steps[Step.NO_ANSWER] == at(32)
    assert attempt.deadline.due == at(62)
    spec.when(dropped(40), connected(45), booted(46), status(47)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, missing=(MissingLink.ANSWER,))


def test_news_of_the_sending_may_come_after_the_note_of_no_answer(given):
    spec = given(requested(), sent(0.01)).when_seconds_pass(31)
    assert spec.when(dropped(0.5)).then(Status.RESTARTING).deadline.due == at(300.5)


def test_a_deadline_of_a_state_that_was_left_does_nothing(given):
    spec = given(requested())
    left = deadline(spec.story)
    spec.when(sent(), accepted()).when(left).then_nothing_happened(Idle.NO_BEARING)


def test_a_deadline_of_an_earlier_wait_in_the_same_state_does_nothing(given):
    spec = given(*BOOTED)
    first = deadline(spec.story)
    spec.when(dropped(20, RESET_ON + 1), connected(30, RESET_ON + 2), booted(31, RESET_ON + 2))
    assert spec.then(Status.CHECKING).deadline.number != first.number
    spec.when(first).then_nothing_happened(Idle.NO_BEARING)


def test_a_deadline_of_another_number_does_nothing_while_waiting(given):
    spec = given(requested(When.ONLINE, by=standing(online=False)))
    other = replace(deadline(spec.story, number=99), at=at(1))
    spec.when(other).then_nothing_happened(Idle.NO_BEARING)


def test_a_deadline_passes_once(given):
    spec = given(*ASKED)
    passed = deadline(spec.story)
    spec.when_seconds_pass(61)
    spec.when(passed).then_nothing_happened(Idle.OVER)


def test_evidence_that_changes_no_wait_arms_no_second_timer(given):
    spec = given(*ASKED, dropped(10)).when(connected(15))
    assert not [command for command in spec.story.last.commands if isinstance(command, WakeMe)]


def test_a_drop_that_is_heard_after_the_return_does_not_shorten_the_wait_for_a_boot(given):
    spec = given(*ASKED, connected(15)).when(dropped(10))
    assert spec.then(Status.RESTARTING).deadline.due == at(15 + 300)


def test_once_no_answer_was_noted_the_drop_is_awaited_whatever_else_is_seen(given):
    spec = given(requested(), sent(0)).when_seconds_pass(30)
    spec.when(booted(40, RESET_ON)).then(Status.AWAITING_DROP)


def test_a_step_keeps_the_time_when_it_was_first_reached(given):
    spec = given(requested(), sent(0)).when_seconds_pass(30).when(unanswered(31))
    assert spec.then(Status.AWAITING_DROP).steps[Step.NO_ANSWER] == at(30)


# --- health ------------------------------------------------------------------------------------------------------------


def test_a_faulted_connector_is_unhealthy(given):
    spec = given(*BOOTED).when(status(15.2, ConnectorState.FAULTED)).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.RESTARTED, health=Health.UNHEALTHY, confidence=Confidence.HIGH)
    assert verdict.params["connectors"] == "1/1 faulted"
    assert Step.HEALTHY not in spec.story.attempt.steps


def test_a_connector_that_recovers_within_the_grace_is_healthy(given):
    spec = given(*BOOTED).when(status(15.2, ConnectorState.UNAVAILABLE), status(40)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.OK)


def test_a_connector_that_stays_out_of_use_is_unhealthy(given):
    spec = given(*BOOTED).when(status(15.2, ConnectorState.UNAVAILABLE)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.UNHEALTHY)


def test_a_connector_that_was_out_of_use_before_may_stay_so(given):
    spec = given(requested(by=_with({CONNECTOR: ConnectorState.UNAVAILABLE})), *BOOTED[1:])
    spec.when(status(15.2, ConnectorState.UNAVAILABLE)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.OK)


@pytest.mark.parametrize("before", [ConnectorState.OCCUPIED, ConnectorState.RESERVED, ConnectorState.AVAILABLE])
@pytest.mark.parametrize("after", [ConnectorState.OCCUPIED, ConnectorState.RESERVED, ConnectorState.AVAILABLE])
def test_a_cable_may_be_plugged_in_or_out_meanwhile(given, before, after):
    spec = given(requested(by=_with({CONNECTOR: before})), *BOOTED[1:], status(15.2, after))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.OK)


def test_a_connector_that_says_nothing_after_the_boot_is_unhealthy(given):
    known = {CONNECTOR: ConnectorState.AVAILABLE, "2/1": ConnectorState.AVAILABLE}
    spec = given(requested(by=_with(known)), *BOOTED[1:], status(15.2)).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.RESTARTED, health=Health.UNHEALTHY)
    assert verdict.params["connectors"] == "2/1 silent"


def test_the_charger_as_a_whole_need_not_say_anything_after_the_boot(given):
    known = {CONNECTOR: ConnectorState.AVAILABLE, "0/0": ConnectorState.AVAILABLE}
    spec = given(requested(by=_with(known)), *BOOTED[1:], status(15.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.OK)


def test_a_status_of_the_session_of_the_reset_says_nothing_of_the_health(given):
    given(*ASKED).when(status(5, ConnectorState.FAULTED, RESET_ON)).then_nothing_happened(Idle.NO_BEARING)


def test_a_status_that_its_own_clock_shows_to_be_old_does_not_count(given):
    fresh, stale = status(15.2, said=15.2), status(16, ConnectorState.UNAVAILABLE, said=0.1)
    given(*BOOTED, fresh).when(stale).then_nothing_happened(Idle.NO_BEARING)


def test_a_status_that_is_heard_again_after_a_newer_one_does_not_count(given):
    faulted = status(15.2, ConnectorState.FAULTED)
    given(*BOOTED, faulted, status(16)).when(replace(faulted, reported_at=None)).then_nothing_happened(Idle.NO_BEARING)


def test_gone_again_in_the_grace_time_is_unstable(given):
    spec = given(*BOOTED, status(15.2)).when(dropped(19.7, RESET_ON + 1)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.UNSTABLE, confidence=Confidence.HIGH)


def test_gone_again_and_back_in_the_grace_time_is_unstable_all_the_same(given):
    spec = given(*BOOTED, status(15.2)).when(dropped(20, RESET_ON + 1), connected(21, RESET_ON + 2))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.UNSTABLE)


@pytest.mark.parametrize("why", ["bridge_stopped", "bridge_lost", "refused", "replaced"])
def test_a_session_that_we_end_in_the_grace_time_is_not_held_against_the_charger(given, why):
    spec = given(*BOOTED, status(15.2)).when(dropped(20, RESET_ON + 1, why)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, health=Health.OK)


def test_a_second_boot_starts_the_grace_time_anew(given):
    spec = given(*BOOTED).when(dropped(30, RESET_ON + 1), connected(40, RESET_ON + 2), booted(41, RESET_ON + 2))
    assert spec.then(Status.CHECKING).deadline.due == at(41 + 60)
    verdict = spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, health=Health.UNSTABLE)
    assert verdict.outcome is Outcome.RESTARTED


def test_three_boots_are_a_boot_loop_and_end_the_waiting(given):
    spec = given(*BOOTED).when(booted(30, RESET_ON + 2), booted(45, RESET_ON + 3))
    verdict = spec.then_verdict(Status.RESTARTED, health=Health.BOOT_LOOP)
    assert verdict.params["boots"] == "3"
    assert spec.story.attempt.moved_at == at(45)


# --- a charger that waits by itself ------------------------------------------------------------------------------------

WAITS = (requested(When.IDLE, by=ON_2, expires=7200), sent(), scheduled())


def test_scheduled_waits_for_the_end_of_the_transaction_and_then_for_the_drop(given):
    spec = given(*WAITS)
    assert spec.then(Status.AWAITING_IDLE).deadline.due == at(7200)
    attempt = spec.when(transaction_ended(3600, "EVDisconnected")).then(Status.AWAITING_DROP)
    assert attempt.deadline.due == at(3600 + 60)
    spec.when(dropped(3610), connected(3620), booted(3621), status(3622)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, missing=())


def test_scheduled_goes_on_waiting_while_another_transaction_runs(given):
    given(*WAITS).when(transaction_ended(3600, idle=False)).then_nothing_happened(Idle.NO_BEARING)


def test_the_end_of_the_transaction_may_be_heard_before_scheduled(given):
    spec = given(WAITS[0], sent(), transaction_ended(0.5)).when(scheduled(0.02))
    assert spec.then(Status.AWAITING_DROP).deadline.due == at(0.5 + 60)


def test_accepted_on_idle_is_awaited_from_the_sending(given):
    spec = given(WAITS[0], sent(), accepted(), transaction_ended(5)).when_nothing_more_happens()
    spec.then(Status.NOT_RESTARTED)
    assert spec.story.attempt.moved_at == at(0.01 + 60)


def test_losing_the_network_while_scheduled_is_no_restart(given):
    spec = given(*WAITS).when(dropped(100), connected(130))
    spec.then(Status.AWAITING_IDLE)
    assert Step.GONE not in spec.story.attempt.steps
    spec.when(transaction_ended(3600, session=RESET_ON + 1)).then(Status.AWAITING_DROP)
    spec.when(dropped(3610, RESET_ON + 1)).then(Status.RESTARTING)
    assert spec.story.attempt.deadline.due == at(3610 + 300)
    spec.when(connected(3620, RESET_ON + 2), booted(3621, RESET_ON + 2), status(3622, session=RESET_ON + 2))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


def test_a_late_scheduled_takes_back_the_belief_that_it_is_restarting(given):
    spec = given(WAITS[0], sent(), dropped(5), connected(6))
    spec.then(Status.RESTARTING)
    attempt = spec.when(scheduled(0.02)).then(Status.AWAITING_IDLE)
    assert attempt.deadline.due == at(7200)


def test_a_boot_while_scheduled_is_the_restart(given):
    given(*WAITS).when(dropped(3600), connected(3620), booted(3621)).then(Status.CHECKING)


def test_the_charger_may_be_back_before_the_end_of_its_transaction_is_heard(given):
    spec = given(*WAITS, dropped(3600), connected(3620), booted(3621), transaction_ended(3622, "ImmediateReset"))
    spec.when(status(3623)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.PROVEN)


def test_gone_when_the_transaction_ends_is_restarting(given):
    spec = given(*WAITS, dropped(3599)).when(transaction_ended(3600))
    assert spec.then(Status.RESTARTING).deadline.due == at(3599 + 300)


def test_scheduled_ends_when_the_requester_does_not_wait_any_longer(given):
    spec = given(*WAITS).when_nothing_more_happens()
    verdict = spec.then_verdict(Status.EXPIRED, outcome=Outcome.EXPIRED)
    assert verdict.params == {"scheduled": "true"}
    assert spec.story.attempt.moved_at == at(7200)


def test_scheduled_and_gone_when_the_requester_does_not_wait_any_longer_is_lost(given):
    given(*WAITS, dropped(3600)).when_nothing_more_happens().then(Status.LOST)


def test_scheduled_and_ignored_after_the_transaction(given):
    spec = given(*WAITS, transaction_ended(3600)).when_nothing_more_happens()
    spec.then(Status.NOT_RESTARTED)
    assert spec.story.attempt.moved_at == at(3660)


def test_a_return_after_the_transaction_is_restarting_even_when_no_drop_was_seen(given):
    spec = given(*WAITS, dropped(100), connected(130), transaction_ended(3600, session=RESET_ON + 1))
    attempt = spec.when(connected(3620, RESET_ON + 2)).then(Status.RESTARTING)
    assert attempt.deadline.due == at(3620 + 300)
    assert Step.GONE not in attempt.steps


def test_for_a_scheduled_restart_the_last_drop_is_the_one_that_counts(given):
    spec = given(*WAITS, connected(100), dropped(100, why="replaced"), transaction_ended(3600, session=RESET_ON + 1))
    spec.when(dropped(3610, RESET_ON + 1), connected(3620, RESET_ON + 2), booted(3621, RESET_ON + 2))
    attempt = spec.when(status(3622, session=RESET_ON + 2)).when_nothing_more_happens().then(Status.RESTARTED)
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.HIGH, missing=())
    assert attempt.steps[Step.GONE] == at(3610)


# --- evolve ------------------------------------------------------------------------------------------------------------


def test_an_attempt_that_was_never_opened_cannot_move():
    with pytest.raises(ValueError, match="never opened"):
        evolve(None, Moved(at=at(0), status=Status.DISPATCHING))


def test_the_transitions_alone_rebuild_the_attempt(given):
    spec = given(*BOOTED, status(15.2)).when_nothing_more_happens()
    transitions = [one for decision in spec.story.decisions for one in decision.transitions]
    assert isinstance(transitions[0], Opened)
    attempt = None
    for transition in transitions:
        attempt = evolve(attempt, transition)
    assert attempt == spec.story.attempt


def test_a_session_that_ends_before_it_was_seen_to_begin_is_known_to_be_over(given):
    spec = given(*ASKED, dropped(10), dropped(25, RESET_ON + 1), connected(20)).when_nothing_more_happens()
    spec.then(Status.LOST)


def _with(connectors):
    return replace(QUIET, connectors=connectors)
