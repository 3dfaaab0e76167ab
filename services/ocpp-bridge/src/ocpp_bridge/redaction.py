"""Takes passwords, keys and the ids of people's cards out of frames before anybody is shown them. Pure."""

import re
from typing import Any

import orjson

from contracts.ocpp import FRAME_KEPT

HIDDEN = "[hidden]"
READ_AT_MOST = 16 * 1024
"""A longer frame is not read to be shown: only its beginning is, with every text hidden that may be a secret."""

_SUSPECT = re.compile(rb"(?i)passw|idtag|idtoken|authorizationkey|secret|privatekey|credential|://[^/\"]*@|\"vpn\"")
"""Only a frame with one of these is read further: most have none."""

_SECRET = re.compile(r"(?i)passw|secret|authorizationkey|privatekey|credential|^(parent)?idtag$|idtoken$")
"""Names of fields, configuration keys and variables whose values are nobody's business."""

_IN_URL = re.compile(r"(://)[^/\s\"@]*@")
_VALUES = ("value", "attributeValue", "actualValue")
_ANY_TEXT = re.compile(
    r'("(?:[A-Za-z]*(?:passw|secret|authorizationkey|privatekey|credential)[A-Za-z]*|(?:parent)?idTag|[a-z]*idToken|'
    r'key|value|attributeValue|actualValue|data)"\s*:\s*)"(?:[^"\\]|\\.)*"?',
    re.IGNORECASE,
)
"""In what is not JSON, or is cut: every text that may be a secret, since what it belongs to can't be told."""


def shown(frame: bytes) -> str:
    """A frame as people may see it: secrets hidden, then cut to `FRAME_KEPT` characters."""
    return redact(frame)[:FRAME_KEPT]


def shortened(frame: bytes) -> str:
    """The beginning of a frame that is too long to be kept, without its secrets."""
    if len(frame) > READ_AT_MOST:
        return _mask(frame[:FRAME_KEPT].decode(errors="replace"))
    # Hidden before it is cut: what a value is called may stand behind it.
    return shown(frame)


def redact(frame: bytes) -> str:
    """A frame without its secrets. One that has none is given as it was sent."""
    if _SUSPECT.search(frame) is None:
        return frame.decode(errors="replace")
    try:
        return orjson.dumps(without_secrets(orjson.loads(frame))).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return _mask(frame.decode(errors="replace"))


def without_secrets(value: Any, *, under: str = "") -> Any:
    """JSON without its secrets; `under` is the name of the field that holds it."""
    match value:
        case dict():
            hidden = _is_secret(_names(value))
            return {
                name: HIDDEN
                if (_is_secret(name) or (hidden and name in _VALUES) or (under == "vpn" and name == "key"))
                and not isinstance(inner, dict | list | None)
                else without_secrets(inner, under=name)
                for name, inner in value.items()
            }
        case list():
            return [without_secrets(inner, under=under) for inner in value]
        case str():
            return _IN_URL.sub(rf"\1{HIDDEN}@", value)
        case _:
            return value


def _mask(text: str) -> str:
    return _IN_URL.sub(rf"\1{HIDDEN}@", _ANY_TEXT.sub(rf'\1"{HIDDEN}"', text))


def _names(value: dict[str, Any]) -> str:
    """What a key with its value (1.6) or a variable with its attribute (2.x) is called."""
    key, variable = value.get("key"), value.get("variable")
    if isinstance(variable, dict):
        variable = variable.get("name")
    return next((name for name in (key, variable) if isinstance(name, str)), "")


def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None
