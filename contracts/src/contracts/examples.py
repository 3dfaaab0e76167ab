"""Golden examples: records that were once published, and must be readable for ever."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from contracts import registry
from contracts.registry import Known, Undecodable, Unknown
from contracts.topics import Topic

EXAMPLES = "examples"
FIELDS = {"key", "headers", "data"}


def record_of(example: Mapping[str, Any]) -> registry.Record:
    """The Kafka record that an example file describes. Raises ValueError, in words, when it describes none."""
    if set(example) != FIELDS:
        raise ValueError(f"it must have the fields {', '.join(sorted(FIELDS))} and no other")
    data = example["data"]
    return registry.Record(
        key=example["key"].encode(),
        value=None if data is None else json.dumps(data).encode(),
        headers=tuple((name, content.encode()) for name, content in example["headers"].items()),
    )


def problems(topic: Topic, wire_type: str, content: bytes, schema: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an example of this message: not readable today, or not as its schema says."""
    try:
        example = json.loads(content)
        record = record_of(example)
    except (ValueError, AttributeError) as error:
        yield f"is no example: {error}"
        return
    decoded = registry.decode(topic, record.key, record.value, record.headers)
    match decoded:
        case Undecodable(why):
            yield f"can't be read: {why}"
        case Unknown(other):
            yield f"can't be read: {topic.name} carries no {other}"
        case Known(envelope) if envelope.type != wire_type:
            yield f"is a {envelope.type}, but lies among the examples of {wire_type}"
    try:
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example["data"])
    except ValidationError as error:
        yield f"is not as the schema says: {error.json_path}: {error.message}"
