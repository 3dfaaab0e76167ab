"""PURE: an attempt whose Reset is on its way: where all that was seen puts it, and what holds when the time is up."""

from datetime import datetime, timedelta

from contracts.restart import Health, Outcome, Status, Step
from restart_orchestrator.escalation import conclude
from restart_orchestrator.evidence import has_restarted, ignored, judge, proof, proven, unheard, unseen
from restart_orchestrator.health import BOOT_LOOP
from restart_orchestrator.inputs import Answer, ConnectorReported, DeadlinePassed, Probed, Sighting
from restart_orchestrator.moments import ours, started_at
from restart_orchestrator.moving import deadline_for, end, expiry, gone_at, steps_at
from restart_orchestrator.probing import (
    ask,
    asked_at,
    extended,
    is_there,
    nobody_answered,
    rests_on_silence,
    time_left,
    wait_on,
)
from restart_orchestrator.seen import (
    RESET_FAILURE,
    AnswerKind,
    Reset,
    Seen,
    counted,
    is_gone,
    is_of_before,
    is_open,
    was_queued,
)
from restart_orchestrator.states import Attempt, Decision, Idle, Moved, WakeMe
from restart_orchestrator.windows import Windows


def is_reset_failure(event: ConnectorReported, seen: Seen, reset: Reset) -> bool:
    """Whether the charger says that it could not reset (1.6 StatusNotification with errorCode ResetFailure)."""
    of_this_reset = event.epoch >= reset.epoch and not is_of_before(event, seen, reset)
    if event.epoch > reset.epoch:
        # After a return chargers tell all their states again, that of an earlier failure among them.
        was_so = reset.faults.get(event.connector) == RESET_FAILURE
        of_this_reset = of_this_reset and not was_so and not was_queued(event, reset)
    return event.error_code == RESET_FAILURE and of_this_reset and not has_restarted(seen, reset)


def advance(
    attempt: Attempt, reset: Reset, seen: Seen | None, event: Answer | Sighting, *, now: datetime, windows: Windows
) -> Decision:
    """Moves to where all that was seen puts the attempt; which of it came last does not matter."""
    if seen is None:
        return Decision(idle=Idle.NO_BEARING)
    if seen == attempt.seen:
        return Decision(idle=Idle.KNOWN)
    if len(counted(seen, reset)) >= BOOT_LOOP:
        verdict = judge(seen, reset, usual_away=windows.usual_away)
        return end(attempt, verdict, now, event, seen=seen, revises=attempt.lost_version)
    status = Status.LOST if attempt.status is Status.LOST else _place(attempt, seen, reset)
    due = _due(attempt, status, seen, reset, windows)
    if due is not None:
        due = extended(attempt, status, due, seen, reset)
    deadline = deadline_for(attempt, status, due) if due is not None else None
    move = Moved(
        at=now,
        status=status,
        deadline=deadline,
        steps=steps_at(event, status, seen, reset),
        evidence=(proof(event, seen, reset),),
        seen=seen,
    )
    if deadline is None or deadline is attempt.deadline:
        return Decision(transitions=(move,))
    return Decision(transitions=(move,), commands=(WakeMe(attempt_id=attempt.attempt_id, deadline=deadline),))


def time_is_up(attempt: Attempt, reset: Reset, event: DeadlinePassed, now: datetime, windows: Windows) -> Decision:
    """What holds when the wait is over and nothing more was seen."""
    seen, asked = attempt.seen, asked_at(attempt)
    match attempt.status:
        case Status.DISPATCHING if seen.sent_at is None and event.at < _unheard_due(reset, windows):
            # No bridge said anything, not even that it did not send: one may have died between the frame and the word.
            deadline = deadline_for(attempt, Status.DISPATCHING, _unheard_due(reset, windows))
            move = Moved(at=now, status=Status.DISPATCHING, deadline=deadline, evidence=(proof(event, seen, reset),))
            return Decision(transitions=(move,), commands=(WakeMe(attempt_id=attempt.attempt_id, deadline=deadline),))
        case Status.DISPATCHING if seen.sent_at is None and reset.number > 0:
            return conclude(attempt, reset, event, unheard(event.at), now=now, windows=windows)
        case Status.DISPATCHING if seen.sent_at is None:
            return end(attempt, unheard(event.at), now, event, status=Status.UNDELIVERED)
        case Status.DISPATCHING:
            deadline = deadline_for(attempt, Status.AWAITING_DROP, _drop_due(seen, reset, windows))
            move = Moved(
                at=now,
                status=Status.AWAITING_DROP,
                deadline=deadline,
                steps={Step.NO_ANSWER: event.at},
                evidence=(proof(event, seen, reset),),
            )
            return Decision(transitions=(move,), commands=(WakeMe(attempt_id=attempt.attempt_id, deadline=deadline),))
        case Status.AWAITING_DROP | Status.RESTARTING if asked is None and rests_on_silence(attempt, reset):
            return ask(attempt, reset, event, now, windows)
        case Status.AWAITING_DROP | Status.RESTARTING if asked is not None and nobody_answered(attempt, reset):
            return end(attempt, unseen(seen, reset, asked), now, event)
        case Status.AWAITING_IDLE if is_open(seen, reset):
            # The charger keeps the Reset that it scheduled: OCPP has no way to take it back.
            return end(attempt, proven(Outcome.EXPIRED, scheduled="true"), now, event)
        case _:
            return end(attempt, judge(seen, reset, usual_away=windows.usual_away), now, event)


def was_there(attempt: Attempt, reset: Reset, event: Probed, now: datetime, windows: Windows) -> Decision:
    """The charger is heard after its time: then what it did not do is held against it."""
    if not is_there(attempt, reset, event):
        return Decision(idle=Idle.NO_BEARING)
    left = time_left(attempt, reset, event, windows)
    if left > timedelta(0):
        return wait_on(attempt, now + left, now)
    if attempt.status is Status.AWAITING_DROP:
        return conclude(attempt, reset, event, ignored(attempt.seen, reset), now=now, windows=windows)
    revised = attempt.lost_version if attempt.status is Status.LOST else None
    return end(attempt, judge(attempt.seen, reset, usual_away=windows.usual_away), now, event, revises=revised)


def judge_again(attempt: Attempt, reset: Reset, event: DeadlinePassed, now: datetime, windows: Windows) -> Decision:
    """A lost charger was back for long enough to be judged once more; had it gone again, there were no deadline."""
    if rests_on_silence(attempt, reset):
        if asked_at(attempt) is None:
            return ask(attempt, reset, event, now, windows)
        if nobody_answered(attempt, reset):
            return Decision(idle=Idle.NO_BEARING)  # it is as lost as before
    verdict = judge(attempt.seen, reset, usual_away=windows.usual_away)
    return end(attempt, verdict, now, event, revises=attempt.lost_version)


def superseded(attempt: Attempt, reset: Reset, now: datetime, windows: Windows) -> Decision:
    """A newer attempt's Reset goes out: a lost one is judged by what proves its restart by now, or stays lost.

    Its grace time may be cut short by that. Then what is not back yet might have been, so nothing is said of it.
    """
    if not has_restarted(attempt.seen, reset):
        return Decision(transitions=(Moved(at=now, status=Status.LOST, superseded=True),))
    verdict = judge(attempt.seen, reset, usual_away=windows.usual_away)
    if verdict.health is Health.UNHEALTHY:
        facts = {name: fact for name, fact in verdict.params.items() if name != "connectors"}
        verdict = verdict.model_copy(update={"health": None, "params": facts})
    return end(attempt, verdict, now, revises=attempt.lost_version, superseded=True)


def _place(attempt: Attempt, seen: Seen, reset: Reset) -> Status:
    if has_restarted(seen, reset):
        return Status.CHECKING
    if seen.answer is AnswerKind.SCHEDULED and seen.idle_at is None:
        return Status.AWAITING_IDLE
    if is_gone(seen, reset):
        return Status.RESTARTING
    if seen.answer is not None or attempt.status is Status.AWAITING_DROP:
        return Status.AWAITING_DROP
    return Status.DISPATCHING


def _due(attempt: Attempt, status: Status, seen: Seen, reset: Reset, windows: Windows) -> datetime | None:
    """When the state is decided if nothing more is seen; None for a lost attempt until its charger is back."""
    match status:
        case Status.DISPATCHING if seen.sent_at is None and attempt.deadline is not None:
            return attempt.deadline.due
        case Status.DISPATCHING:
            sent_at = ours(seen.sent_at, seen, reset) if seen.sent_at is not None else reset.at + windows.dispatch
            return sent_at + windows.answer
        case Status.AWAITING_IDLE:
            return expiry(attempt.asked, windows)
        case Status.AWAITING_DROP:
            return _drop_due(seen, reset, windows)
        case Status.RESTARTING:
            if attempt.status is Status.RESTARTING and attempt.deadline is not None:
                return attempt.deadline.due
            return ours(gone_at(seen, reset) or seen.opened_at or reset.at, seen, reset) + windows.boot
        case Status.LOST if not has_restarted(seen, reset):
            back = seen.opened_at is not None and is_open(seen, reset)
            return ours(seen.opened_at, seen, reset) + windows.boot if seen.opened_at and back else None
        case _:
            return _back_at(seen, reset) + windows.grace


def _drop_due(seen: Seen, reset: Reset, windows: Windows) -> datetime:
    idle_at = seen.idle_at if seen.answer is AnswerKind.SCHEDULED else None
    return ours(idle_at or seen.sent_at or reset.at, seen, reset) + windows.drop


def _unheard_due(reset: Reset, windows: Windows) -> datetime:
    """Until when a Reset of which nobody says anything may yet show: for as long as one that was sent."""
    return reset.at + windows.drop + windows.boot


def _back_at(seen: Seen, reset: Reset) -> datetime:
    starts = counted(seen, reset)
    return started_at(starts[-1], seen, reset) if starts else ours(seen.evse_back_at or reset.at, seen, reset)
