"""The Reset of each OCPP version, and what a charger's answer to it means. Pure."""

from datetime import datetime
from typing import Any, Literal

from contracts.ocpp import (
    Answer,
    ResetAccepted,
    ResetCharger,
    ResetRejected,
    ResetScheduled,
    ResetUnanswered,
    ResetUnsupported,
)
from ocpp_bridge.dialects import V16, Dialect
from ocpp_bridge.frames import CallError, CallResult, Json
from ocpp_bridge.ledger import UNANSWERED, Entry
from ocpp_bridge.redaction import shown

WhyUnanswered = Literal["timeout", "session_ended", "bridge_lost", "call_error"]
UNSUPPORTED = frozenset({"NotSupported", "NotImplemented"})

_STATUSES = {
    "Accepted": ("accepted", ResetAccepted),
    "Scheduled": ("scheduled", ResetScheduled),
    "Rejected": ("rejected", ResetRejected),
}


def reset_payload(dialect: Dialect, command: ResetCharger) -> Json:
    """1.6 has Soft and Hard, and `auto` is the gentler one; 2.x has OnIdle and Immediate, and may name an EVSE."""
    if dialect is V16:
        return {"type": "Hard" if command.strength == "hard" else "Soft"}
    payload: Json = {"type": "OnIdle" if command.on_idle else "Immediate"}
    if command.evse_id is not None:
        payload["evseId"] = command.evse_id
    return payload


def judge(entry: Entry, frame: CallResult | CallError, *, answer_epoch: int, at: datetime) -> tuple[str, Answer]:
    """The ledger's word for an answer, and the event that tells of it.

    A CALLERROR other than NotSupported and NotImplemented, or an answer without a known status, says nothing about
    whether the charger restarts: it counts as unanswered.
    """
    about = _about(entry)
    answered: dict[str, Any] = {
        "message_id": entry.message_id,
        "answer_epoch": answer_epoch,
        "answered_at": at,
        "frame": shown(frame.data) if frame.data else None,
    }
    if isinstance(frame, CallError):
        if frame.code in UNSUPPORTED:
            info = frame.description or None
            return "unsupported", ResetUnsupported(**about, **answered, code=frame.code, info=info)
        return UNANSWERED, ResetUnanswered(**about, why="call_error", error=frame.code)
    status = frame.payload.get("status")
    if isinstance(status, str) and status in _STATUSES:
        outcome, event = _STATUSES[status]
        return outcome, event(**about, **answered, info=_info(frame.payload.get("statusInfo")))
    return UNANSWERED, ResetUnanswered(**about, why="call_error", error="the answer has no status that OCPP knows")


def unanswered(entry: Entry, why: WhyUnanswered) -> ResetUnanswered:
    """No answer came, which is no failure."""
    return ResetUnanswered(**_about(entry), why=why)


def _about(entry: Entry) -> dict[str, Any]:
    return {
        "charger_id": entry.charger_id,
        "attempt_id": entry.attempt_id,
        "epoch": entry.epoch,
        "escalation": entry.escalation,
    }


def _info(status_info: Any) -> str | None:
    if not isinstance(status_info, dict):
        return None
    parts = (status_info.get("reasonCode"), status_info.get("additionalInfo"))
    return ": ".join(part for part in parts if isinstance(part, str) and part) or None
