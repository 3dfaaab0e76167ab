"""What people ask of a charger, and the story of every attempt to restart one."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from contracts.envelope import Message
from contracts.ocpp import ConnectorState
from contracts.words import ChargerId, Counter, Epoch, GroupId, Label, Timestamp, UserId


class When(StrEnum):
    """When to restart: at once, when no one charges, or when an offline charger is back."""

    NOW = "now"
    IDLE = "idle"
    ONLINE = "online"


class Strength(StrEnum):
    """How hard: `auto` lets the bridge choose, `soft` and `hard` are OCPP 1.6's."""

    AUTO = "auto"
    SOFT = "soft"
    HARD = "hard"


class AboutAttempt(Message):
    """A message about one attempt; keyed by charger, so that all of a charger's attempts are in one order."""

    attempt_id: UUID
    charger_id: ChargerId

    def key(self) -> str:
        return self.charger_id


# --- restart.requests.v1 ----------------------------------------------------------------------------------------------


class RequestRestart(AboutAttempt):
    """A person asks for a restart. `expires_at` bounds the waiting of `idle` and `online`.

    `interrupt_charging`: the person knows that a running transaction will be stopped and wants it so; without it a
    restart `now` of a charging charger is refused.
    """

    wire_type: ClassVar[str] = "restart.request-restart.v1"

    requested_by: UserId
    requested_at: Timestamp
    when: When = When.NOW
    strength: Strength = Strength.AUTO
    evse_id: int | None = None
    expires_at: Timestamp | None = None
    interrupt_charging: bool = False
    note: Label | None = None


class CancelRestart(AboutAttempt):
    """A person takes the request back; it works until its Reset is claimed for sending."""

    wire_type: ClassVar[str] = "restart.cancel-restart.v1"

    cancelled_by: UserId


# --- restart.attempts.v1 ----------------------------------------------------------------------------------------------


class Status(StrEnum):
    """Where an attempt stands."""

    REQUESTED = "requested"
    REFUSED = "refused"
    QUEUED = "queued"
    DISPATCHING = "dispatching"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    UNDELIVERED = "undelivered"
    AWAITING_IDLE = "awaiting_idle"
    AWAITING_DROP = "awaiting_drop"
    RESTARTING = "restarting"
    CHECKING = "checking"
    RESTARTED = "restarted"
    NOT_RESTARTED = "not_restarted"
    LOST = "lost"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


TERMINAL = frozenset(
    {
        Status.REFUSED,
        Status.REJECTED,
        Status.UNSUPPORTED,
        Status.UNDELIVERED,
        Status.RESTARTED,
        Status.NOT_RESTARTED,
        Status.LOST,
        Status.EXPIRED,
        Status.CANCELLED,
    }
)
"""The attempt is over. Only `lost` may still be revised, once, within 24 hours."""


class RefusalReason(StrEnum):
    """What can stand in a restart's way."""

    NOT_A_MEMBER = "not_a_member"
    ROLE = "role"
    PLAN = "plan"
    MODEL = "model"
    OFFLINE = "offline"
    CHARGING = "charging"
    UPDATING_FIRMWARE = "updating_firmware"
    ALREADY_RESTARTING = "already_restarting"


LiftedBy = Literal["super_administrator", "group_administrators", "waiting", "nobody"]


class Part(BaseModel):
    """A part of a message. Immutable; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Refusal(Part):
    """One thing that stands in the way, with the facts a sentence about it needs, and who or what could lift it."""

    reason: RefusalReason
    params: dict[str, str] = Field(default_factory=dict)
    lifted_by: LiftedBy


class Outcome(StrEnum):
    """What a verdict says."""

    RESTARTED = "restarted"
    NOT_RESTARTED = "not_restarted"
    LOST = "lost"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """Why it did not restart."""

    BLIP = "blip"
    IGNORED = "ignored"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    UNDELIVERED = "undelivered"
    RESET_FAILURE = "reset_failure"


class Confidence(StrEnum):
    """How sure a verdict is."""

    PROVEN = "proven"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Health(StrEnum):
    """How the charger is after it restarted."""

    OK = "ok"
    UNHEALTHY = "unhealthy"
    UNSTABLE = "unstable"
    BOOT_LOOP = "boot_loop"


class MissingLink(StrEnum):
    """What a verdict of medium confidence had to do without."""

    ANSWER = "answer"
    DROP = "drop"
    LATE_ANSWER = "late_answer"


class Verdict(Part):
    """The end of an attempt. `cause` goes with `not_restarted`, `health` with `restarted`."""

    outcome: Outcome
    confidence: Confidence
    cause: Cause | None = None
    health: Health | None = None
    missing: tuple[MissingLink, ...] = ()
    params: dict[str, str] = Field(default_factory=dict)


class NotEscalated(StrEnum):
    """Why no harder Reset followed though the group allows one, as a verdict's `not_escalated` says it; else it is the
    reason of a refusal.
    """

    WITHDRAWN = "withdrawn"
    DAILY_LIMIT = "daily_limit"
    BOOT_LOOP = "boot_loop"
    SESSION = "session"


class EvidenceKind(StrEnum):
    """What was observed."""

    SENT = "sent"
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    UNANSWERED = "unanswered"
    NOT_DELIVERED = "not_delivered"
    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    BOOT = "boot"
    BOOT_NOT_COUNTED = "boot_not_counted"
    SECURITY_EVENT = "security_event"
    TRANSACTION_ENDED = "transaction_ended"
    RESET_FAILURE = "reset_failure"
    CONNECTOR_STATUS = "connector_status"
    DEADLINE = "deadline"


class Evidence(Part):
    """An observation that the attempt rests on.

    Attributes:
        event_id: the CloudEvents id of the message that said it.
        at: when it happened, by the clock of the service that saw it.
        position: `topic/partition/offset` of that message.
        params: the facts a sentence about it needs.
        frame: what was literally sent or received, where it was a frame.
    """

    kind: EvidenceKind
    event_id: UUID
    at: Timestamp
    epoch: Epoch | None = None
    position: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    frame: str | None = None


class Step(StrEnum):
    """The steps that people watch."""

    REQUESTED = "requested"
    SENT = "sent"
    ACCEPTED = "accepted"
    NO_ANSWER = "no_answer"
    GONE = "gone"
    RECONNECTED = "reconnected"
    BACK = "back"
    HEALTHY = "healthy"


class Spread(Part):
    """How long something took in the past, in seconds: half of them took at most `p50_s`, 95 in 100 at most `p95_s`."""

    p50_s: FiniteFloat = Field(ge=0)
    p95_s: FiniteFloat = Field(ge=0)


class Expected(Part):
    """How long a restart usually takes, learned from `samples` finished ones; None where there is too little to say.

    Attributes:
        drop: from the Reset to the end of the session.
        boot: from there to the boot.
        healthy: from the boot until the connectors were back.
        away: from the end of the session until the connectors were back; what people want to know.
        basis: whose restarts: `firmware` for the same model and firmware, `model` for all firmware of the model.
    """

    samples: Counter
    basis: Literal["firmware", "model"]
    drop: Spread | None = None
    boot: Spread | None = None
    healthy: Spread | None = None
    away: Spread | None = None


class Escalated(Part):
    """A softer Reset brought nothing (`after` says how), and as the group allows it, a harder one was decided on."""

    at: Timestamp
    after: Literal["ignored", "rejected"]
    strength: Literal["hard"]


class ConnectorCompared(Part):
    """A connector as it was when the Reset was decided on, and as it last said it was since.

    Attributes:
        before: None where it had never said anything.
        since: None where it has said nothing since.
        error_before: the error code it had then; `error_since` the one it has since.
    """

    evse_id: int
    connector_id: int
    before: ConnectorState | None = None
    since: ConnectorState | None = None
    error_before: str | None = None
    error_since: str | None = None


class Withdrawal(Part):
    """Someone asked to take the request back when its Reset had been decided on already.

    Attributes:
        answer: `withdrawn` when it came before the Reset was claimed for sending, `too_late` when it did not; None
            until that is known.
        event_id: of the message that told which.
    """

    asked_by: UserId
    asked_at: Timestamp
    answer: Literal["withdrawn", "too_late"] | None = None
    event_id: UUID | None = None


class DurationsLearned(Message):
    """How long restarts of a model usually take; `firmware` is None for all of its firmware together."""

    wire_type: ClassVar[str] = "restart.durations-learned.v1"

    model: Label
    firmware: Label | None = None
    expected: Expected
    version: Counter

    def key(self) -> str:
        return f"{self.model}/{self.firmware or ''}"


class AttemptMoved(AboutAttempt):
    """An attempt moved on. Each event is the whole state after the move, so that any view is the last one it saw.

    Attributes:
        version: 1, 2, 3, … within the attempt.
        steps: when each step was reached, first time counts.
        new_evidence: what this move rests on; the attempt's evidence is that of all its moves.
        deadline: when the state will be decided if nothing more is seen.
        existing_attempt_id: for `already_restarting`, the attempt that was open.
        revises: the version whose verdict this one replaces.
        firmware: of the charger, when the attempt was asked for.
        expected: how long it usually takes, as known when it was sent.
        escalations: the harder Resets that followed the first.
        interrupted: the transactions that ran when the Reset was sent and that it ended.
        connectors: of the charger, or of the EVSE that it is about, once a Reset was decided on.
        withdrawal: what came of it when someone asked to take it back while its Reset was on its way.
    """

    wire_type: ClassVar[str] = "restart.attempt-moved.v1"

    group_id: GroupId | None
    version: Counter
    status: Status
    moved_at: Timestamp
    requested_by: UserId
    requested_at: Timestamp
    when: When
    strength: Strength
    evse_id: int | None = None
    interrupt_charging: bool = False
    note: Label | None = None
    model: Label | None = None
    epoch: Epoch | None = None
    steps: dict[Step, Timestamp] = Field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    existing_attempt_id: UUID | None = None
    new_evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None
    deadline: Timestamp | None = None
    expires_at: Timestamp | None = None
    cancelled_by: UserId | None = None
    revises: Counter | None = None
    firmware: Label | None = None
    expected: Expected | None = None
    escalations: tuple[Escalated, ...] = ()
    interrupted: tuple[str, ...] = ()
    withdrawal: Withdrawal | None = None
    connectors: tuple[ConnectorCompared, ...] = ()
