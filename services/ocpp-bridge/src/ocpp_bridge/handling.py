"""What handling one CALL means, whichever version it is of: what is known when it comes, and what comes of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from contracts.fleet import Registration
from contracts.ocpp import Observation
from ocpp_bridge.frames import Json


class Transactions(Protocol):
    """The transaction ids of OCPP 1.6, which the server gives."""

    async def started(self, charger_id: str, connector_id: int, meter_start: int, started_at: str) -> int:
        """The id of a transaction: the same one when the charger tells of the same start again."""
        ...

    async def stopped(self, charger_id: str, transaction_id: int) -> int | None:
        """The connector of a transaction that ends; None when we never gave that id to that charger."""
        ...


@dataclass(slots=True)
class Context:
    """What a handler may look at.

    Attributes:
        registration: what a boot is to be answered.
        heartbeat_interval: seconds, for an accepted boot.
        boot_retry: seconds, for any other.
        asked_to_boot: we had asked this session for a boot.
        owed_since: the session since which the charger owes us a boot anyway; None when it owes none.
    """

    charger_id: str
    epoch: int
    now: datetime
    registration: Registration
    heartbeat_interval: int
    boot_retry: int
    asked_to_boot: bool
    owed_since: int | None
    transactions: Transactions


@dataclass(frozen=True, slots=True)
class Said:
    """An observation to publish before the CALL is answered.

    Attributes:
        fact: names the fact itself, where the charger may tell it again on a later session (a queued transaction
            message has a new messageId then): the event gets the same id each time, and readers drop the repetition.
            None for what is new with each frame.
    """

    observation: Observation
    fact: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a CALL is answered, once all that was said is in Kafka.

    Attributes:
        registration: set by a boot: the charger is accepted, pending or rejected from now on.
    """

    payload: Json
    said: tuple[Said, ...] = ()
    registration: Registration | None = None


Handler = Callable[[Context, Json], Reply | Awaitable[Reply]]

NOTHING = Reply({})


def nothing(_context: Context, _payload: Json) -> Reply:
    """The handler of what is taken note of and has no fields in its answer."""
    return NOTHING


def always(payload: Json) -> Handler:
    """The handler of what always gets the same answer."""
    reply = Reply(payload)

    def handle(_context: Context, _payload: Json) -> Reply:
        return reply

    return handle


def heartbeat(context: Context, _payload: Json) -> Reply:
    """Heartbeat: the time, and nothing to publish. Counted, and it keeps the session alive."""
    return Reply({"currentTime": wire_time(context.now)})


def boot_reply(context: Context, said: Said) -> Reply:
    """The answer to BootNotification, which is the same in every version."""
    accepted = context.registration is Registration.ACCEPTED
    interval = context.heartbeat_interval if accepted else context.boot_retry
    payload = {
        "currentTime": wire_time(context.now),
        "interval": interval,
        "status": context.registration.value.capitalize(),
    }
    return Reply(payload, (said,), context.registration)


def pending_boot(now: datetime, interval: int) -> Json:
    """The answer to a BootNotification that is put off, in every version."""
    return {"currentTime": wire_time(now), "interval": interval, "status": "Pending"}


def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC, always with fractional seconds: a station in the field drops the socket without them."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def told_time(value: Any) -> datetime | None:
    """A charger's timestamp, or None when it can't be read; one without a zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        # A clock that was never set may say the first hour of the year 1, which no other zone has.
        return None


UPDATING = frozenset(
    {
        "Downloading",
        "Downloaded",
        "DownloadPaused",
        "Installing",
        "InstallRebooting",
        "SignatureVerified",
    }
)
"""Firmware states, of any version, in which an update is under way; a scheduled one has not begun."""
