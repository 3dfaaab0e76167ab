"""The AsyncAPI 3.0 document: channels, their messages, and which service sends and receives what."""

import inspect
from collections.abc import Iterable
from typing import Any

from contracts.envelope import Message, Tombstone
from contracts.topics import Service, Topic, TopicKind

KAFKA_BINDING = "0.5.0"

_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes in Kafka's binary mode, and W3C Trace Context.",
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "Unique; a repeated cause repeats it."},
        "ce_type": {"type": "string", "description": "<owner>.<kebab-name>.v<major>"},
        "ce_source": {"type": "string", "pattern": "^/services/[a-z-]+$"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it became true."},
        "ce_subject": {"type": "string", "description": "What it is about; equal to the key."},
        "content-type": {"type": "string", "const": "application/json", "description": "Absent on a tombstone."},
        "traceparent": {"type": "string", "description": "W3C Trace Context, where the cause had one."},
    },
}


def document(topics: Iterable[Topic]) -> dict[str, Any]:
    """The document, as data. Payloads are references to the schema files beside it."""
    topics = tuple(topics)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Comeback",
            "version": "1.0.0",
            "description": "What the services say to each other on Kafka. Every topic and message carries its major"
            " version in its name and changes by addition only.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {name: operation for topic in topics for name, operation in _operations(topic)},
        "components": {"schemas": {"CloudEvent": _HEADERS}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "cleanup.policy": ["compact" if topic.kind is TopicKind.COMPACTED else "delete"],
    }
    if topic.retention is not None:
        configuration["retention.ms"] = int(topic.retention.total_seconds() * 1000)
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {model.wire_type: _message(topic, model) for model in topic.messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _message(topic: Topic, model: type[Message]) -> dict[str, Any]:
    described = {
        "name": model.wire_type,
        "title": model.__name__,
        "description": inspect.getdoc(model),
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {"type": "object", "properties": {"ce_type": {"type": "string", "const": model.wire_type}}},
            ]
        },
        "payload": {"$ref": f"./schemas/{topic.name}/{model.wire_type}.json"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": KAFKA_BINDING},
        },
    }
    if not issubclass(model, Tombstone):
        described["contentType"] = "application/json"
    return described


def _operations(topic: Topic) -> Iterable[tuple[str, dict[str, Any]]]:
    yield f"{topic.writer}.send.{topic.name}", _operation("send", topic, topic.writer)
    for reader in topic.readers:
        yield f"{reader}.receive.{topic.name}", _operation("receive", topic, reader)


def _operation(action: str, topic: Topic, service: Service) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": action,
        "title": f"{service} {'writes' if action == 'send' else 'reads'} {topic.name}",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{model.wire_type}"} for model in topic.messages],
    }
    if action == "receive":
        group = {"type": "string", "pattern": f"^{service}\\."}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": KAFKA_BINDING}}
    return operation
