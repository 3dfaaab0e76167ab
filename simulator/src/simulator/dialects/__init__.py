"""The three versions of OCPP, behind one interface."""

from simulator.dialects.base import Answer, Dialect, RefusedError
from simulator.dialects.v2 import DialectV2
from simulator.dialects.v16 import DialectV16

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


def dialect_of(protocol: str) -> Dialect:
    """The dialect of a subprotocol name.

    Raises:
        ValueError: the simulator does not speak it.
    """
    if protocol == "ocpp1.6":
        return DialectV16()
    if protocol in PROTOCOLS:
        return DialectV2(protocol)
    raise ValueError(f"unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")


__all__ = ["PROTOCOLS", "Answer", "Dialect", "RefusedError", "dialect_of"]
