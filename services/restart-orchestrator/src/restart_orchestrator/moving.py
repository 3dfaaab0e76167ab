"""PURE: what every move has in common: its end, its deadline, and the steps that people watch."""

from datetime import datetime

from contracts.restart import Evidence, Health, Outcome, Status, Step, Verdict
from restart_orchestrator.evidence import proof
from restart_orchestrator.inputs import (
    Accepted,
    Answer,
    Asked,
    DeadlinePassed,
    Scheduled,
    Sent,
    Sighting,
    Unanswered,
)
from restart_orchestrator.seen import AnswerKind, Reset, Seen, counted, is_open
from restart_orchestrator.states import Attempt, Deadline, Decision, Moved
from restart_orchestrator.windows import Windows

_STATUS_OF = {
    Outcome.RESTARTED: Status.RESTARTED,
    Outcome.NOT_RESTARTED: Status.NOT_RESTARTED,
    Outcome.LOST: Status.LOST,
    Outcome.REFUSED: Status.REFUSED,
    Outcome.EXPIRED: Status.EXPIRED,
    Outcome.CANCELLED: Status.CANCELLED,
}


def expiry(asked: Asked, windows: Windows) -> datetime:
    """Until when a wait for a charger to be idle or online goes on."""
    return asked.expires_at or asked.requested_at + windows.patience


def end(
    attempt: Attempt,
    verdict: Verdict,
    now: datetime,
    event: Answer | Sighting | DeadlinePassed | None = None,
    *,
    status: Status | None = None,
    seen: Seen | None = None,
    revises: int | None = None,
    cancelled_by: str | None = None,
    superseded: bool = False,
) -> Decision:
    """The move to the attempt's end. `status` is that of the verdict's outcome unless another says it better."""
    seen_now = seen or attempt.seen
    status = status or _STATUS_OF[verdict.outcome]
    steps: dict[Step, datetime] = {}
    evidence: tuple[Evidence, ...] = ()
    if event is not None and attempt.reset is not None:
        steps = steps_at(event, status, seen_now, attempt.reset)
        evidence = (proof(event, seen_now, attempt.reset),)
    if verdict.health is Health.OK:
        steps[Step.HEALTHY] = now
    move = Moved(
        at=now,
        status=status,
        steps=steps,
        evidence=evidence,
        seen=seen,
        verdict=verdict,
        revises=revises,
        cancelled_by=cancelled_by,
        superseded=superseded,
    )
    return Decision(transitions=(move,))


def is_awaited(attempt: Attempt, event: DeadlinePassed) -> bool:
    """Whether this is the end of the wait that goes on, and not of one that was left."""
    waited = attempt.deadline
    return waited is not None and (waited.waiting_for, waited.number) == (event.waiting_for, event.number)


def deadline_for(attempt: Attempt, status: Status, due: datetime) -> Deadline:
    """The deadline of this wait: the one that is armed already, where it is the same."""
    armed = attempt.deadline
    if armed is not None and (armed.waiting_for, armed.due) == (status, due):
        return armed
    return Deadline(waiting_for=status, number=attempt.version + 1, due=due)


def gone_at(seen: Seen, reset: Reset) -> datetime | None:
    """When the charger went away: from the session of the Reset, or, if it was to wait, from the one it was idle on.

    None where that was not seen.
    """
    if seen.answer is not AnswerKind.SCHEDULED:
        return seen.drop_at
    waited = seen.closed_at is not None and seen.idle_at is not None and seen.closed_at >= seen.idle_at
    return seen.closed_at if waited or not is_open(seen, reset) else None


def steps_at(
    event: Answer | Sighting | DeadlinePassed, status: Status, seen: Seen, reset: Reset
) -> dict[Step, datetime]:
    """The steps that are reached by now. Those that were reached before keep their time: `evolve` sees to it."""
    steps: dict[Step, datetime | None] = {}
    match event:
        case Sent():
            steps[Step.SENT] = event.at
        case Accepted() | Scheduled():
            steps[Step.ACCEPTED] = event.at
        case Unanswered():
            steps[Step.NO_ANSWER] = event.at
        case _:
            pass
    if status is not Status.AWAITING_IDLE:
        starts = counted(seen, reset)
        steps[Step.GONE] = gone_at(seen, reset)
        steps[Step.RECONNECTED] = seen.returned_at
        steps[Step.BACK] = starts[0].at if starts else seen.evse_back_at
    return {step: at for step, at in steps.items() if at is not None}
