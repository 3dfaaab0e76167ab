"""Bytes to messages and back: CloudEvents 1.0 in Kafka's binary mode, with a JSON body."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from pydantic import ValidationError

from contracts.envelope import Envelope, Message, Position, Tombstone
from contracts.topics import ALL, Topic

Headers = Sequence[tuple[str, bytes]]

_MODELS: dict[tuple[str, str], type[Message]] = {
    (topic.name, model.wire_type): model for topic in ALL for model in topic.messages
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is written to Kafka. `value` is None for a tombstone."""

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A message that this version understands."""

    envelope: Envelope[Message]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed message of a type that this version does not know: to be counted and skipped."""

    type: str


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that is not one of ours or does not hold what its type promises: to be kept aside, never dropped."""

    why: str


def encode(topic: Topic, envelope: Envelope[Message]) -> Record:
    """The Kafka record of a message. Raises ValueError when the topic does not carry such messages."""
    data = envelope.data
    if (topic.name, data.wire_type) not in _MODELS:
        raise ValueError(f"{topic.name} does not carry {data.wire_type}; it is not among the topic's messages")
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(envelope.id).encode()),
        ("ce_type", data.wire_type.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_time", envelope.time.isoformat().encode()),
        ("ce_subject", envelope.subject.encode()),
    ]
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    value: bytes | None = None
    if not isinstance(data, Tombstone):
        headers.append(("content-type", b"application/json"))
        value = data.model_dump_json().encode()
    return Record(envelope.subject.encode(), value, tuple(headers))


def decode(
    topic: Topic, key: bytes | None, value: bytes | None, headers: Headers, position: Position | None = None
) -> Known | Unknown | Undecodable:
    """Reads a Kafka record. Never raises: what can't be read is Undecodable, with the reason in words."""
    try:
        attributes = {name: content.decode() for name, content in headers}
    except (UnicodeDecodeError, AttributeError):
        return Undecodable("a header is not UTF-8 text")
    missing = [name for name in ("ce_id", "ce_type", "ce_source", "ce_time") if name not in attributes]
    if missing:
        return Undecodable(f"not a CloudEvent: {', '.join(missing)} missing")
    if attributes.get("ce_specversion") != "1.0":
        return Undecodable(f"CloudEvents version {attributes.get('ce_specversion')!r}, expected '1.0'")
    model = _MODELS.get((topic.name, attributes["ce_type"]))
    if model is None:
        return Unknown(attributes["ce_type"])
    try:
        data = _body(model, key, value)
        envelope = Envelope(
            id=UUID(attributes["ce_id"]),
            source=attributes["ce_source"],
            time=datetime.fromisoformat(attributes["ce_time"]),
            data=data,
            traceparent=attributes.get("traceparent"),
            position=position,
        )
    except ValidationError as error:
        return Undecodable(_in_words(model, error))
    except (ValueError, UnicodeDecodeError) as error:
        return Undecodable(f"{attributes['ce_type']}: {error}")
    if envelope.time.tzinfo is None:
        return Undecodable(f"{attributes['ce_type']}: ce_time has no time zone")
    if key is None or envelope.subject.encode() != key:
        return Undecodable(f"{attributes['ce_type']}: the key {key!r} is not the subject {envelope.subject!r}")
    return Known(envelope)


def _body(model: type[Message], key: bytes | None, value: bytes | None) -> Message:
    if issubclass(model, Tombstone):
        if value is not None:
            raise ValueError("it ends its key and must have no body")
        return model.from_key((key or b"").decode())
    if value is None:
        raise ValueError("the body is missing")
    try:
        return model.model_validate(orjson.loads(value), strict=False)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON ({error})") from error


def _in_words(model: type[Message], error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    )
    return f"{model.wire_type}: {problems}"
