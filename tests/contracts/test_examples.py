"""Golden examples: each is read today, is a CloudEvent to others too, and together they show every field and word."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, from_kafka_event, to_binary_event

import contracts
from contracts import topics
from contracts.envelope import Message, Tombstone
from contracts.examples import record_of
from contracts.fields import fields_of
from contracts.registry import Known, Record, decode, encode
from contracts.schemas import schema_of
from contracts.topics import Topic

EXAMPLES = Path(contracts.__file__).parents[2] / "examples"
MESSAGES = [
    pytest.param(topic, model, id=f"{topic.name}-{model.wire_type}") for topic in topics.ALL for model in topic.messages
]
FILES = [
    pytest.param(topic, model, path, id=f"{model.wire_type}-{path.stem}")
    for topic in topics.ALL
    for model in topic.messages
    for path in sorted((EXAMPLES / topic.name / model.wire_type).glob("*.json"))
]


def example(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def read(topic: Topic, record: Record) -> Known:
    decoded = decode(topic, record.key, record.value, record.headers)
    assert isinstance(decoded, Known), decoded
    return decoded


def examples_of(topic: Topic, model: type[Message]) -> list[dict[str, Any]]:
    return [example(path) for path in (EXAMPLES / topic.name / model.wire_type).glob("*.json")]


def values_by_path(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value in the body, under the same paths as the fields of its schema."""
    yield path, node
    if isinstance(node, Mapping):
        for name, child in node.items():
            yield from values_by_path(child, f"{path}.{name}" if path else name)
            yield from values_by_path(child, path + "{}")
            yield path + "{key}", name
    elif isinstance(node, list):
        for child in node:
            yield from values_by_path(child, path + "[]")


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_a_message_has_an_example_with_the_least_and_one_with_all(topic: Topic, model: type[Message]) -> None:
    folder = EXAMPLES / topic.name / model.wire_type
    least = example(folder / "minimal.json")
    # An example is never edited: fields that came later are shown by full-2, full-3, and so on.
    full = example(max(folder.glob("full*.json"), key=lambda path: (len(path.stem), path.stem)))
    assert "traceparent" not in least["headers"]
    assert "traceparent" in full["headers"]
    if issubclass(model, Tombstone):
        assert least["data"] is full["data"] is None
        return
    assert set(least["data"]) == {name for name, field in model.model_fields.items() if field.is_required()}
    assert set(full["data"]) == set(model.model_fields)
    assert None not in full["data"].values()


@pytest.mark.parametrize(("topic", "model", "path"), FILES)
def test_an_example_is_read_today(topic: Topic, model: type[Message], path: Path) -> None:
    written = example(path)
    envelope = read(topic, record_of(written)).envelope
    assert type(envelope.data) is model
    assert str(envelope.id) == written["headers"]["ce_id"]
    assert envelope.source == f"/services/{topic.writer}"
    assert envelope.subject == written["key"] == written["headers"]["ce_subject"]


@pytest.mark.parametrize(("topic", "model", "path"), FILES)
def test_an_example_written_again_says_the_same(topic: Topic, model: type[Message], path: Path) -> None:
    known = read(topic, record_of(example(path)))
    assert read(topic, encode(topic, known.envelope)) == known


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_every_word_of_a_closed_enum_is_in_some_example(topic: Topic, model: type[Message]) -> None:
    shown = {
        (path, json.dumps(value))
        for shown in examples_of(topic, model)
        for path, value in values_by_path(shown["data"])
        if isinstance(value, str | int)
    }
    words = {(path, word) for path, field in fields_of(schema_of(model)).items() for word in field.values or ()}
    assert words - shown == set()


@pytest.mark.parametrize(("topic", "model", "path"), FILES)
def test_the_cloudevents_sdk_reads_what_we_write(topic: Topic, model: type[Message], path: Path) -> None:
    envelope = read(topic, record_of(example(path))).envelope
    record = encode(topic, envelope)
    message = KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value or b"")
    for event in (from_binary_event(message), from_kafka_event(message)):
        assert event.get_specversion() == "1.0"
        assert event.get_id() == str(envelope.id)
        assert event.get_type() == envelope.type
        assert event.get_source() == envelope.source
        assert event.get_time() == envelope.time
        assert event.get_subject() == envelope.subject
        assert event.get_extension("partitionkey") == envelope.subject
        assert event.get_data() == (None if record.value is None else json.loads(record.value))


@pytest.mark.parametrize(("topic", "model", "path"), FILES)
def test_we_read_what_the_cloudevents_sdk_writes(topic: Topic, model: type[Message], path: Path) -> None:
    envelope = read(topic, record_of(example(path))).envelope
    record = encode(topic, envelope)
    event = from_binary_event(KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value or b""))
    theirs = to_binary_event(event)
    assert isinstance(theirs.key, str)
    # The SDK can't say "no body", which is what a tombstone is in Kafka; it says an empty one.
    value = None if issubclass(model, Tombstone) else theirs.value
    again = read(topic, Record(theirs.key.encode(), value, tuple(theirs.headers.items()))).envelope
    # Nor does it carry headers that are no attributes, such as traceparent.
    assert (again.id, again.source, again.time, again.data) == (
        envelope.id,
        envelope.source,
        envelope.time,
        envelope.data,
    )
