"""PURE: the decider. From an attempt, an input and the time to the moves and commands that follow; no I/O, no clock."""

from datetime import datetime
from typing import assert_never

from contracts.restart import TERMINAL, Cause, Outcome, Status
from restart_orchestrator.dispatching import cancel, look_again, open_attempt
from restart_orchestrator.escalation import conclude
from restart_orchestrator.evidence import proven
from restart_orchestrator.inputs import (
    Accepted,
    Booted,
    Cancel,
    Connected,
    ConnectorReported,
    DeadlinePassed,
    Disconnected,
    Input,
    NotDelivered,
    NotWithdrawn,
    OfReset,
    Probed,
    Rejected,
    Request,
    Scheduled,
    SecurityEvent,
    Sent,
    Sighting,
    Standing,
    StandingChanged,
    Superseded,
    TransactionEnded,
    Unanswered,
    Unsupported,
    Withdrawn,
)
from restart_orchestrator.moments import heard_now
from restart_orchestrator.moving import end, is_awaited
from restart_orchestrator.seen import Reset, heard, sighted, was_answered
from restart_orchestrator.states import Attempt, Decision, Idle
from restart_orchestrator.telling import told
from restart_orchestrator.watching import advance, is_reset_failure, judge_again, superseded, time_is_up, was_there
from restart_orchestrator.windows import Windows
from restart_orchestrator.withdrawal import pending, refused, settled, take_back, taken_back


def decide(attempt: Attempt | None, event: Input, *, now: datetime, windows: Windows) -> Decision:
    """What follows from the input. Total: any input in any state, in any order, any number of times.

    `attempt` is None before its request. A waiting attempt, of which nothing was sent, is told StandingChanged; one
    that was dispatched is told what became of the Reset and what the charger does.
    """
    return told(attempt, _decide(attempt, event, now, windows))


def _decide(attempt: Attempt | None, event: Input, now: datetime, windows: Windows) -> Decision:
    if attempt is None:
        return open_attempt(event, now, windows) if isinstance(event, Request) else Decision(idle=Idle.NO_BEARING)
    if isinstance(event, Request):
        return Decision(idle=Idle.KNOWN)
    if attempt.reset is not None:
        windows = windows.of(attempt.reset.waits)
        if isinstance(event, OfReset | Sighting):
            event = heard_now(event, attempt.reset, now)
    if attempt.status in TERMINAL:
        return _after_the_end(attempt, event, now, windows)
    if attempt.reset is None:
        return _while_waiting(attempt, event, now, windows)
    return settled(attempt, event, _while_watching(attempt, attempt.reset, event, now, windows))


def _while_waiting(attempt: Attempt, event: Input, now: datetime, windows: Windows) -> Decision:
    match event:
        case Cancel():
            return cancel(attempt, event, now)
        case DeadlinePassed(standing=Standing() as standing) if is_awaited(attempt, event):
            return look_again(attempt, standing, now, windows)
        case StandingChanged(standing=standing):
            return look_again(attempt, standing, now, windows)
        case _:
            return Decision(idle=Idle.NO_BEARING)


def _while_watching(attempt: Attempt, reset: Reset, event: Input, now: datetime, windows: Windows) -> Decision:
    if isinstance(event, OfReset) and event.number != reset.number:
        return Decision(idle=Idle.NO_BEARING)  # of the softer Reset, which has brought nothing
    withdrawal = pending(attempt)
    match event:
        case Cancel():
            return take_back(attempt, reset, event, now)
        case Withdrawn() | NotDelivered() if withdrawal is not None:
            return taken_back(attempt, withdrawal, event, now)
        case NotWithdrawn() if withdrawal is not None:
            return refused(attempt, withdrawal, event, now)
        case DeadlinePassed() if is_awaited(attempt, event):
            return time_is_up(attempt, reset, event, now, windows)
        case Rejected() | Unsupported() if was_answered(attempt.seen):
            return Decision(idle=Idle.KNOWN)  # the first answer counts; some firmware sends an error after it
        case Rejected():
            verdict = proven(Outcome.NOT_RESTARTED, Cause.REJECTED, info=event.info)
            return conclude(attempt, reset, event, verdict, now=now, windows=windows)
        case Unsupported():
            verdict = proven(Outcome.NOT_RESTARTED, Cause.UNSUPPORTED, code=event.code, info=event.info)
            return end(attempt, verdict, now, event, status=Status.UNSUPPORTED)
        case NotDelivered() if reset.number > 0:
            # The session may have ended meanwhile, because of the softer Reset: what follows tells.
            return advance(attempt, reset, heard(attempt.seen, event), event, now=now, windows=windows)
        case NotDelivered() if attempt.seen.sent_at is None and attempt.seen.answer is None:
            verdict = proven(Outcome.NOT_RESTARTED, Cause.UNDELIVERED, why=event.why)
            return end(attempt, verdict, now, event, status=Status.UNDELIVERED)
        case ConnectorReported() if is_reset_failure(event, attempt.seen, reset):
            verdict = proven(Outcome.NOT_RESTARTED, Cause.RESET_FAILURE, connector=event.connector)
            return end(attempt, verdict, now, event)
        case Probed():
            return was_there(attempt, reset, event, now, windows)
        case Sent() | Accepted() | Scheduled() | Unanswered():
            return advance(attempt, reset, heard(attempt.seen, event), event, now=now, windows=windows)
        case Connected() | Disconnected() | Booted() | ConnectorReported() | TransactionEnded() | SecurityEvent():
            return advance(attempt, reset, sighted(attempt.seen, event, reset), event, now=now, windows=windows)
        case Request() | StandingChanged() | Superseded() | DeadlinePassed():
            return Decision(idle=Idle.NO_BEARING)
        case NotDelivered() | Withdrawn() | NotWithdrawn():
            return Decision(idle=Idle.NO_BEARING)
        case _:
            assert_never(event)


def _after_the_end(attempt: Attempt, event: Input, now: datetime, windows: Windows) -> Decision:
    """Nothing changes any more, but that a lost charger which returns within the time is judged once again.

    Not once another Reset was decided on: what the charger does then may be because of that one.
    """
    reset, lost_at = attempt.reset, attempt.lost_at
    if attempt.status is not Status.LOST or reset is None or lost_at is None or attempt.superseded:
        return Decision(idle=Idle.OVER)
    match event:
        case DeadlinePassed() if is_awaited(attempt, event):
            return judge_again(attempt, reset, event, now, windows)
        case _ if event.at > lost_at + windows.revision:
            return Decision(idle=Idle.OVER)
        case Superseded():
            return superseded(attempt, reset, now, windows)
        case Probed() if event.number == reset.number:
            return was_there(attempt, reset, event, now, windows)
        case Sent() | Accepted() | Scheduled() | Unanswered() if event.number == reset.number:
            return advance(attempt, reset, heard(attempt.seen, event), event, now=now, windows=windows)
        case Connected() | Disconnected() | Booted() | ConnectorReported() | TransactionEnded() | SecurityEvent():
            return advance(attempt, reset, sighted(attempt.seen, event, reset), event, now=now, windows=windows)
        case _:
            return Decision(idle=Idle.OVER)
