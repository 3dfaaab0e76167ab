"""What every version of OCPP can say, whatever its words for it are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from simulator.delivery import Letter
from simulator.frames import Json
from simulator.station import Connector, Plate, Setting, Transaction

if TYPE_CHECKING:
    from simulator.charger import Charger

Message = tuple[str, Json]


class RefusedError(Exception):
    """A call from the server that is answered with a CALLERROR."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(slots=True)
class Answer:
    """The answer to a call from the server, and what the charger does once it is sent."""

    payload: Json = field(default_factory=dict)
    then: Callable[[], Awaitable[object]] | None = None


class Dialect(Protocol):
    """Builds a charger's messages and answers its server's calls.

    Attributes:
        protocol: the subprotocol's name.
        timing_keys: the settings that hold the heartbeat interval and the meter sample interval.
    """

    protocol: str
    timing_keys: tuple[str, str]

    def settings(self, plate: Plate, connectors: int) -> dict[str, Setting]: ...

    def boot(self, plate: Plate, reason: str | None) -> Json:
        """BootNotification; a reason of None leaves the field out, which 2.x forbids."""
        ...

    def status(self, connector: Connector | None, status: str | None = None) -> Message:
        """The status of a connector, or of the whole charger (None: connector 0); `status` replaces the true one."""
        ...

    def word_for(self, connector: Connector) -> str:
        """The connector's true status in the words of the version."""
        ...

    def has_whole_status(self) -> bool:
        """Whether the charger as a whole reports a status."""
        ...

    def started(self, transaction: Transaction) -> Letter: ...

    def sampled(self, transaction: Transaction, meter_wh: int) -> Letter: ...

    def ended(self, transaction: Transaction, meter_wh: int, reason: str) -> Letter:
        """The end of a transaction; `reason` is in the words of the version."""
        ...

    def stop_reason(self, reset_kind: str) -> str:
        """Why a reset of this kind ends a transaction."""
        ...

    def security_event(self, kind: str, tech_info: str) -> Letter: ...

    def firmware_status(self, status: str) -> Message: ...

    def reset_of(self, payload: Json) -> tuple[str, int | None]:
        """Kind and EVSE of a Reset request.

        Raises:
            RefusedError: the request makes no sense.
        """
        ...

    def answer(self, charger: "Charger", action: str, payload: Json) -> Answer:
        """Answer a call other than Reset.

        Raises:
            RefusedError: unknown or senseless.
        """
        ...
