"""What differs between the OCPP versions on the wire, and which of them a socket speaks."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocpp_bridge.schemas import Schemas, Violation, schemas


@dataclass(frozen=True, slots=True)
class Dialect:
    """One OCPP version.

    Attributes:
        protocol: its websocket subprotocol.
        deflate: whether the server must offer permessage-deflate (2.x part 4, 3.3).
        boot_first: whether a CALL before an accepted boot is refused (B01.FR.10, B02.FR.09, B03.FR.07).
        codes: its error code for each kind of violation; the misspelling in 1.6's is its own (errata 5.1, 5.2).
        unreadable: its error code for a frame that is no frame.
        unknown_kind: its error code for an unknown message type, or None where such are ignored.
        sends: whether it has SEND and CALLRESULTERROR.
    """

    protocol: str
    schemas: Schemas
    deflate: bool
    boot_first: bool
    codes: dict[Violation, str]
    unreadable: str
    unknown_kind: str | None
    sends: bool = False


_CODES_2 = {
    Violation.FORMAT: "FormatViolation",
    Violation.PROPERTY: "PropertyConstraintViolation",
    Violation.OCCURRENCE: "OccurrenceConstraintViolation",
    Violation.TYPE: "TypeConstraintViolation",
}

V16 = Dialect(
    protocol="ocpp1.6",
    schemas=schemas("v16"),
    deflate=False,
    boot_first=False,
    codes={
        Violation.FORMAT: "FormationViolation",
        Violation.PROPERTY: "PropertyConstraintViolation",
        Violation.OCCURRENCE: "OccurenceConstraintViolation",
        Violation.TYPE: "TypeConstraintViolation",
    },
    unreadable="FormationViolation",
    unknown_kind=None,
)
V201 = Dialect(
    protocol="ocpp2.0.1",
    schemas=schemas("v201"),
    deflate=True,
    boot_first=True,
    codes=_CODES_2,
    unreadable="RpcFrameworkError",
    unknown_kind="MessageTypeNotSupported",
)
V21 = Dialect(
    protocol="ocpp2.1",
    schemas=schemas("v21"),
    deflate=True,
    boot_first=True,
    codes=_CODES_2,
    unreadable="RpcFrameworkError",
    unknown_kind=None,
    sends=True,
)

DIALECTS = {dialect.protocol: dialect for dialect in (V16, V201, V21)}


def choose(offered: Sequence[str]) -> Dialect | None:
    """The first of the client's subprotocols, in its order of preference, that we speak; None when there is none."""
    return next((DIALECTS[protocol] for protocol in offered if protocol in DIALECTS), None)
