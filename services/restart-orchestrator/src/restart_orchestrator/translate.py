"""Contracts to the decider's inputs, and its outputs to contracts; the only file that knows both."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from contracts import ocpp, restart, topics
from contracts.envelope import Envelope, Message, derived_id, service_source
from contracts.topics import Topic
from contracts.words import Role
from restart_orchestrator.health import compared, interrupted
from restart_orchestrator.inputs import (
    Accepted,
    Answer,
    Asked,
    Booted,
    Cancel,
    Connected,
    ConnectorReported,
    DeadlinePassed,
    Disconnected,
    NotDelivered,
    NotWithdrawn,
    Probed,
    Rejected,
    Request,
    Scheduled,
    SecurityEvent,
    Sent,
    Sighting,
    Standing,
    StandingChanged,
    TransactionEnded,
    Unanswered,
    Unsupported,
    Withdrawn,
)
from restart_orchestrator.projections import connector_name
from restart_orchestrator.states import Attempt, Deadline, Moved, Probe, SendReset, Spoken, Withdraw

SOURCE = service_source(topics.Service.RESTART_ORCHESTRATOR.value)


def to_request(said: Envelope[restart.RequestRestart], standing: Standing) -> Request:
    """A person's request, with what is known of the charger and of the person."""
    data = said.data
    asked = Asked(
        requested_by=data.requested_by,
        requested_at=data.requested_at,
        when=data.when,
        strength=data.strength,
        evse_id=data.evse_id,
        interrupt_charging=data.interrupt_charging,
        note=data.note,
        expires_at=data.expires_at,
    )
    return Request(
        **_source(said, said.data.requested_at),
        attempt_id=data.attempt_id,
        charger_id=data.charger_id,
        asked=asked,
        standing=standing,
    )


def to_cancel(said: Envelope[restart.CancelRestart], role: Role | None) -> Cancel:
    """A request that is taken back by someone of this role."""
    return Cancel(**_source(said), cancelled_by=said.data.cancelled_by, role=role)


def to_change(said: Envelope[Any], standing: Standing) -> StandingChanged:
    """News of a charger, for an attempt that waits to be dispatched."""
    return StandingChanged(**_source(said), standing=standing)


def to_answer(said: Envelope[Any], standing: Standing | None = None) -> Answer | NotWithdrawn | None:
    """What became of a Reset; None for a message that says nothing about it.

    `standing` goes with an answer after which a harder Reset may follow.
    """
    match said.data:
        case ocpp.ResetSent() as data:
            return Sent(**_of_reset(said, data.sent_at))
        case ocpp.ResetAccepted() as data:
            return Accepted(**_of_reset(said, data.answered_at), answer_epoch=data.answer_epoch, info=data.info)
        case ocpp.ResetScheduled() as data:
            return Scheduled(**_of_reset(said, data.answered_at), answer_epoch=data.answer_epoch, info=data.info)
        case ocpp.ResetRejected() as data:
            return Rejected(**_of_reset(said, data.answered_at), info=data.info, standing=standing)
        case ocpp.ResetUnsupported() as data:
            return Unsupported(**_of_reset(said, data.answered_at), code=data.code, info=data.info)
        case ocpp.ResetUnanswered() as data:
            return Unanswered(**_of_reset(said), why=data.why, error=data.error)
        case ocpp.ResetNotDelivered() as data:
            return NotDelivered(**_of_reset(said), why=data.why)
        case ocpp.ResetWithdrawn():
            return Withdrawn(**_of_reset(said))
        case ocpp.ResetNotWithdrawn():
            return NotWithdrawn(**_of_reset(said))
        case ocpp.ChargerProbed() as data:
            at = _of_reset(said, data.heard_at)
            return Probed(**at, asked_at=data.asked_at, lasted_s=data.lasted_s, standing=standing)
        case _:
            return None


def to_sighting(said: Envelope[Any], *, idle: bool) -> Sighting | None:
    """What the charger did; None for what no dispatched attempt needs to know.

    `idle`: no transaction runs where the restart is to be.
    """
    match said.data:
        case ocpp.ChargerConnected() as data:
            return Connected(**_source(said, data.since), epoch=data.epoch)
        case ocpp.ChargerDisconnected() as data:
            return Disconnected(**_source(said, data.since), epoch=data.epoch, why=data.why)
        case ocpp.ChargerBooted() as data:
            return Booted(
                **_source(said),
                epoch=data.epoch,
                reason=data.reason,
                solicited=data.solicited,
                owed_since=data.owed_since,
            )
        case ocpp.ConnectorStatusReported() as data:
            return ConnectorReported(
                **_source(said),
                epoch=data.epoch,
                connector=connector_name(data.evse_id, data.connector_id),
                state=data.state,
                error_code=data.error_code,
                reported_at=data.reported_at,
            )
        case ocpp.TransactionEnded() as data:
            return TransactionEnded(
                **_source(said),
                epoch=data.epoch,
                transaction_id=data.transaction_id,
                reason=data.reason,
                idle=idle,
                reported_at=data.reported_at,
            )
        case ocpp.SecurityEventReported() as data:
            return SecurityEvent(**_source(said), epoch=data.epoch, kind=data.kind, reported_at=data.reported_at)
        case _:
            return None


def to_deadline_passed(attempt_id: UUID, deadline: Deadline, standing: Standing | None) -> DeadlinePassed:
    """The end of a wait. Its id is that of the wait, so that a timer that goes off twice says the same."""
    return DeadlinePassed(
        event_id=derived_id(attempt_id, f"deadline:{deadline.number}"),
        at=deadline.due,
        waiting_for=deadline.waiting_for,
        number=deadline.number,
        standing=standing,
    )


def to_messages(
    attempt: Attempt,
    move: Moved | None,
    command: Spoken | None,
    *,
    cause: UUID,
    now: datetime,
    trace: str | None,
) -> Iterator[tuple[Topic, Envelope[Message]]]:
    """What is published of one decision: the command first, because someone waits for it.

    `attempt` is as it is after the move. The ids derive from it and from `cause`, the message or deadline that was
    decided about, which may move a lost attempt and a waiting one; `trace` is the traceparent of the request, so that
    all of an attempt is one trace.
    """
    said: list[tuple[Topic, Message]] = []
    if command is not None:
        said.append((topics.OCPP_COMMANDS, _command(command)))
    if move is not None:
        said.append((topics.RESTART_ATTEMPTS, _moved(attempt, move)))
    for index, (topic, message) in enumerate(said):
        event_id = derived_id(cause, f"{attempt.attempt_id}:{index}:{message.wire_type}")
        yield topic, Envelope(id=event_id, source=SOURCE, time=now, data=message, traceparent=trace)


def _command(command: Spoken) -> ocpp.ResetCharger | ocpp.ProbeCharger | ocpp.WithdrawReset:
    match command:
        case SendReset():
            return ocpp.ResetCharger(
                charger_id=command.charger_id,
                attempt_id=command.attempt_id,
                epoch=command.epoch,
                strength=command.strength.value,
                on_idle=command.on_idle,
                evse_id=command.evse_id,
                not_after=command.not_after,
                watch_until=command.watch_until,
                escalation=command.number,
            )
        case Probe():
            return ocpp.ProbeCharger(
                charger_id=command.charger_id,
                attempt_id=command.attempt_id,
                epoch=command.epoch,
                not_after=command.not_after,
                escalation=command.number,
                asked_at=command.asked_at,
            )
        case Withdraw():
            return ocpp.WithdrawReset(
                charger_id=command.charger_id,
                attempt_id=command.attempt_id,
                epoch=command.epoch,
                escalation=command.number,
            )
        case _:
            assert_never(command)


def _moved(attempt: Attempt, move: Moved) -> restart.AttemptMoved:
    asked = attempt.asked
    return restart.AttemptMoved(
        attempt_id=attempt.attempt_id,
        charger_id=attempt.charger_id,
        group_id=attempt.group_id,
        version=attempt.version,
        status=attempt.status,
        moved_at=attempt.moved_at,
        requested_by=asked.requested_by,
        requested_at=asked.requested_at,
        when=asked.when,
        strength=asked.strength,
        evse_id=asked.evse_id,
        interrupt_charging=asked.interrupt_charging,
        note=asked.note,
        model=attempt.model,
        epoch=attempt.reset.epoch if attempt.reset is not None else None,
        steps=dict(attempt.steps),
        refusals=attempt.refusals,
        existing_attempt_id=attempt.existing_attempt_id,
        new_evidence=move.evidence,
        verdict=attempt.verdict,
        deadline=attempt.deadline.due if attempt.deadline is not None else None,
        expires_at=asked.expires_at,
        cancelled_by=attempt.cancelled_by,
        revises=attempt.revises,
        firmware=attempt.firmware,
        expected=attempt.reset.expected if attempt.reset is not None else None,
        escalations=attempt.escalations,
        interrupted=interrupted(attempt.seen, attempt.reset) if attempt.reset is not None else (),
        withdrawal=attempt.withdrawal,
        connectors=compared(attempt.seen, attempt.reset) if attempt.reset is not None else (),
    )


def _of_reset(said: Envelope[Any], at: datetime | None = None) -> dict[str, Any]:
    return _source(said, at) | {"epoch": said.data.epoch, "number": said.data.escalation}


def _source(said: Envelope[Any], at: datetime | None = None) -> dict[str, Any]:
    where = said.position
    return {
        "event_id": said.id,
        "at": at or said.time,
        "position": f"{where.topic}/{where.partition}/{where.offset}" if where is not None else None,
        "frame": getattr(said.data, "frame", None),
    }
