"""Schemas and topic facts say what models and topics say."""

from typing import ClassVar

from pydantic import ConfigDict

from contracts import topics
from contracts.envelope import Message, Tombstone
from contracts.schemas import DIALECT, facts_of, schema_of


class Painted(Message):
    """It has a colour."""

    wire_type: ClassVar[str] = "paint.painted.v1"
    model_config = ConfigDict(json_schema_extra={"deprecated": True})

    coats: int
    colour: str = "grey"


class Stripped(Tombstone):
    """It has none."""

    wire_type: ClassVar[str] = "paint.stripped.v1"
    model_config = ConfigDict(json_schema_extra={"deprecated": True})

    thing: str


def test_a_schema_is_what_a_reader_accepts() -> None:
    assert schema_of(Painted) == {
        "$schema": DIALECT,
        "title": "Painted",
        "description": "It has a colour.",
        "deprecated": True,
        "type": "object",
        "properties": {"coats": {"type": "integer"}, "colour": {"type": "string", "default": "grey"}},
        "required": ["coats"],
    }


def test_a_tombstone_has_the_schema_of_nothing() -> None:
    assert schema_of(Stripped) == {
        "$schema": DIALECT,
        "title": "Stripped",
        "description": "It has none.",
        "deprecated": True,
        "type": "null",
    }


def test_the_facts_of_a_topic_hold_what_must_not_change() -> None:
    assert facts_of(topics.OCPP_COMMANDS) == {
        "about": topics.OCPP_COMMANDS.about,
        "key": "charger",
        "kind": "short",
        "partitions": 12,
        "retention_s": 3600,
        "writer": "restart-orchestrator",
        "readers": ["ocpp-bridge"],
        "confidential": False,
        "messages": ["ocpp.reset-charger.v1", "ocpp.probe-charger.v1", "ocpp.withdraw-reset.v1"],
    }
    assert facts_of(topics.FLEET_CHARGERS)["retention_s"] is None
    assert facts_of(topics.FLEET_CREDENTIALS)["confidential"] is True
