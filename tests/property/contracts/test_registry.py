"""Whatever can be said is read as it was said, and whatever arrives is answered in words, never with an error."""

import json
import types
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator
from pydantic import AwareDatetime, BaseModel, JsonValue
from pydantic.fields import FieldInfo

import contracts
from contracts import topics
from contracts.envelope import Envelope, Message, Tombstone
from contracts.registry import Known, Undecodable, Unknown, decode, encode
from contracts.topics import Topic

SCHEMAS = Path(contracts.__file__).parents[2] / "schemas"
MESSAGES = [
    pytest.param(topic, model, id=f"{topic.name}-{model.wire_type}") for topic in topics.ALL for model in topic.messages
]

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC) | OFFSETS)  # noqa: DTZ001
SCALARS: Mapping[object, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    UUID: st.uuids(),
    datetime: TIMES,
    AwareDatetime: TIMES,
    type(None): st.none(),
}
PLAIN = (int, float, str)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def bound(constraints: Sequence[Any], name: str, otherwise: Any) -> Any:
    """What a field's constraints say of one bound: `ge`, `gt`, `le`, `max_length` or `pattern`."""
    found = [value for one in constraints if (value := getattr(one, name, None)) is not None]
    return found[0] if found else otherwise


def within(annotation: Any, metadata: Sequence[Any]) -> st.SearchStrategy[Any]:
    """All values of a scalar that its constraints allow."""
    constraints = [one for each in metadata for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
    if annotation is int:
        return st.integers(bound(constraints, "ge", -(2**63)), bound(constraints, "le", 2**63 - 1))
    if annotation is float:
        above = bound(constraints, "gt", None)
        return st.floats(
            above if above is not None else bound(constraints, "ge", None),
            bound(constraints, "le", None),
            exclude_min=above is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    if annotation is str:
        pattern = bound(constraints, "pattern", None)
        if pattern is not None:
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: not text.endswith("\n"))
        return st.text(max_size=bound(constraints, "max_length", None))
    raise TypeError(f"no strategy for {annotation!r} within {metadata!r}; add one here")


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """All values of a field's annotation, as far as the contracts use annotations."""
    if annotation is JsonValue:
        return ANY_JSON
    if annotation in SCALARS:
        return SCALARS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return within(arguments[0], arguments[1:])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, arguments))
    if origin is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=5)
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=4)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return st.deferred(lambda: bodies_of(annotation))
    raise TypeError(f"no strategy for {annotation!r}; add one here")


def value_of_field(annotation: Any, field: FieldInfo) -> st.SearchStrategy[Any]:
    """All values of a field; its constraints stand in its annotation, or beside it."""
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if plain in PLAIN and field.metadata:
        return within(plain, field.metadata)
    return values_of(annotation)


@cache
def bodies_of(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(model, include_extras=True)
    fields = {name: value_of_field(hints[name], field) for name, field in model.model_fields.items()}
    required = {name: fields[name] for name, field in model.model_fields.items() if field.is_required()}
    optional = {name: strategy for name, strategy in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: model(**values))


@cache
def envelopes_of(model: type[Message]) -> st.SearchStrategy[Envelope[Message]]:
    """Made once: what is made again for each example is checked by Hypothesis again, and that takes most of the time."""
    trace = st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True)
    source = st.sampled_from([f"/services/{service}" for service in topics.Service])
    return st.builds(
        Envelope, id=st.uuids(), source=source, time=TIMES, data=bodies_of(model), traceparent=st.none() | trace
    )


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_every_message_is_read_as_it_was_written(topic: Topic, model: type[Message], data: st.DataObject) -> None:
    envelope = data.draw(envelopes_of(model))
    record = encode(topic, envelope)
    assert decode(topic, record.key, record.value, record.headers) == Known(envelope)


@cache
def said_on(topic: Topic, model: type[Message]) -> st.SearchStrategy[tuple[Topic, Envelope[Message]]]:
    return st.tuples(st.just(topic), envelopes_of(model))


SPOKEN = st.sampled_from([(topic, model) for topic in topics.ALL for model in topic.messages]).flatmap(
    lambda pair: said_on(*pair)
)
"""Any message on any of its topics."""


@cache
def committed_schema(topic: str, wire_type: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / topic / f"{wire_type}.json").read_text())
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@settings(deadline=None, max_examples=150)
@given(SPOKEN)
def test_every_body_follows_its_committed_schema(said: tuple[Topic, Envelope[Message]]) -> None:
    topic, envelope = said
    record = encode(topic, envelope)
    body = None if record.value is None else json.loads(record.value)
    committed_schema(topic.name, envelope.type).validate(body)


@settings(deadline=None, max_examples=150)
@given(SPOKEN.filter(lambda said: said[1].subject))
def test_every_message_is_a_cloud_event_to_the_sdk(said: tuple[Topic, Envelope[Message]]) -> None:
    topic, envelope = said
    record = encode(topic, envelope)
    event = from_binary_event(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value or b""))
    assert (event.get_id(), event.get_type(), event.get_subject()) == (
        str(envelope.id),
        envelope.type,
        envelope.subject,
    )
    assert event.get_time() == envelope.time
    if not isinstance(envelope.data, Tombstone):
        assert type(envelope.data).model_validate(event.get_data()) == envelope.data


NAMES = st.sampled_from(["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "traceparent"])
TYPES = st.sampled_from([model.wire_type for topic in topics.ALL for model in topic.messages])
PLAUSIBLE = st.sampled_from([b"1.0", b"0.3", b"2026-03-04T10:15:00Z", b"0195608f-1c2b-7e55-9f3a-5b6c7d8e9f01"])
DAMAGE = st.binary() | PLAUSIBLE
HEADERS = st.lists(
    st.tuples(NAMES | st.text(), st.binary() | PLAUSIBLE | TYPES.map(str.encode)), max_size=12
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())


@settings(deadline=None, max_examples=300)
@given(
    topic=st.sampled_from(topics.ALL),
    key=st.none() | st.binary(),
    value=st.none() | st.binary() | JSON,
    headers=HEADERS,
)
def test_no_bytes_make_reading_fail(
    topic: Topic, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    assert isinstance(decode(topic, key, value, headers), Known | Unknown | Undecodable)


@settings(deadline=None, max_examples=150)
@given(said=SPOKEN, data=st.data())
def test_no_damage_to_a_message_makes_reading_fail(said: tuple[Topic, Envelope[Message]], data: st.DataObject) -> None:
    topic, envelope = said
    record = encode(topic, envelope)
    headers = dict(record.headers)
    for name in data.draw(st.sets(st.sampled_from(sorted(headers)))):
        headers[name] = data.draw(DAMAGE)
    value = record.value
    if value is not None and data.draw(st.booleans()):
        fields = json.loads(value)
        fields[data.draw(st.sampled_from(sorted(fields)))] = json.loads(data.draw(JSON))
        value = json.dumps(fields).encode()
    key = data.draw(st.just(record.key) | st.binary() | st.none())
    decoded = decode(topic, key, data.draw(st.just(value) | st.binary() | st.none()), tuple(headers.items()))
    assert isinstance(decoded, Known | Unknown | Undecodable)
    if isinstance(decoded, Undecodable):
        assert decoded.why
