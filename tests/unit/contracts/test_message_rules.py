"""Each breaking edit of a message is refused, each harmless one passes with the order of its release."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from contracts import compat
from contracts.compat import Allowed, Change, Refused, Rollout, message_changes
from contracts.fields import fields_of

Schema = dict[str, Any]

YESTERDAY: Schema = {
    "type": "object",
    "title": "Moved",
    "description": "Something moved.",
    "required": ["id", "status"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "status": {"$ref": "#/$defs/Status"},
        "note": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}], "default": None},
        "count": {"type": "integer", "default": 1},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "default": []},
        "params": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "$defs": {
        "Status": {"type": "string", "enum": ["open", "closed"]},
        "Part": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}},
    },
}


def changes(edit: Callable[[Schema], object]) -> list[Change]:
    today = copy.deepcopy(YESTERDAY)
    edit(today)
    return list(message_changes("topic message", YESTERDAY, today))


def only(found: list[Change]) -> Change:
    assert len(found) == 1, [str(change) for change in found]
    return found[0]


def remove(schema: Schema) -> None:
    del schema["properties"]["note"]


def remove_required(schema: Schema) -> None:
    del schema["properties"]["id"]
    schema["required"].remove("id")


def rename(schema: Schema) -> None:
    schema["properties"]["remark"] = schema["properties"].pop("note")


def add_required(schema: Schema) -> None:
    schema["properties"]["owner"] = {"type": "string"}
    schema["required"].append("owner")


def add_required_in_part(schema: Schema) -> None:
    schema["$defs"]["Part"]["properties"]["weight"] = {"type": "integer"}
    schema["$defs"]["Part"]["required"].append("weight")


def require(schema: Schema) -> None:
    del schema["properties"]["count"]["default"]
    schema["required"].append("count")


def retype(schema: Schema) -> None:
    schema["properties"]["count"]["type"] = "number"


def retype_in_part(schema: Schema) -> None:
    schema["$defs"]["Part"]["properties"]["size"]["type"] = "string"


def retype_values(schema: Schema) -> None:
    schema["properties"]["params"]["additionalProperties"]["type"] = "integer"


def make_nullable(schema: Schema) -> None:
    schema["properties"]["id"] = {"anyOf": [schema["properties"]["id"], {"type": "null"}]}


def part_to_text(schema: Schema) -> None:
    schema["$defs"]["Part"] = {"type": "string"}


def other_default(schema: Schema) -> None:
    schema["properties"]["count"]["default"] = 2


def no_default(schema: Schema) -> None:
    del schema["properties"]["count"]["default"]


def other_format(schema: Schema) -> None:
    schema["properties"]["id"]["format"] = "date-time"


def shorter(schema: Schema) -> None:
    schema["properties"]["note"]["anyOf"][0]["maxLength"] = 100


def longer(schema: Schema) -> None:
    schema["properties"]["note"]["anyOf"][0]["maxLength"] = 300


def new_pattern(schema: Schema) -> None:
    schema["properties"]["id"]["pattern"] = "^a"


def close_body(schema: Schema) -> None:
    schema["additionalProperties"] = False


def new_word(schema: Schema) -> None:
    schema["$defs"]["Status"]["enum"].append("ajar")


def fewer_words(schema: Schema) -> None:
    schema["$defs"]["Status"]["enum"].remove("open")


def close_vocabulary(schema: Schema) -> None:
    schema["properties"]["params"]["additionalProperties"]["enum"] = ["a"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (remove, "the field `note` is gone;"),
        (remove_required, "the field `id` is gone;"),
        (rename, "the field `note` is gone (renamed to `remark`?);"),
        (add_required, "the new field `owner` is required"),
        (add_required_in_part, "the new field `parts[].weight` is required"),
        (require, "the field `count` became required"),
        (retype, "`count` was integer and is now number."),
        (retype_in_part, "`parts[].size` was integer and is now string."),
        (retype_values, "`params{}` was string and is now integer."),
        (make_nullable, "`id` was string and is now string or null."),
        (part_to_text, "`parts[]` was object and is now string."),
        (other_default, "the default of `count` was 1 and is now 2;"),
        (no_default, "the default of `count` was 1 and is now (none);"),
        (other_format, 'the format of `id` was "uuid" and is now "date-time".'),
        (shorter, "the maxLength of `note` was 200 and is now 100."),
        (longer, "the maxLength of `note` was 200 and is now 300."),
        (new_pattern, 'the pattern of `id` was (none) and is now "^a".'),
        (close_body, "the additionalProperties of the body was (none) and is now false."),
        (new_word, 'the closed enum `status` has the new value "ajar", which today\'s readers refuse.'),
        (fewer_words, 'the closed enum `status` no longer has "open", which records already written hold.'),
        (close_vocabulary, "`params{}` became a closed list of values."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_breaking_edit_is_refused_with_what_to_do(edit: Callable[[Schema], None], words: str) -> None:
    [refused] = [change for change in changes(edit) if isinstance(change, Refused)]
    assert words in str(refused)
    assert refused.where == "topic message"
    assert ".v2 beside it" in refused.do


def add_optional(schema: Schema) -> None:
    schema["properties"]["colour"] = {"type": "string", "default": "grey"}


def add_optional_with_required_parts(schema: Schema) -> None:
    schema["properties"]["main_part"] = {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}], "default": None}


def no_longer_require(schema: Schema) -> None:
    schema["required"].remove("id")
    schema["properties"]["id"]["default"] = "x"


@pytest.mark.parametrize(
    ("edit", "words", "rollout"),
    [
        (add_optional, "the optional field `colour` is new.", Rollout.ANY_ORDER),
        (add_optional_with_required_parts, "the optional field `main_part` is new.", Rollout.ANY_ORDER),
        (no_longer_require, "the field `id` may now be absent.", Rollout.CONSUMERS_FIRST),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_harmless_addition_passes_with_its_order(
    edit: Callable[[Schema], None], words: str, rollout: Rollout
) -> None:
    assert only(changes(edit)) == Allowed("topic message", words, rollout)


def other_words(schema: Schema) -> None:
    schema["description"] = "Something has moved."
    schema["properties"]["note"]["description"] = "From the person who asked."
    schema["deprecated"] = True


def other_name_of_a_part(schema: Schema) -> None:
    schema["$defs"]["Piece"] = schema["$defs"].pop("Part")
    schema["properties"]["parts"]["items"]["$ref"] = "#/$defs/Piece"


def other_order(schema: Schema) -> None:
    schema["properties"] = dict(reversed(schema["properties"].items()))
    schema["required"].reverse()
    schema["$defs"]["Status"]["enum"].reverse()
    schema["properties"]["note"]["anyOf"].reverse()


@pytest.mark.parametrize("edit", [other_words, other_name_of_a_part, other_order], ids=lambda edit: edit.__name__)
def test_what_no_reader_can_notice_is_no_change(edit: Callable[[Schema], None]) -> None:
    assert changes(edit) == []


def test_a_body_that_became_a_tombstone_is_refused_once() -> None:
    found = list(message_changes("m", YESTERDAY, {"type": "null"}))
    assert "the body was object and is now null." in str(only(found))


@pytest.mark.parametrize("rule", compat.FIELD_RULES, ids=lambda rule: rule.__name__)
def test_every_rule_is_silent_about_equal_schemas(rule: compat.FieldRule) -> None:
    fields = fields_of(YESTERDAY)
    assert list(rule("m", fields, fields)) == []
