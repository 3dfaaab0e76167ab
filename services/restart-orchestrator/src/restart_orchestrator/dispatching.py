"""PURE: an attempt of which nothing was sent: refuse it, hold it, or send its one Reset."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from contracts.availability import ROLES_THAT_RESTART, blocked_by
from contracts.restart import Cause, Outcome, Refusal, RefusalReason, Status, Strength, When
from restart_orchestrator.evidence import proven
from restart_orchestrator.inputs import Cancel, Request, Standing
from restart_orchestrator.moving import deadline_for, end, expiry
from restart_orchestrator.seen import Reset
from restart_orchestrator.states import Attempt, Deadline, Decision, Idle, Moved, Opened, SendReset, WakeMe, evolve
from restart_orchestrator.windows import Windows


def schedules_itself(protocol: str | None) -> bool:
    """Whether a charger of this OCPP version can be told to restart when its transaction ends, or one EVSE alone."""
    return protocol is not None and not protocol.startswith("ocpp1.")


def open_attempt(request: Request, now: datetime, windows: Windows) -> Decision:
    """The beginning: refused with everything that stands in the way, or held, or dispatched."""
    asked, standing = request.asked, believed(request.standing, now, windows)
    opened = Opened(
        attempt_id=request.attempt_id,
        charger_id=request.charger_id,
        asked=asked,
        group_id=standing.group_id,
        model=standing.model,
        firmware=standing.firmware,
        role=standing.situation.role,
        plan=standing.situation.plan,
        at=now,
    )
    attempt = evolve(None, opened)
    refusals = blocked_by(standing.situation, when=asked.when, interrupt_charging=asked.interrupt_charging)
    too_old = now - asked.requested_at > windows.request if asked.when is When.NOW else now >= expiry(asked, windows)
    if too_old:
        decision = end(attempt, proven(Outcome.EXPIRED), now)
    elif refusals:
        decision = _refuse(refusals, standing, now)
    else:
        decision = go_on(attempt, standing, now, windows)
    return Decision(transitions=(opened, *decision.transitions), commands=decision.commands)


def cancel(attempt: Attempt, event: Cancel, now: datetime) -> Decision:
    """Taken back while nothing was decided on."""
    if not may_take_back(attempt, event):
        return Decision(idle=Idle.NOT_ALLOWED)
    return end(attempt, proven(Outcome.CANCELLED), now, cancelled_by=event.cancelled_by)


def may_take_back(attempt: Attempt, event: Cancel) -> bool:
    """Whether it is the person who asked, or one who might have."""
    return event.cancelled_by == attempt.asked.requested_by or event.role in ROLES_THAT_RESTART


def look_again(attempt: Attempt, standing: Standing, now: datetime, windows: Windows) -> Decision:
    """Something changed, or the time is over: what was held may go on, or has expired."""
    if now >= expiry(attempt.asked, windows):
        return end(attempt, proven(Outcome.EXPIRED), now)
    return go_on(attempt, standing, now, windows)


def go_on(attempt: Attempt, standing: Standing, now: datetime, windows: Windows) -> Decision:
    """Dispatches, or refuses for good, or waits for what waiting can lift; rights are looked at again each time."""
    standing = believed(standing, now, windows)
    asked, situation = attempt.asked, standing.situation
    on_idle = asked.when is When.IDLE and schedules_itself(standing.protocol)
    refusals = blocked_by(
        situation,
        when=When.IDLE if on_idle else When.NOW,
        interrupt_charging=asked.interrupt_charging and asked.when is not When.IDLE,
    )
    if any(refusal.lifted_by != "waiting" for refusal in refusals):
        return _refuse(tuple(_with_what_was(refusal, attempt) for refusal in refusals), standing, now)
    if asked.evse_id is not None and situation.online and not schedules_itself(standing.protocol):
        # OCPP 1.6 has no Reset of one EVSE, and restarting all of them is not what was asked for.
        verdict = proven(Outcome.NOT_RESTARTED, Cause.UNSUPPORTED, protocol=standing.protocol, part="evse")
        return end(attempt, verdict, now, status=Status.UNSUPPORTED)
    if refusals:
        return _hold(attempt, min(expiry(asked, windows), _update_over(standing, windows)), now)
    if asked.when is When.ONLINE and standing.quiet_since is not None:
        settled = standing.quiet_since + windows.settle
        if now < settled:
            return _hold(attempt, min(settled, expiry(asked, windows)), now)
    if standing.beside_lost:
        # What the charger said before this Reset is evidence of the lost one: a deadline waits until that is read.
        armed = attempt.deadline
        return _hold(attempt, armed.due if armed is not None and armed.due <= now else now, now)
    return _dispatch(attempt, standing, now, windows, on_idle=on_idle)


def _hold(attempt: Attempt, until: datetime, now: datetime) -> Decision:
    status = Status.AWAITING_IDLE if attempt.asked.when is When.IDLE else Status.QUEUED
    deadline = deadline_for(attempt, status, until)
    if deadline is attempt.deadline:
        return Decision(idle=Idle.KNOWN)
    return Decision(
        transitions=(Moved(at=now, status=status, deadline=deadline),),
        commands=(WakeMe(attempt_id=attempt.attempt_id, deadline=deadline),),
    )


def _dispatch(attempt: Attempt, standing: Standing, now: datetime, windows: Windows, *, on_idle: bool) -> Decision:
    reset = Reset(
        epoch=standing.epoch,
        at=now,
        on_idle=on_idle,
        evse_id=attempt.asked.evse_id,
        connectors=standing.connectors,
        faults=standing.faults,
        running=standing.running,
        boots_on_return=standing.boots_on_return,
        waits=windows.waits(standing.expected),
        expected=standing.expected,
    )
    command, deadline = send(attempt, reset, attempt.asked.strength, now, windows)
    return Decision(
        transitions=(Moved(at=now, status=Status.DISPATCHING, deadline=deadline, reset=reset),),
        commands=(command, WakeMe(attempt_id=attempt.attempt_id, deadline=deadline)),
    )


def send(
    attempt: Attempt, reset: Reset, strength: Strength, now: datetime, windows: Windows
) -> tuple[SendReset, Deadline]:
    """The command for this Reset, and the deadline of its dispatch."""
    windows = windows.of(reset.waits)
    not_after = now + windows.dispatch
    last_to_drop = max(not_after, expiry(attempt.asked, windows)) if reset.on_idle else not_after
    command = SendReset(
        attempt_id=attempt.attempt_id,
        charger_id=attempt.charger_id,
        epoch=reset.epoch,
        strength=strength,
        on_idle=reset.on_idle,
        evse_id=reset.evse_id,
        not_after=not_after,
        watch_until=last_to_drop + windows.drop + windows.boot + windows.grace,
        number=reset.number,
    )
    return command, deadline_for(attempt, Status.DISPATCHING, not_after + windows.answer)


def believed(standing: Standing, now: datetime, windows: Windows) -> Standing:
    """The standing without a firmware update of which nothing was heard for too long: not every end is reported."""
    if not standing.situation.updating_firmware or now < _update_over(standing, windows):
        return standing
    return replace(standing, situation=replace(standing.situation, updating_firmware=False))


def _update_over(standing: Standing, windows: Windows) -> datetime:
    if not standing.situation.updating_firmware or standing.firmware_news_at is None:
        return datetime.max.replace(tzinfo=UTC)
    return standing.firmware_news_at + windows.firmware


def _with_what_was(refusal: Refusal, attempt: Attempt) -> Refusal:
    """The refusal of an attempt that had been let in: it says what there was then and is no more."""
    was: str | None = None
    if refusal.reason in {RefusalReason.NOT_A_MEMBER, RefusalReason.ROLE}:
        was = attempt.role
    elif refusal.reason is RefusalReason.PLAN:
        was = attempt.plan
    return refusal if was is None else refusal.model_copy(update={"params": {**refusal.params, "was": was}})


def _refuse(refusals: tuple[Refusal, ...], standing: Standing, now: datetime) -> Decision:
    existing = standing.situation.open_attempt
    move = Moved(
        at=now,
        status=Status.REFUSED,
        refusals=refusals,
        existing_attempt_id=UUID(existing) if existing is not None else None,
        verdict=proven(Outcome.REFUSED),
    )
    return Decision(transitions=(move,))
