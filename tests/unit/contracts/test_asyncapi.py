"""The AsyncAPI document describes every channel, message and operation, and its references lead somewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import contracts
from contracts import topics
from contracts.asyncapi import document
from contracts.topics import Topic

HOME = Path(contracts.__file__).parents[2]
DOCUMENT = document(topics.ALL)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def leads_somewhere(reference: str) -> bool:
    if not reference.startswith("#/"):
        return (HOME / reference).is_file()
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part, {})
    return bool(node)


def test_every_reference_leads_somewhere() -> None:
    assert [reference for reference in references(DOCUMENT) if not leads_somewhere(reference)] == []


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
def test_a_channel_has_its_key_partitions_and_messages(topic: Topic) -> None:
    channel = DOCUMENT["channels"][topic.name]
    assert channel["address"] == topic.name
    assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
    assert list(channel["messages"]) == [model.wire_type for model in topic.messages]
    for wire_type, message in channel["messages"].items():
        assert message["bindings"]["kafka"]["key"]["description"] == topic.key
        assert message["headers"]["allOf"][1]["properties"]["ce_type"]["const"] == wire_type


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
def test_the_writer_sends_and_each_reader_receives(topic: Topic) -> None:
    channel = {"$ref": f"#/channels/{topic.name}"}
    operations = {
        name: operation["action"]
        for name, operation in DOCUMENT["operations"].items()
        if operation["channel"] == channel
    }
    assert operations == {
        f"{topic.writer}.send.{topic.name}": "send",
        **{f"{reader}.receive.{topic.name}": "receive" for reader in topic.readers},
    }


def test_a_compacted_channel_is_compacted_and_a_retained_one_is_deleted_in_time() -> None:
    def configuration(topic: Topic) -> object:
        return DOCUMENT["channels"][topic.name]["bindings"]["kafka"]["topicConfiguration"]

    assert configuration(topics.FLEET_CHARGERS) == {"cleanup.policy": ["compact"]}
    assert configuration(topics.OCPP_COMMANDS) == {"cleanup.policy": ["delete"], "retention.ms": 3_600_000}


def test_only_a_message_with_a_body_has_a_content_type() -> None:
    messages = DOCUMENT["channels"]["fleet.chargers.v1"]["messages"]
    assert messages["fleet.charger-registered.v1"]["contentType"] == "application/json"
    assert "contentType" not in messages["fleet.charger-removed.v1"]
