"""The facts of the contracts as data: the JSON Schema of every message and the terms of every topic."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from contracts.envelope import Message, Tombstone
from contracts.topics import Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SAID_OF_ALL = ("title", "description", "deprecated")


class _WithoutFieldTitles(GenerateJsonSchema):
    """A field's title only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def schema_of(model: type[Message]) -> dict[str, Any]:
    """What a reader accepts as the body of this message: a field with a default may be absent.

    A tombstone has no body, so its schema is null's.
    """
    described = model.model_json_schema(schema_generator=_WithoutFieldTitles)
    if issubclass(model, Tombstone):
        described = {word: described[word] for word in _SAID_OF_ALL if word in described} | {"type": "null"}
    return {"$schema": DIALECT, **described}


def facts_of(topic: Topic) -> dict[str, Any]:
    """What writers and readers of the topic agree on. Retention is in seconds; null keeps the last of each key."""
    return {
        "about": topic.about,
        "key": topic.key,
        "kind": topic.kind.value,
        "partitions": topic.partitions,
        "retention_s": None if topic.retention is None else int(topic.retention.total_seconds()),
        "writer": topic.writer.value,
        "readers": [reader.value for reader in topic.readers],
        "confidential": topic.confidential,
        "messages": [model.wire_type for model in topic.messages],
    }
