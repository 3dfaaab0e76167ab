"""PURE: whether a harder Reset may follow a softer one that brought nothing; every rule that is against it."""

from datetime import datetime, timedelta
from typing import Literal

from contracts.availability import blocked_by
from contracts.restart import Cause, Escalated, NotEscalated, Status, Strength, Verdict, When
from restart_orchestrator.dispatching import believed, schedules_itself, send
from restart_orchestrator.evidence import proof
from restart_orchestrator.inputs import DeadlinePassed, Past, Probed, Rejected, Standing
from restart_orchestrator.moving import end
from restart_orchestrator.seen import Reset, Seen
from restart_orchestrator.states import Attempt, Decision, Moved, WakeMe
from restart_orchestrator.windows import Windows

OFF = "off"
A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
TOO_MANY_BOOTS = 3
"""So many boots within an hour are a charger that restarts by itself: another Reset would not help it."""

_AFTER: dict[Cause, Literal["ignored", "rejected"]] = {Cause.IGNORED: "ignored", Cause.REJECTED: "rejected"}


def escalate(
    attempt: Attempt,
    reset: Reset,
    event: DeadlinePassed | Probed | Rejected,
    verdict: Verdict,
    *,
    now: datetime,
    windows: Windows,
) -> Decision | str:
    """The harder Reset, within the same attempt; or, in a word, why there is none and the verdict holds."""
    after = _AFTER.get(verdict.cause) if verdict.cause is not None else None
    standing = event.standing
    if after is None or standing is None or standing.past is None:
        return OFF
    against = what_is_against(attempt, reset, standing, standing.past, now=now, windows=windows)
    if against is not None:
        return against
    harder = Reset(
        epoch=standing.epoch,
        at=now,
        number=reset.number + 1,
        connectors=reset.connectors,
        faults=reset.faults,
        running=reset.running,
        boots_on_return=reset.boots_on_return,
        waits=windows.waits(standing.expected),
        expected=reset.expected,
    )
    command, deadline = send(attempt, harder, Strength.HARD, now, windows)
    move = Moved(
        at=now,
        status=Status.DISPATCHING,
        deadline=deadline,
        evidence=(proof(event, attempt.seen, reset),),
        reset=harder,
        seen=Seen(ended=attempt.seen.ended),
        escalated=Escalated(at=now, after=after, strength="hard"),
        former=verdict,
    )
    return Decision(transitions=(move,), commands=(command, WakeMe(attempt_id=attempt.attempt_id, deadline=deadline)))


def conclude(
    attempt: Attempt,
    reset: Reset,
    event: DeadlinePassed | Probed | Rejected,
    verdict: Verdict,
    *,
    now: datetime,
    windows: Windows,
) -> Decision:
    """The end, or the harder Reset where one may follow. The verdict says what kept one from following."""
    if reset.number > 0 and attempt.former is not None and attempt.seen.sent_at is None and is_silence(verdict):
        verdict = attempt.former  # the harder Reset never left, so that what held before it still does
    decided = escalate(attempt, reset, event, verdict, now=now, windows=windows)
    if isinstance(decided, Decision):
        return decided
    if decided != OFF:
        verdict = verdict.model_copy(update={"params": {**verdict.params, "not_escalated": decided}})
    status = Status.REJECTED if verdict.cause is Cause.REJECTED else None
    return end(attempt, verdict, now, event, status=status)


def is_silence(verdict: Verdict) -> bool:
    """Whether the verdict rests on nothing having been seen."""
    return verdict.cause in {Cause.IGNORED, Cause.UNDELIVERED}


def what_is_against(
    attempt: Attempt, reset: Reset, standing: Standing, past: Past, *, now: datetime, windows: Windows
) -> str | None:
    """Why a harder Reset may not follow, in a word; None when it may."""
    if past.per_day == 0 or reset.number > 0 or attempt.asked.strength is Strength.HARD:
        return OFF
    if schedules_itself(standing.protocol) or standing.protocol is None:
        return OFF  # OCPP 2.x knows one strength only: the harder Reset would be the same again
    if attempt.withdrawal is not None:
        return NotEscalated.WITHDRAWN.value  # too late for the softer one, but nobody wants the harder one
    if sum(now - at < A_DAY for at in past.escalated_at) >= past.per_day:
        return NotEscalated.DAILY_LIMIT.value
    if past.ended_badly or sum(now - at < AN_HOUR for at in past.booted_at) >= TOO_MANY_BOOTS:
        return NotEscalated.BOOT_LOOP.value
    if standing.epoch != reset.epoch:
        return NotEscalated.SESSION.value
    refusals = blocked_by(
        believed(standing, now, windows).situation,
        interrupt_charging=attempt.asked.interrupt_charging and attempt.asked.when is not When.IDLE,
    )
    return refusals[0].reason.value if refusals else None
