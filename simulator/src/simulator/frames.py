"""OCPP-J frames: the JSON arrays that go over the websocket (OCPP-J part 4, section 4)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Incoming:
    """One frame as it was read; only the fields of its own kind are filled."""

    kind: int
    message_id: str
    action: str = ""
    payload: Any = None
    error_code: str = ""
    error_description: str = ""


class UnreadableFrameError(Exception):
    """The text is not an OCPP-J frame; `message_id` is what could be read of its id, else "-1"."""

    def __init__(self, why: str, message_id: str = "-1") -> None:
        super().__init__(why)
        self.message_id = message_id


def new_message_id() -> str:
    """A message id that no charger uses twice: 32 characters, where OCPP-J allows 36."""
    return uuid4().hex


def call(message_id: str, action: str, payload: Json) -> bytes:
    return orjson.dumps([CALL, message_id, action, payload])


def result(message_id: str, payload: Json) -> bytes:
    return orjson.dumps([CALLRESULT, message_id, payload])


def error(message_id: str, code: str, description: str = "", details: Json | None = None) -> bytes:
    return orjson.dumps([CALLERROR, message_id, code, description[:255], details or {}])


def parse(text: str | bytes) -> Incoming:
    """Read one frame.

    Raises:
        UnreadableFrameError: not JSON, not an array, or not one of the five kinds of message.
    """
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError as broken:
        raise UnreadableFrameError(f"not JSON: {broken}") from broken
    match frame:
        case [2, str(message_id), str(action), payload]:
            return Incoming(CALL, message_id, action=action, payload=payload)
        case [3, str(message_id), payload]:
            return Incoming(CALLRESULT, message_id, payload=payload)
        case [4 | 5 as kind, str(message_id), str(code), *rest]:
            return Incoming(kind, message_id, error_code=code, error_description=str(rest[0]) if rest else "")
        case [6, str(message_id), str(action), payload]:
            return Incoming(SEND, message_id, action=action, payload=payload)
        case [_, str(message_id), *_]:
            raise UnreadableFrameError("not a CALL, CALLRESULT, CALLERROR, CALLRESULTERROR or SEND", message_id)
        case _:
            raise UnreadableFrameError("not an OCPP-J array")


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC, always with fractional seconds: some readers insist on them."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
