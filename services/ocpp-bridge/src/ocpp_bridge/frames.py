"""OCPP-J frames: what stands on the socket, read and written (OCPP-J 1.6 section 4, OCPP 2.x part 4 section 4)."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

Json = dict[str, Any]

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6
CALL_LENGTH = 4

MESSAGE_ID_LENGTH = 36
UNREADABLE_ID = "-1"
"""The id of a CALLERROR for a frame whose own id can't be read (2.x part 4, 4.2.3)."""

DESCRIPTION_LENGTH = 255
NESTED_AT_MOST = 100
"""OCPP nests ten deep. What looks into a frame calls itself as deep as that goes, which Python allows so far only."""

_NUL = b"\\u0000"
"""Firmware leaves NULs behind short texts in long buffers, and no column of a database takes one."""

_OPENING = re.compile(rb'^\s*\[\s*([0-9]+)\s*,\s*"([ !#-\[\]-~]{1,36})"')
"""The start of a frame, as far as it tells kind and id, without reading the rest."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that wants an answer. `had_nuls`: its texts are without the NULs that stood in them."""

    message_id: str
    action: str
    payload: Json
    had_nuls: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """The answer to a request. `data` is what stood on the socket."""

    message_id: str
    payload: Json
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CallError:
    """The refusal of a request. `data` is what stood on the socket."""

    message_id: str
    code: str
    description: str
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """A message of 2.1 that wants no answer (part 4, 4.2.4)."""

    message_id: str
    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class CallResultError:
    """The other side could not use our answer (2.1 part 4, 4.2.3)."""

    message_id: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Not a frame. `asked` is whether it was, or may have been, a CALL, so that a CALLERROR is due."""

    message_id: str
    why: str
    asked: bool = True


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """A frame of a message type that no version knows."""

    message_id: str
    kind: int


Frame = Call | CallResult | CallError | Send | CallResultError | Unreadable | UnknownKind


def parse(data: bytes) -> Frame:
    """Reads a text frame. Never raises."""
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _unreadable(data, f"not JSON: {error}")
    if len(data) > 2 * NESTED_AT_MOST and data.count(b"{") + data.count(b"[") > NESTED_AT_MOST and _is_nested(frame):
        return _unreadable(data, f"nested more than {NESTED_AT_MOST} deep")
    if _NUL in data and isinstance(frame, list):
        return _read_without_nuls(frame, data)
    return _read(frame, data)


def _read_without_nuls(frame: list[Any], data: bytes) -> Frame:
    mended = [*frame[:2], *_without_nuls(frame[2:])]  # its id is answered as it was sent
    read = _read(mended, data)
    return replace(read, had_nuls=True) if isinstance(read, Call) and mended != frame else read


def _read(frame: Any, data: bytes) -> Frame:
    if type(frame) is list and len(frame) == CALL_LENGTH and frame[0] == CALL:
        # Nearly all frames are of this form, and a pattern takes three times as long.
        _, message_id, action, payload = frame
        if type(message_id) is str and type(action) is str and type(payload) is dict:
            return Call(message_id, action, payload)
    match frame:
        case [3, str(message_id), dict(payload)]:
            return CallResult(message_id, payload, data)
        case [4, str(message_id), str(code), *rest]:
            return CallError(message_id, code, _text(rest), data)
        case [2, str(message_id), str(action)] | [2, str(message_id), str(action), None]:
            # Empty payloads are left out, or null, by some firmware; the schema tells whether that will do.
            return Call(message_id, action, {})
        case [3, str(message_id)] | [3, str(message_id), None]:
            return CallResult(message_id, {}, data)
        case [5, str(message_id), str(code), *rest]:
            return CallResultError(message_id, code, _text(rest))
        case [6, str(message_id), str(action), dict(payload)]:
            return Send(message_id, action, payload)
        case [2, str(message_id), *_]:
            return Unreadable(message_id, "a CALL is [2, messageId, action, payload]")
        case [3 | 4 | 5 | 6, *_]:
            return Unreadable(UNREADABLE_ID, "an answer is [3, messageId, payload] or [4, messageId, code, …]", False)
        case [int(kind), str(message_id), *_] if kind != CALL:
            return UnknownKind(message_id, kind)
        case _:
            return Unreadable(UNREADABLE_ID, "a frame is a JSON array that starts with a message type and a messageId")


def opening(data: bytes) -> tuple[int | None, str]:
    """The kind and id of a frame that is too big to be read: (None, "-1") when they don't stand at its start."""
    found = _OPENING.match(data[:256])
    if found is None:
        return None, UNREADABLE_ID
    return int(found[1]), found[2].decode()


def call(message_id: str, action: str, payload: Json) -> bytes:
    return orjson.dumps([CALL, message_id, action, payload])


def call_result(message_id: str, payload: Json) -> bytes:
    return orjson.dumps([CALLRESULT, message_id, payload])


def call_error(message_id: str, code: str, description: str = "", details: Json | None = None) -> bytes:
    return orjson.dumps([CALLERROR, message_id, code, description[:DESCRIPTION_LENGTH], details or {}])


def _unreadable(data: bytes, why: str) -> Unreadable:
    kind, message_id = opening(data)
    return Unreadable(message_id, why, asked=kind is None or kind == CALL)


def _text(rest: list[Any]) -> str:
    return rest[0] if rest and isinstance(rest[0], str) else ""


def _is_nested(value: Any) -> bool:
    """Whether lists and objects stand inside each other more than `NESTED_AT_MOST` deep; without a call for each."""
    level = [value]
    for _ in range(NESTED_AT_MOST):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        level = inner
    return any(isinstance(one, dict | list) for one in level)


def _without_nuls(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "")
        case list():
            return [_without_nuls(inner) for inner in value]
        case dict():
            return {name: _without_nuls(inner) for name, inner in value.items()}
        case _:
            return value
