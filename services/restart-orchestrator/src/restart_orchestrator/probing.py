"""PURE: asks whether a charger is really there, before its silence is held against it."""

from datetime import datetime, timedelta

from contracts.restart import Status
from restart_orchestrator.evidence import has_restarted, proof
from restart_orchestrator.inputs import DeadlinePassed, Probed
from restart_orchestrator.seen import Reset, Seen, is_open, latest_session
from restart_orchestrator.states import Attempt, Deadline, Decision, Moved, Probe, WakeMe
from restart_orchestrator.windows import Windows

CLOCKS_APART = timedelta(seconds=15)
"""An answer comes after its question, whatever two clocks say; only one to an earlier question must not count."""


def rests_on_silence(attempt: Attempt, reset: Reset) -> bool:
    """Whether the end of this wait would say that the charger did nothing: that takes a charger that is there.

    By all that was said it is. But when its bridge has died, nobody says that its session ended, nor that it booted.
    """
    if attempt.status is Status.AWAITING_DROP:
        return True
    in_question = attempt.status in {Status.RESTARTING, Status.LOST} and is_open(attempt.seen, reset)
    return in_question and not has_restarted(attempt.seen, reset)


def ask(attempt: Attempt, reset: Reset, event: DeadlinePassed, now: datetime, windows: Windows) -> Decision:
    """Has the charger's session probed, and waits on: for its answer, or for what else may show meanwhile.

    From now on and not from the end of the wait, which may be long ago where we did not run.
    """
    asked_at = max(now, event.at)
    due = asked_at + windows.boot
    deadline = Deadline(waiting_for=attempt.status, number=attempt.version + 1, due=due, asked_at=asked_at)
    probe = Probe(
        attempt_id=attempt.attempt_id,
        charger_id=attempt.charger_id,
        epoch=latest_session(attempt.seen, reset),
        not_after=due,
        number=reset.number,
    )
    move = Moved(at=now, status=attempt.status, deadline=deadline, evidence=(proof(event, attempt.seen, reset),))
    return Decision(transitions=(move,), commands=(probe, WakeMe(attempt_id=attempt.attempt_id, deadline=deadline)))


def asked_at(attempt: Attempt) -> datetime | None:
    """When the charger was asked for in this wait; None where it was not."""
    return attempt.deadline.asked_at if attempt.deadline is not None else None


def is_there(attempt: Attempt, reset: Reset, event: Probed) -> bool:
    """Whether this is the answer that is waited for; one that comes after something else moved the attempt is not."""
    asked = asked_at(attempt)
    return (
        asked is not None
        and event.at >= asked - CLOCKS_APART
        and event.epoch == latest_session(attempt.seen, reset)
        and rests_on_silence(attempt, reset)
    )


def nobody_answered(attempt: Attempt, reset: Reset) -> bool:
    """Whether nothing was heard of the charger since it was asked for: no answer, and no new session either."""
    asked, opened_at = asked_at(attempt), attempt.seen.opened_at
    came_back = asked is not None and opened_at is not None and opened_at > asked
    return rests_on_silence(attempt, reset) and not came_back


def extended(attempt: Attempt, status: Status, due: datetime, seen: Seen, reset: Reset) -> datetime:
    """When the wait ends that would by itself end when it is `due`: later, where the charger was asked for since."""
    waited, asked = attempt.deadline, asked_at(attempt)
    if waited is None or asked is None or waited.waiting_for is not status or has_restarted(seen, reset):
        return due
    return waited.due if due <= asked else due
