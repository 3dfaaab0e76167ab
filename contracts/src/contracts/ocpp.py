"""What the bridge says of chargers, and the one thing it is told to do to them.

Words are the same for every OCPP version; what the charger literally said stays beside the word where it may matter.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, FiniteFloat, StringConstraints

from contracts.envelope import Message
from contracts.words import ChargerId, Epoch, Timestamp

FRAME_KEPT = 2000
"""So many characters of a frame are kept beside what it says."""
Frame = Annotated[str, StringConstraints(max_length=FRAME_KEPT)]

Escalations = Annotated[int, Field(ge=0, le=9)]


class AboutCharger(Message):
    """A message about one charger."""

    charger_id: ChargerId

    def key(self) -> str:
        return self.charger_id


# --- ocpp.connectivity.v1 ---------------------------------------------------------------------------------------------


class ChargerConnected(AboutCharger):
    """A websocket session of the charger is open, as number `epoch`."""

    wire_type: ClassVar[str] = "ocpp.charger-connected.v1"

    epoch: Epoch
    protocol: str
    bridge: str
    since: Timestamp


class ChargerDisconnected(AboutCharger):
    """Session `epoch` is over. A session with a greater epoch may be open already: then this is old news."""

    wire_type: ClassVar[str] = "ocpp.charger-disconnected.v1"

    epoch: Epoch
    bridge: str
    since: Timestamp
    why: Literal["closed", "lost", "silent", "replaced", "bridge_stopped", "bridge_lost", "refused"]


# --- ocpp.observations.v1 ---------------------------------------------------------------------------------------------


class Observation(AboutCharger):
    """Something the charger said of itself, on session `epoch`; `reported_at` is by the charger's own clock.

    `frame` is what it literally sent, cut to `FRAME_KEPT` characters, secrets redacted.
    """

    epoch: Epoch
    reported_at: Timestamp | None = None
    frame: Frame | None = None


class ChargerBooted(Observation):
    """BootNotification. `reason` is its 2.x BootReason; 1.6 has none.

    `solicited` is true when we had asked this session for it (TriggerMessage): then it says nothing about a restart.
    `owed_since` is the session on which an earlier boot was not accepted: the charger says it again until one is,
    whether or not it has restarted.
    """

    wire_type: ClassVar[str] = "ocpp.charger-booted.v1"

    reason: str | None = None
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None
    solicited: bool = False
    owed_since: Epoch | None = None
    registration: Literal["accepted", "pending", "rejected"] = "accepted"


class ConnectorState(StrEnum):
    """A connector's state in the words of OCPP 2.x; 1.6's Preparing, Charging, SuspendedEV, … count as occupied."""

    AVAILABLE = "available"
    OCCUPIED = "occupied"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


class ConnectorStatusReported(Observation):
    """StatusNotification. Connector 0 (1.6) is the charger as a whole. `raw_status` is the charger's own word."""

    wire_type: ClassVar[str] = "ocpp.connector-status-reported.v1"

    evse_id: int
    connector_id: int
    state: ConnectorState
    raw_status: str
    error_code: str | None = None
    info: str | None = None


class TransactionStarted(Observation):
    """A transaction began. `transaction_id` is ours on 1.6 and the charger's on 2.x."""

    wire_type: ClassVar[str] = "ocpp.transaction-started.v1"

    transaction_id: str
    evse_id: int | None = None
    connector_id: int | None = None
    meter_wh: FiniteFloat | None = None


class TransactionUpdated(Observation):
    """A transaction went on; `meter_wh` is the meter's reading, not the energy of this transaction."""

    wire_type: ClassVar[str] = "ocpp.transaction-updated.v1"

    transaction_id: str
    evse_id: int | None = None
    meter_wh: FiniteFloat | None = None


class TransactionEnded(Observation):
    """A transaction ended. `reason` is the charger's own word, for instance HardReset, SoftReset or ImmediateReset."""

    wire_type: ClassVar[str] = "ocpp.transaction-ended.v1"

    transaction_id: str
    evse_id: int | None = None
    connector_id: int | None = None
    reason: str | None = None
    meter_wh: FiniteFloat | None = None


class SecurityEventReported(Observation):
    """SecurityEventNotification, for instance ResetOrReboot or StartupOfTheDevice (A04.FR.02)."""

    wire_type: ClassVar[str] = "ocpp.security-event-reported.v1"

    kind: str
    info: str | None = None


class FirmwareStatusReported(Observation):
    """FirmwareStatusNotification. `updating` sums the charger's word up: an update is under way."""

    wire_type: ClassVar[str] = "ocpp.firmware-status-reported.v1"

    status: str
    updating: bool


class ConnectionRefused(AboutCharger):
    """Somebody who called himself this charger was not let in; a security event of the bridge's own.

    Attributes:
        why: what was wrong.
        address: where it came from.
        count: how many times since the last such message of the same charger, reason and address.
        last_at: the last of them.
        cause: what was wrong with a certificate: `missing`, `expired`, `not_yet_valid`, `strange_authority`, `revoked`,
            `not_proven` (without its private key), `other_name`, `other_organization`, `invalid`. The list is open: a
            word that is not known is to be read as none.
        named_by: where the charger's name stood. `certificate`: in the subject of a client certificate that TLS did not
            accept, where anybody can write it; nothing else tells that it was this charger, since its request was never
            read.
    """

    wire_type: ClassVar[str] = "ocpp.connection-refused.v1"

    why: Literal["wrong_password", "no_password", "wrong_profile", "wrong_certificate", "wrong_serial", "too_many"]
    address: str
    count: int = Field(ge=1)
    last_at: Timestamp
    cause: str | None = None
    named_by: Literal["request", "certificate"] = "request"


# --- ocpp.strangers.v1 ------------------------------------------------------------------------------------------------


class StrangerRefused(Message):
    """Somebody who named no charger that is known was turned away by TLS; a security event of the bridge's own.

    It is about an address, which is its key.

    Attributes:
        why: what was wrong. `too_many`: so many handshakes of this address have failed that this one was not begun.
        address: where it came from.
        count: how many times since the last such message of the same reason and address.
        last_at: the last of them.
        cause: as in ConnectionRefused.
        claimed_name: the common name in the subject of the last certificate, which TLS did not accept: anybody can
            write anything there.
    """

    wire_type: ClassVar[str] = "ocpp.stranger-refused.v1"

    why: Literal["wrong_certificate", "too_many"]
    address: str
    count: int = Field(ge=1)
    last_at: Timestamp
    cause: str | None = None
    claimed_name: Annotated[str, StringConstraints(max_length=64)] | None = None

    def key(self) -> str:
        return self.address


# --- ocpp.commands.v1 -------------------------------------------------------------------------------------------------


class ResetCharger(AboutCharger):
    """Send the charger one Reset, at most once ever for this attempt, on session `epoch` only, before `not_after`.

    `escalation` numbers the Resets of one attempt where its group allows a harder one after a softer: 0 is the first.
    Once is once for each number.

    `strength`: `soft` and `hard` are 1.6's words; on 2.x all three mean Immediate, or OnIdle with `on_idle`.
    `auto` is Soft on 1.6. `watch_until`: ping the session so often that a dead one is noticed, until then.
    """

    wire_type: ClassVar[str] = "ocpp.reset-charger.v1"

    attempt_id: UUID
    epoch: Epoch
    strength: Literal["auto", "soft", "hard"] = "auto"
    on_idle: bool = False
    evse_id: int | None = None
    not_after: Timestamp
    watch_until: Timestamp
    escalation: Escalations = 0


class ProbeCharger(AboutCharger):
    """Ping the charger on session `epoch` and say when it answered; asked before it is said that it ignored a Reset.

    `asked_at` comes back with the answer: by its clock the asker knows its own question again.
    """

    wire_type: ClassVar[str] = "ocpp.probe-charger.v1"

    attempt_id: UUID
    epoch: Epoch
    not_after: Timestamp
    escalation: Escalations = 0
    asked_at: Timestamp | None = None


class WithdrawReset(AboutCharger):
    """Do not send this Reset, if it is not claimed yet: its request is taken back.

    It stands after its ResetCharger, and whoever reads it answers: the ledger alone knows which of the two was first.
    It needs no `not_after`, since nothing is sent to the charger.
    """

    wire_type: ClassVar[str] = "ocpp.withdraw-reset.v1"

    attempt_id: UUID
    epoch: Epoch
    escalation: Escalations = 0


# --- ocpp.answers.v1 --------------------------------------------------------------------------------------------------


class Answer(AboutCharger):
    """What became of one ResetCharger. `epoch` is the session it was sent on, `escalation` the command's."""

    attempt_id: UUID
    epoch: Epoch
    escalation: Escalations = 0


class ResetSent(Answer):
    """The Reset frame was written to the socket."""

    wire_type: ClassVar[str] = "ocpp.reset-sent.v1"

    message_id: str
    sent_at: Timestamp
    frame: str


class Answered(Answer):
    """The charger answered the Reset. `answer_epoch` is the session that the answer came on: it may be the next one."""

    message_id: str
    answer_epoch: Epoch
    answered_at: Timestamp
    info: str | None = None
    frame: Frame | None = None


class ResetAccepted(Answered):
    """Accepted: a promise, not an outcome."""

    wire_type: ClassVar[str] = "ocpp.reset-accepted.v1"


class ResetScheduled(Answered):
    """Scheduled (2.x, OnIdle during a transaction: B11.FR.07, B12.FR.01)."""

    wire_type: ClassVar[str] = "ocpp.reset-scheduled.v1"


class ResetRejected(Answered):
    """Rejected; `info` is the charger's reason, where it gave one."""

    wire_type: ClassVar[str] = "ocpp.reset-rejected.v1"


class ResetUnsupported(Answered):
    """CALLERROR NotSupported or NotImplemented; `code` is the charger's own."""

    wire_type: ClassVar[str] = "ocpp.reset-unsupported.v1"

    code: str


class ResetUnanswered(Answer):
    """No answer: not in time, or the session ended, or we died in between. Not a failure: it may restart all the same.

    `error`: another CALLERROR's code, where that was the answer.
    """

    wire_type: ClassVar[str] = "ocpp.reset-unanswered.v1"

    why: Literal["timeout", "session_ended", "bridge_lost", "call_error"]
    error: str | None = None


class ChargerProbed(Answer):
    """The charger answered a ping on session `epoch`, which was asked for by ProbeCharger: it is really there.

    `lasted_s`: how long it has been on this session, since the last Reset that was written on it if there was one, by a
    clock that nobody sets. `asked_at` is the question's.
    """

    wire_type: ClassVar[str] = "ocpp.charger-probed.v1"

    heard_at: Timestamp
    asked_at: Timestamp | None = None
    lasted_s: Annotated[FiniteFloat, Field(ge=0)] | None = None


class ResetNotDelivered(Answer):
    """Nothing was sent, and nothing will be."""

    wire_type: ClassVar[str] = "ocpp.reset-not-delivered.v1"

    why: Literal["expired", "not_connected", "other_session"]


class ResetWithdrawn(Answer):
    """Nothing was sent, and nothing will be: the Reset was taken back before it was claimed."""

    wire_type: ClassVar[str] = "ocpp.reset-withdrawn.v1"


class ResetNotWithdrawn(Answer):
    """The Reset was claimed before it was taken back: it was sent, or is about to be."""

    wire_type: ClassVar[str] = "ocpp.reset-not-withdrawn.v1"
