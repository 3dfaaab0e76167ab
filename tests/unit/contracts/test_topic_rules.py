"""What may change about a topic, its messages and their examples, and what may not."""

import copy
from typing import Any

import pytest

from contracts.compat import (
    Allowed,
    Refused,
    Rollout,
    added_messages,
    changed_examples,
    changed_rights,
    changed_terms,
    incomplete,
    opened_topics,
    removed_messages,
)

Topics = dict[str, Any]
NONE: frozenset[tuple[str, str]] = frozenset()


@pytest.fixture
def old() -> Topics:
    return {
        "fleet.chargers.v1": {
            "key": "charger",
            "kind": "compacted",
            "partitions": 12,
            "writer": "fleet",
            "readers": ["portal"],
            "confidential": True,
            "messages": ["fleet.added.v1", "fleet.removed.v1"],
        }
    }


@pytest.fixture
def new(old: Topics) -> Topics:
    return copy.deepcopy(old)


@pytest.fixture
def chargers(new: Topics) -> dict[str, Any]:
    facts: dict[str, Any] = new["fleet.chargers.v1"]
    return facts


@pytest.mark.parametrize(
    ("fact", "value", "words"),
    [
        ("key", "group", "its key was charger and is now group"),
        ("partitions", 24, "its number of partitions was 12 and is now 24"),
        ("kind", "retained", "its kind was compacted and is now retained"),
    ],
)
def test_other_terms_are_refused(old: Topics, new: Topics, fact: str, value: object, words: str) -> None:
    new["fleet.chargers.v1"][fact] = value
    [refused] = changed_terms(old, new)
    assert isinstance(refused, Refused)
    assert words in str(refused)
    assert "add a topic .v2 beside it" in refused.do


def test_a_topic_that_is_confidential_stays_so(old: Topics, new: Topics, chargers: dict[str, Any]) -> None:
    chargers["confidential"] = False
    [refused] = opened_topics(old, new)
    assert str(refused).startswith("fleet.chargers.v1: it was confidential and is not any more. Keep it")


def test_a_topic_may_become_confidential(old: Topics, new: Topics) -> None:
    old["fleet.chargers.v1"]["confidential"] = False
    assert list(opened_topics(old, new)) == []


def test_a_revision_that_does_not_speak_of_confidence_promised_none(old: Topics, new: Topics) -> None:
    del old["fleet.chargers.v1"]["confidential"]
    new["fleet.chargers.v1"]["confidential"] = False
    assert list(opened_topics(old, new)) == []


def test_equal_topics_have_no_changes(old: Topics, new: Topics) -> None:
    assert list(changed_terms(old, new)) == []
    assert list(opened_topics(old, new)) == []
    assert list(changed_rights(old, new)) == []
    assert list(added_messages(old, new)) == []
    assert list(removed_messages(old, new, NONE)) == []


def test_a_removed_topic_is_refused_once(old: Topics) -> None:
    [refused] = removed_messages(old, {}, NONE)
    assert str(refused).startswith("fleet.chargers.v1: the topic is gone. Put it back.")


def test_a_removed_message_is_refused(old: Topics, new: Topics, chargers: dict[str, Any]) -> None:
    chargers["messages"].remove("fleet.removed.v1")
    [refused] = removed_messages(old, new, NONE)
    assert str(refused).startswith("fleet.chargers.v1 fleet.removed.v1: the message is gone. Put it back.")
    assert "mark it deprecated first" in str(refused)


def test_a_message_that_was_deprecated_may_go(old: Topics, new: Topics, chargers: dict[str, Any]) -> None:
    chargers["messages"].remove("fleet.removed.v1")
    [allowed] = removed_messages(old, new, frozenset({("fleet.chargers.v1", "fleet.removed.v1")}))
    assert isinstance(allowed, Allowed)
    assert allowed.rollout is Rollout.PRODUCERS_FIRST


def test_a_topic_may_go_only_when_all_its_messages_were_deprecated(old: Topics) -> None:
    first, second = (("fleet.chargers.v1", message) for message in old["fleet.chargers.v1"]["messages"])
    assert any(isinstance(change, Refused) for change in removed_messages(old, {}, frozenset({first})))
    assert all(isinstance(change, Allowed) for change in removed_messages(old, {}, frozenset({first, second})))


def test_a_new_message_wants_consumers_first(old: Topics, new: Topics, chargers: dict[str, Any]) -> None:
    chargers["messages"].append("fleet.moved.v1")
    [allowed] = added_messages(old, new)
    assert allowed == Allowed("fleet.chargers.v1 fleet.moved.v1", "the message is new.", Rollout.CONSUMERS_FIRST)


def test_a_new_topic_wants_consumers_first(old: Topics, new: Topics, chargers: dict[str, Any]) -> None:
    new["fleet.sites.v1"] = copy.deepcopy(chargers)
    [allowed] = added_messages(old, new)
    assert isinstance(allowed, Allowed)
    assert (allowed.where, allowed.rollout) == ("fleet.sites.v1", Rollout.CONSUMERS_FIRST)


def test_a_new_reader_and_a_new_writer_are_told_to_get_their_rights(
    old: Topics, new: Topics, chargers: dict[str, Any]
) -> None:
    chargers["readers"].append("billing")
    chargers["writer"] = "portal"
    writer, reader = changed_rights(old, new)
    assert "its writer was fleet and is now portal; grant the right" in str(writer)
    assert "billing reads it now; grant the right" in str(reader)


def test_a_reader_that_leaves_needs_no_word(old: Topics, new: Topics, chargers: dict[str, Any]) -> None:
    chargers["readers"] = []
    assert list(changed_rights(old, new)) == []


ENOUGH = {("fleet.chargers.v1", "fleet.added.v1"): 2, ("fleet.chargers.v1", "fleet.removed.v1"): 2}


def test_a_complete_topic_passes(new: Topics) -> None:
    assert list(incomplete(new, ENOUGH)) == []


@pytest.mark.parametrize(
    ("fact", "value", "words"),
    [("writer", "", "nobody owns it."), ("readers", [], "nobody reads it."), ("messages", [], "it carries nothing.")],
)
def test_a_topic_without_owner_readers_or_messages_is_refused(
    new: Topics, chargers: dict[str, Any], fact: str, value: object, words: str
) -> None:
    chargers[fact] = value
    [refused] = incomplete(new, ENOUGH)
    assert words in str(refused)


def test_a_message_with_one_example_is_refused(new: Topics) -> None:
    [refused] = incomplete(new, {**ENOUGH, ("fleet.chargers.v1", "fleet.added.v1"): 1})
    assert "it has 1 of 2 examples. Add them to contracts/examples/fleet.chargers.v1/fleet.added.v1/" in str(refused)


EXAMPLE = "examples/fleet.chargers.v1/fleet.added.v1/full.json"


def test_an_edited_example_is_refused() -> None:
    [refused] = changed_examples({EXAMPLE: b"{}"}, {EXAMPLE: b"{ }"}, NONE)
    assert str(refused).startswith(f"{EXAMPLE}: the example was edited. Put it back as it was")


def test_a_removed_example_is_refused() -> None:
    [refused] = changed_examples({EXAMPLE: b"{}"}, {}, NONE)
    assert str(refused).startswith(f"{EXAMPLE}: the example is gone. Put it back")


def test_examples_go_with_their_deprecated_message() -> None:
    gone = frozenset({("fleet.chargers.v1", "fleet.added.v1")})
    assert list(changed_examples({EXAMPLE: b"{}"}, {}, gone)) == []


def test_a_new_example_passes() -> None:
    assert list(changed_examples({}, {EXAMPLE: b"{}"}, NONE)) == []
