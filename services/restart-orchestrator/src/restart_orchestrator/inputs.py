"""What can happen to an attempt, in the decider's own words; every input knows which message said so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts.availability import Situation
from contracts.ocpp import ConnectorState
from contracts.restart import Expected, Status, Strength, When
from contracts.words import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened.

    Attributes:
        event_id: the id of the message that said it.
        at: when it happened, by the clock of the service that saw it.
        position: where that message stands, as `topic/partition/offset`.
        frame: what was literally sent or received, where it was a frame.
    """

    event_id: UUID
    at: datetime
    position: str | None = None
    frame: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What bears on a harder Reset after a softer one brought nothing.

    Attributes:
        per_day: how many the charger's group allows in any 24 hours; 0 where it allows none.
        escalated_at: when there were some, in the last 24 hours at least.
        booted_at: the charger's last boots.
        ended_badly: its last restart ended in a boot loop, or it went away again.
    """

    per_day: int = 0
    escalated_at: tuple[datetime, ...] = ()
    booted_at: tuple[datetime, ...] = ()
    ended_badly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that is known of a charger, and of the person who asks, at the moment of a decision.

    Attributes:
        situation: what the rule about refusals looks at.
        epoch: the charger's latest session, whether open or not; 0 when it never had one.
        protocol: the OCPP version of that session, as its subprotocol names it.
        quiet_since: when it last connected or booted.
        connectors: the last reported state of each connector, by `evse/connector`.
        faults: the error code of each connector that reported one, by `evse/connector`.
        running: the transactions under way, each with its connector as `evse/connector`, as far as it is known.
        boots_on_return: it has been seen to boot at all, so a return without a boot says something.
        firmware: what its last boot named.
        firmware_news_at: when it last said something of a firmware update.
        expected: how long restarts of its model and firmware usually take, where enough were seen.
        past: known only where a harder Reset may be decided on.
        beside_lost: an earlier attempt is lost, and what was said by now but not read yet may revise it.
    """

    situation: Situation
    group_id: str | None = None
    model: str | None = None
    epoch: int = 0
    protocol: str | None = None
    quiet_since: datetime | None = None
    connectors: Mapping[str, ConnectorState] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    running: Mapping[str, str] = field(default_factory=dict)
    boots_on_return: bool = True
    firmware: str | None = None
    firmware_news_at: datetime | None = None
    expected: Expected | None = None
    past: Past | None = None
    beside_lost: bool = False


# --- people -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the person asked for."""

    requested_by: str
    requested_at: datetime
    when: When = When.NOW
    strength: Strength = Strength.AUTO
    evse_id: int | None = None
    interrupt_charging: bool = False
    note: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Happening):
    """A person asks for a restart."""

    attempt_id: UUID
    charger_id: str
    asked: Asked
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Happening):
    """A person takes a request back. `role` is theirs in the charger's group."""

    cancelled_by: str
    role: Role | None


# --- time and news for an attempt of which nothing was sent -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingChanged(Happening):
    """Something about the charger changed while the attempt waits to be dispatched."""

    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed(Happening):
    """The wait number `number` for leaving `waiting_for` is over.

    `standing` is known where nothing was sent yet.
    """

    waiting_for: Status
    number: int
    standing: Standing | None = None


# --- another attempt, for a lost one ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded(Happening):
    """A newer attempt's Reset was decided on: what the charger does from now on may be because of that one."""


# --- what became of the Reset -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OfReset(Happening):
    """Something about the Reset that was sent on session `epoch`; `number` counts the attempt's Resets from 0."""

    epoch: int
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(OfReset):
    """The Reset frame was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(OfReset):
    """The charger answered Accepted, on session `answer_epoch`."""

    answer_epoch: int
    info: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled(OfReset):
    """The charger answered Scheduled: it will restart when its transaction ends."""

    answer_epoch: int
    info: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(OfReset):
    """The charger answered Rejected. `standing` is known where a harder Reset may follow."""

    info: str | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported(OfReset):
    """The charger answered CALLERROR NotSupported or NotImplemented."""

    code: str
    info: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(OfReset):
    """There was no answer, or an error that says nothing about the restart."""

    why: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDelivered(OfReset):
    """Nothing was sent, and nothing will be."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(OfReset):
    """It was taken back before it was claimed: nothing was sent, and nothing will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWithdrawn(OfReset):
    """It had been claimed when it was to be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(OfReset):
    """The charger answered when it was asked for, on session `epoch`. `standing` goes with it as with Rejected.

    `lasted_s`: so long it has been on this session, since the Reset if that was sent on it; None where nobody measured.
    """

    standing: Standing | None = None
    asked_at: datetime | None = None
    lasted_s: float | None = None


# --- what the charger does --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Happening):
    """Session `epoch` was opened."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(Happening):
    """Session `epoch` is over. `why` is the bridge's word for it."""

    epoch: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted(Happening):
    """A BootNotification came; `solicited` when we had asked for it, `owed_since` when the charger owed it anyway.

    `heard_at`: when we heard of it, by our own clock.
    """

    epoch: int
    heard_at: datetime | None = None
    reason: str | None = None
    solicited: bool = False
    owed_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorReported(Happening):
    """A connector's status came; `reported_at` is by the charger's own clock."""

    epoch: int
    connector: str
    state: ConnectorState
    error_code: str | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEnded(Happening):
    """A transaction ended; `idle` when no other runs where the restart is to be. `reported_at` as of a connector."""

    epoch: int
    reported_at: datetime | None = None
    transaction_id: str | None = None
    reason: str | None = None
    idle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent(Happening):
    """A security event came, of this kind. `reported_at` as of a connector."""

    epoch: int
    reported_at: datetime | None = None
    heard_at: datetime | None = None
    kind: str


Answer = Sent | Accepted | Scheduled | Rejected | Unsupported | Unanswered | NotDelivered | Withdrawn | Probed
Sighting = Connected | Disconnected | Booted | ConnectorReported | TransactionEnded | SecurityEvent
Input = Request | Cancel | StandingChanged | DeadlinePassed | Superseded | Answer | NotWithdrawn | Sighting
