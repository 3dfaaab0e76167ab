"""PURE: a request that is taken back while its Reset is on its way: the bridge's ledger says which was first.

Nobody but the ledger can tell whether a Reset was claimed for sending, so the bridge is asked, unless the answer is
known by now. Whatever proves that it was claimed settles the question as well: the record never says both.
"""

from dataclasses import replace
from datetime import datetime

from contracts.restart import Outcome, Withdrawal
from restart_orchestrator.dispatching import may_take_back
from restart_orchestrator.evidence import proven
from restart_orchestrator.inputs import (
    Accepted,
    Cancel,
    Input,
    NotDelivered,
    NotWithdrawn,
    Rejected,
    Scheduled,
    Sent,
    Unanswered,
    Unsupported,
    Withdrawn,
)
from restart_orchestrator.moving import end
from restart_orchestrator.seen import Reset, Seen
from restart_orchestrator.states import Attempt, Decision, Idle, Moved, Withdraw


def take_back(attempt: Attempt, reset: Reset, event: Cancel, now: datetime) -> Decision:
    """Someone takes it back: the bridge is asked, or it is known to be too late. The first who asks counts."""
    if not may_take_back(attempt, event):
        return Decision(idle=Idle.NOT_ALLOWED)
    if attempt.withdrawal is not None:
        return Decision(idle=Idle.KNOWN)
    asked = Withdrawal(asked_by=event.cancelled_by, asked_at=event.at)
    if _is_claimed(attempt.seen, reset):
        return Decision(transitions=(_noted(attempt, _too_late(asked, event), now),))
    command = Withdraw(attempt_id=attempt.attempt_id, charger_id=attempt.charger_id, epoch=reset.epoch)
    return Decision(transitions=(_noted(attempt, asked, now),), commands=(command,))


def taken_back(attempt: Attempt, asked: Withdrawal, event: Withdrawn | NotDelivered, now: datetime) -> Decision:
    """Nothing was sent and nothing will be, which is what was asked for."""
    done = asked.model_copy(update={"answer": "withdrawn", "event_id": event.event_id})
    decision = end(attempt, proven(Outcome.CANCELLED), now, event, cancelled_by=asked.asked_by)
    return _with(decision, done)


def refused(attempt: Attempt, asked: Withdrawal, event: NotWithdrawn, now: datetime) -> Decision:
    """The Reset had been claimed: the attempt goes on, and says so."""
    return Decision(transitions=(_noted(attempt, _too_late(asked, event), now),))


def pending(attempt: Attempt) -> Withdrawal | None:
    """The withdrawal of which it is not known whether it came in time."""
    return attempt.withdrawal if attempt.withdrawal is not None and attempt.withdrawal.answer is None else None


def settled(attempt: Attempt, event: Input, decision: Decision) -> Decision:
    """The decision, which also says that it is too late where the event proves that the Reset was claimed."""
    asked = pending(attempt)
    if asked is None or not isinstance(event, Sent | Accepted | Scheduled | Rejected | Unsupported | Unanswered):
        return decision
    return _with(decision, _too_late(asked, event))


def _is_claimed(seen: Seen, reset: Reset) -> bool:
    """Whether it is known that a Reset of this attempt was claimed; a harder one only follows one that was."""
    return reset.number > 0 or seen.sent_at is not None or seen.answer is not None


def _too_late(asked: Withdrawal, event: Input) -> Withdrawal:
    return asked.model_copy(update={"answer": "too_late", "event_id": event.event_id})


def _noted(attempt: Attempt, withdrawal: Withdrawal, now: datetime) -> Moved:
    return Moved(at=now, status=attempt.status, deadline=attempt.deadline, withdrawal=withdrawal)


def _with(decision: Decision, withdrawal: Withdrawal) -> Decision:
    moves = tuple(
        replace(move, withdrawal=withdrawal) if isinstance(move, Moved) else move for move in decision.transitions
    )
    return replace(decision, transitions=moves)
