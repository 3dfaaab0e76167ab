"""Topics and messages are named and owned as the rules say."""

import re

import pytest

from contracts import topics
from contracts.envelope import Message, Tombstone
from contracts.fields import fields_of
from contracts.schemas import schema_of
from contracts.topics import Topic, TopicKind

MESSAGES = [
    pytest.param(topic, model, id=f"{topic.name}-{model.wire_type}") for topic in topics.ALL for model in topic.messages
]
VERSIONED = re.compile(r"(?P<owner>[a-z]+)\.(?P<name>[a-z]+(-[a-z]+)*)\.v(?P<major>[1-9]\d*)")

MODULES = {"ocpp": {"contracts.ocpp", "contracts.calls"}}
"""Where an owner's messages stand, when not all of them are in the module of its name."""

UNITS = ("_s", "_wh")
WITHOUT_A_UNIT = {"count", "escalation", "escalations_per_day", "samples", "security_profile", "version"}
"""Counts and numbers of things; what names another thing by its number is among them."""
WITHOUT_A_UNIT |= {"answer_epoch", "connector_id", "epoch", "evse_id", "owed_since", "replaces", "revises"}


def kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_a_wire_type_is_owner_kebab_name_and_major(topic: Topic, model: type[Message]) -> None:
    named = VERSIONED.fullmatch(model.wire_type)
    assert named is not None
    assert named["name"] == kebab(model.__name__)
    assert model.__module__ in MODULES.get(named["owner"], {f"contracts.{named['owner']}"})
    assert model.wire_type.split(".")[0] == topic.name.split(".")[0]


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_a_number_with_a_unit_has_it_in_its_name(topic: Topic, model: type[Message]) -> None:
    """So that another unit is another name, which `contracts check` refuses; nothing else in a schema tells a unit."""
    for path, field in fields_of(schema_of(model)).items():
        name = re.split(r"[.\[({]", path)[-1]
        if {"integer", "number"} & set(field.type.split(" or ")):
            assert name.endswith(UNITS) or name in WITHOUT_A_UNIT, path


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
def test_a_topic_is_owner_name_and_major(topic: Topic) -> None:
    assert VERSIONED.fullmatch(topic.name)


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
def test_a_topic_has_one_writer_and_readers_who_are_others(topic: Topic) -> None:
    assert topic.writer
    assert topic.readers
    assert topic.writer not in topic.readers
    assert len(set(topic.readers)) == len(topic.readers)
    assert topic.messages


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
def test_only_a_compacted_topic_keeps_records_without_end(topic: Topic) -> None:
    assert (topic.retention is None) == (topic.kind is TopicKind.COMPACTED)


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_only_a_compacted_topic_carries_tombstones(topic: Topic, model: type[Message]) -> None:
    assert topic.kind is TopicKind.COMPACTED or not issubclass(model, Tombstone)


def test_every_topic_constant_is_listed_once() -> None:
    constants = [constant for constant in vars(topics).values() if isinstance(constant, Topic)]
    assert sorted(topic.name for topic in constants) == sorted(topic.name for topic in topics.ALL)
    assert len(topics.BY_NAME) == len(topics.ALL)


def test_charger_keyed_topics_have_the_same_number_of_partitions() -> None:
    assert len({topic.partitions for topic in topics.ALL if topic.key == "charger"}) == 1


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_a_charger_keyed_topic_carries_only_what_is_about_a_charger(topic: Topic, model: type[Message]) -> None:
    assert topic.key != "charger" or "charger_id" in model.model_fields


def test_only_the_bridge_may_read_credentials() -> None:
    assert topics.FLEET_CREDENTIALS.readers == (topics.Service.OCPP_BRIDGE,)


@pytest.mark.parametrize(("topic", "model"), MESSAGES)
def test_a_message_is_immutable_and_ignores_what_it_does_not_know(topic: Topic, model: type[Message]) -> None:
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "ignore"
    assert model.__doc__
