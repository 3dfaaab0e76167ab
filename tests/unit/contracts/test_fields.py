"""A schema laid flat has every field, with what readers rely on."""

from enum import StrEnum
from typing import Literal

import pytest
from pydantic import BaseModel, Field as PydanticField

from contracts.fields import ABSENT, Fields, fields_of


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    size: int
    colour: Colour | None = None


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Body(BaseModel):
    name: str = PydanticField(max_length=5)
    kind: Literal["a"] = "a"
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_colour: dict[Colour, int] = PydanticField(default_factory=dict)
    either: int | str = 0
    open: float | None = None


@pytest.fixture
def fields() -> Fields:
    return fields_of(Body.model_json_schema())


def test_nested_fields_have_paths(fields: Fields) -> None:
    assert set(fields) == {
        "",
        "name",
        "kind",
        "part",
        "part.size",
        "part.colour",
        "parts",
        "parts[]",
        "parts[].size",
        "parts[].colour",
        "by_colour",
        "by_colour{}",
        "by_colour{key}",
        "either",
        "open",
    }


def test_types_are_said_in_words(fields: Fields) -> None:
    assert fields["part"].type == "object or null"
    assert fields["either"].type == "integer or string"
    assert fields["open"].type == "number or null"


def test_a_field_is_required_only_where_the_schema_says_so(fields: Fields) -> None:
    assert fields["name"].required
    assert fields["part.size"].required
    assert not fields["part"].required
    assert not fields["parts[]"].required


def test_defaults_are_kept_apart_from_their_absence(fields: Fields) -> None:
    assert fields["open"].default == "null"
    assert fields["kind"].default == '"a"'
    assert fields["by_colour"].default == ABSENT


def test_closed_values_come_from_enums_and_constants_alike(fields: Fields) -> None:
    assert fields["part.colour"].values == frozenset({'"red"', '"blue"'})
    assert fields["kind"].values == frozenset({'"a"'})
    assert fields["by_colour{key}"].values == frozenset({'"red"', '"blue"'})
    assert fields["name"].values is None


def test_limits_hold_lengths_but_not_words_for_people(fields: Fields) -> None:
    assert fields["name"].limits == {"maxLength": "5"}
    assert fields["part"].limits == {}


def test_a_refusal_of_other_fields_is_a_limit() -> None:
    assert fields_of({"type": "object", "additionalProperties": False})[""].limits == {"additionalProperties": "false"}


def test_alternatives_with_parts_are_numbered() -> None:
    schema = {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "array", "items": {}}]}
    assert set(fields_of(schema)) == {"", "(1).a", "(2)[]"}


def test_a_schema_that_contains_itself_is_read_once() -> None:
    assert set(fields_of(Tree.model_json_schema())) == {"", "name", "children"}
