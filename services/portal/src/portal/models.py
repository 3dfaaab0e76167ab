"""What the portal's API answers: the shapes that OpenAPI describes, the page draws and the live stream carries."""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.restart import (
    Cause,
    Confidence,
    EvidenceKind,
    Health,
    LiftedBy,
    MissingLink,
    Outcome,
    RefusalReason,
    Spread,
    Status,
    Strength,
    When,
)
from contracts.words import GroupId, Role, UserId


class Shape(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True)


class Says(Shape):
    """A sentence as a code of the catalogue and its facts."""

    code: str
    params: dict[str, str] = Field(default_factory=dict)


class Member(Shape):
    """A person, as others of the group know them."""

    user_id: UserId
    name: str | None = None


class Group(Shape):
    """A group, as far as the portal has heard of it."""

    group_id: GroupId
    name: str


class GroupOfMine(Group):
    """A group that the caller is in."""

    role: Role
    plan: str | None
    features: list[str]


class Me(Shape):
    """Who is asking."""

    user_id: UserId
    name: str
    operator: bool
    expires_at: datetime
    groups: list[GroupOfMine]


class Block(Shape):
    """One thing that stands in a restart's way: `detail` is for people, `reason` and `params` are for programs.

    `can_lift`: the names of those in the group who could lift it, at most ten.
    """

    reason: RefusalReason
    params: dict[str, str]
    detail: str
    lifted_by: LiftedBy
    says: Says
    can_lift: list[str] = Field(default_factory=list)


class Usual(Shape):
    """How long a restart usually takes, in seconds, learned from `samples` of them.

    Attributes:
        basis: `firmware`: of the same model and firmware; `model`: of the model with any firmware.
        drop: from the Reset until the charger is gone.
        away: from there until it is back with its connectors.
    """

    samples: int
    basis: Literal["firmware", "model"]
    drop: Spread | None
    away: Spread | None


class Interrupted(Shape):
    """A running transaction, which a restart at once would end."""

    transaction_id: str
    connector: str | None
    since: datetime | None
    energy_kwh: float | None


Way = Literal["now", "now_interrupting_charging", "idle", "online"]


class Restart(Shape):
    """Whether this person may restart this charger now.

    Attributes:
        available: nothing stands in the way of `{"when": "now"}`.
        possible: what could be asked for; `now_interrupting_charging` is `now` with `interrupt_charging`.
        attempt_id: the attempt under way.
        expected: how long one of this model usually takes.
    """

    available: bool
    blocked_by: list[Block]
    possible: list[Way]
    interrupts: list[Interrupted]
    attempt_id: UUID | None
    expected: Usual | None = None


class ChargerState(StrEnum):
    """A charger's state in one word."""

    AVAILABLE = "available"
    CONNECTED = "connected"
    OCCUPIED = "occupied"
    CHARGING = "charging"
    UPDATING_FIRMWARE = "updating_firmware"
    UNAVAILABLE = "unavailable"
    RESERVED = "reserved"
    OFFLINE = "offline"
    NEVER_CONNECTED = "never_connected"
    RESTARTING = "restarting"
    FAULTED = "faulted"
    LOST = "lost"


class Connector(Shape):
    """A connector's last word."""

    evse_id: int
    connector_id: int
    name: str | None
    state: str
    raw_status: str
    error_code: str | None
    info: str | None
    since: datetime


class Mark(StrEnum):
    """How a step of the timeline stands."""

    DONE = "done"
    CURRENT = "current"
    PENDING = "pending"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOTE = "note"


class TimelineStep(Shape):
    """One step that people watch. `elapsed_ms` counts from the request."""

    step: str
    mark: Mark
    at: datetime | None
    elapsed_ms: int | None
    says: Says


class EvidenceItem(Shape):
    """An observation that the attempt rests on. `position` is `topic/partition/offset`."""

    kind: EvidenceKind
    event_id: UUID
    at: datetime
    epoch: int | None
    position: str | None
    params: dict[str, str]
    detail: str
    says: Says


class VerdictView(Shape):
    """The end of an attempt; `sentence` is for people: what `says` and `also` say together. `version` is the move that
    said it.
    """

    verdict: Outcome
    cause: Cause | None
    confidence: Confidence
    health: Health | None
    missing: list[MissingLink]
    params: dict[str, str]
    at: datetime
    version: int
    sentence: str
    says: list[Says]
    also: list[Says] = Field(default_factory=list)
    next: Literal["again", "idle", "evidence", "service"]


class HarderReset(Shape):
    """A softer Reset was ignored or rejected (`after`), and a harder one followed it, as the group allows."""

    at: datetime
    after: Literal["ignored", "rejected"]
    type: Strength


class ComparedConnector(Shape):
    """A connector as it was when the Reset was sent, and as it last said it was `since`; null where it said nothing.

    `name` is null for the charger as a whole.
    """

    evse_id: int
    connector_id: int
    name: str | None
    before: str | None
    since: str | None
    error_before: str | None
    error_since: str | None


class Withdrawn(Shape):
    """Someone asked to take it back when its Reset was on its way. `answer` is null until that is decided."""

    asked_by: str
    asked_at: datetime
    answer: Literal["withdrawn", "too_late"] | None


class Attempt(Shape):
    """One try to restart one charger. `v` grows with each move; an answer with a smaller `v` is older.

    Attributes:
        escalations: the harder Resets that followed the first.
        interrupted: the transactions that it ended.
        connectors: before the Reset and since, once one was sent.
    """

    attempt_id: UUID
    charger_id: str
    group_id: str | None
    v: int
    status: Status
    ended: bool
    step: str
    when: When
    type: Strength
    evse_id: int | None
    interrupt_charging: bool
    note: str | None
    requested_by: Member
    requested_at: datetime
    moved_at: datetime
    elapsed_ms: int
    deadline: datetime | None
    expires_at: datetime | None
    timeline: list[TimelineStep]
    refusals: list[Block]
    existing_attempt_id: UUID | None
    evidence: list[EvidenceItem]
    verdict: VerdictView | None
    earlier_verdicts: list[VerdictView]
    cancellable: bool
    withdrawal: Withdrawn | None = None
    escalations: list[HarderReset] = Field(default_factory=list)
    interrupted: list[str] = Field(default_factory=list)
    connectors: list[ComparedConnector] = Field(default_factory=list)
    expected: Usual | None = None
    already_restarting: bool = False


class ChargerLine(Shape):
    """A charger as lists and the live stream show it. `v` is a cursor of the feed: a smaller one is older."""

    charger_id: str
    v: int
    label: str
    group: Group
    site: str | None
    model: str
    state: ChargerState
    since: datetime | None
    online: bool
    restart: Restart
    last_verdict: VerdictView | None


class Charger(ChargerLine):
    """A charger with all that the portal knows of it."""

    vendor: str | None
    firmware: str | None
    serial: str | None
    protocol: str | None
    online_since: datetime | None
    booted_at: datetime | None
    boot_reason: str | None
    connectors: list[Connector]
    transactions: list[Interrupted]
    open_attempt: Attempt | None
    last_attempt: Attempt | None


class Chargers(Shape):
    """A page of chargers. `next` goes into `after` for the following page."""

    items: list[ChargerLine]
    total: int
    next: str | None


class AttemptLine(Shape):
    """An attempt as lists show it; the whole of it is at `/api/v1/restarts/{attempt_id}`.

    Attributes:
        label: of the charger, where it still exists.
    """

    attempt_id: UUID
    charger_id: str
    label: str | None
    group_id: str | None
    v: int
    status: Status
    ended: bool
    step: str
    when: When
    type: Strength
    note: str | None
    requested_by: Member
    requested_at: datetime
    moved_at: datetime
    elapsed_ms: int
    existing_attempt_id: UUID | None
    verdict: VerdictView | None
    cancellable: bool


class Attempts(Shape):
    """A page of attempts, the latest first. `next` goes into `after` for the following page."""

    items: list[AttemptLine]
    next: str | None
