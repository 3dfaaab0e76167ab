"""PURE: asks whether a charger is really there, before its silence is held against it."""

from datetime import datetime, timedelta

from contracts.restart import Status
from restart_orchestrator.evidence import has_restarted, proof
from restart_orchestrator.inputs import DeadlinePassed, Probed
from restart_orchestrator.moving import gone_at
from restart_orchestrator.seen import SKEW, AnswerKind, Reset, Seen, is_open, latest_session
from restart_orchestrator.states import Attempt, Deadline, Decision, Moved, Probe, WakeMe
from restart_orchestrator.windows import Windows

CLOCKS_APART = timedelta(seconds=15)
"""For an answer that does not say to which question: it comes after it, and two clocks are not further apart."""


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
    session = latest_session(attempt.seen, reset)
    deadline = Deadline(
        waiting_for=attempt.status, number=attempt.version + 1, due=due, asked_at=asked_at, asked_of=session
    )
    probe = Probe(
        attempt_id=attempt.attempt_id,
        charger_id=attempt.charger_id,
        epoch=session,
        not_after=due,
        asked_at=asked_at,
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
    if asked is None:
        return False
    answers_this = event.asked_at == asked if event.asked_at is not None else event.at >= asked - CLOCKS_APART
    return answers_this and event.epoch == latest_session(attempt.seen, reset) and rests_on_silence(attempt, reset)


def nobody_answered(attempt: Attempt, reset: Reset) -> bool:
    """Whether nothing was heard of the charger since it was asked for: no answer, and no new session either."""
    asked_of = attempt.deadline.asked_of if attempt.deadline is not None else None
    came_back = asked_of is not None and latest_session(attempt.seen, reset) > asked_of
    return rests_on_silence(attempt, reset) and not came_back


def time_left(attempt: Attempt, reset: Reset, event: Probed, windows: Windows) -> timedelta:
    """How much of its time the charger still has; nothing or less when that is over, or nobody measured it.

    A wait may have ended before its time, because a clock was put forward. How long the charger has been on its session
    since the Reset, or since it came back, is measured by the bridge with a clock that nobody sets.
    """
    seen = attempt.seen
    if event.lasted_s is None or (attempt.status is Status.AWAITING_DROP and seen.answer is AnswerKind.SCHEDULED):
        return timedelta(0)  # from when the transaction was over nobody measures
    needed = windows.drop
    if attempt.status is not Status.AWAITING_DROP:
        away = timedelta(0)
        if attempt.status is Status.RESTARTING and seen.opened_at is not None:
            away = max(timedelta(0), seen.opened_at - (gone_at(seen, reset) or seen.opened_at))
        needed = windows.boot - away
    return needed - SKEW - timedelta(seconds=event.lasted_s)


def has_time_left(before: Attempt, move: Moved) -> bool:
    """Whether this is the move of `wait_on`, when the charger had answered too early to be judged."""
    goes_on = move.deadline is not None and move.deadline.asked_at is None and move.verdict is None
    return asked_at(before) is not None and goes_on and not move.evidence


def wait_on(attempt: Attempt, until: datetime, now: datetime) -> Decision:
    """Goes on to wait as before, and asks again then."""
    deadline = Deadline(waiting_for=attempt.status, number=attempt.version + 1, due=until)
    move = Moved(at=now, status=attempt.status, deadline=deadline)
    return Decision(transitions=(move,), commands=(WakeMe(attempt_id=attempt.attempt_id, deadline=deadline),))


def extended(attempt: Attempt, status: Status, due: datetime, seen: Seen, reset: Reset) -> datetime:
    """When the wait ends that would by itself end when it is `due`: later, where the charger was asked for since."""
    waited, asked = attempt.deadline, asked_at(attempt)
    if waited is None or asked is None or waited.waiting_for is not status or has_restarted(seen, reset):
        return due
    return waited.due if due <= asked else due
