"""What may change in a contract and what may not: small pure rules over two versions of it.

A reader of yesterday must understand what a writer of tomorrow says, and a reader of tomorrow what a writer of
yesterday said: topics keep records for more than a year.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.fields import ABSENT, Field, Fields, fields_of

JsonObject = Mapping[str, Any]

NEXT_MAJOR = "Leave v1 as it is, add the new shape as .v2 beside it and publish both until the last reader has left v1."
EXAMPLES_NEEDED = 2


class Rollout(StrEnum):
    """Who is released first."""

    ANY_ORDER = "in any order"
    CONSUMERS_FIRST = "consumers first, then producers"
    PRODUCERS_FIRST = "producers first, then consumers"


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that would break a reader or a writer: where, what, and what to do instead."""

    where: str
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.do}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A change that is safe when released in this order."""

    where: str
    what: str
    rollout: Rollout

    def __str__(self) -> str:
        return f"{self.where}: {self.what} Release {self.rollout}."


Change = Refused | Allowed


# --- the fields of one message ----------------------------------------------------------------------------------------


def removed_fields(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A field is gone, or has another name."""
    for path in old.keys() - new.keys():
        gone = old[path]
        if gone.parent not in new or _became_other(old, new, gone.parent):
            continue
        twin = next((p for p in sorted(new.keys() - old.keys()) if _alike(gone, new[p])), None)
        guess = f" (renamed to `{twin}`?)" if twin else ""
        yield Refused(
            where, f"the field `{path}` is gone{guess}; readers still look for it.", f"Put it back. {NEXT_MAJOR}"
        )


def required_fields(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A field must be there that older records do not have."""
    for path, field in new.items():
        if not field.required or field.parent not in old or _became_other(old, new, field.parent):
            continue
        if path not in old:
            what = f"the new field `{path}` is required, but records already written do not have it."
        elif not old[path].required:
            what = f"the field `{path}` became required, but records already written may lack it."
        else:
            continue
        yield Refused(where, what, f"Give it a default that is true of those records. Or: {NEXT_MAJOR}")


def changed_types(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A field holds another kind of value."""
    for path, before, after in _in_both(old, new):
        if before.type != after.type:
            yield Refused(
                where,
                f"{_called(path)} was {before.type} and is now {after.type}.",
                f"Keep it, and add a field of another name beside it. Or: {NEXT_MAJOR}",
            )


def changed_defaults(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A field that is left out means something else."""
    for path, before, after in _in_both(old, new):
        if before.default != after.default and not before.required and not after.required:
            yield Refused(
                where,
                f"the default of `{path}` was {before.default} and is now {after.default};"
                " records that leave it out would change their meaning.",
                f"Keep the default, and let writers say the new value. Or: {NEXT_MAJOR}",
            )


def changed_limits(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A field's format, pattern, length or another rule on its value is not what it was."""
    for path, before, after in _in_both(old, new):
        if before.type != after.type:
            continue
        for rule in sorted(before.limits.keys() | after.limits.keys()):
            was, now = before.limits.get(rule, ABSENT), after.limits.get(rule, ABSENT)
            if was != now:
                yield Refused(
                    where,
                    f"the {rule} of {_called(path)} was {was} and is now {now}.",
                    f"Keep it, and add a field of another name beside it. Or: {NEXT_MAJOR}",
                )


def changed_enums(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A closed vocabulary has more or fewer words: some reader would refuse the whole record."""
    for path, before, after in _in_both(old, new):
        if before.values == after.values or before.type != after.type:
            continue
        if before.values is None or after.values is None:
            state = "closed" if before.values is None else "open"
            what = f"{_called(path)} became a {state} list of values."
        else:
            added, gone = sorted(after.values - before.values), sorted(before.values - after.values)
            parts = [f"has the new value {', '.join(added)}, which today's readers refuse"] if added else []
            parts += [f"no longer has {', '.join(gone)}, which records already written hold"] if gone else []
            what = f"the closed enum {_called(path)} {' and '.join(parts)}."
        yield Refused(where, what, f"Say it in a new optional field beside it. Or: {NEXT_MAJOR}")


def added_fields(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A new field that may be absent: older readers ignore it, newer readers do without."""
    for path in sorted(new.keys() - old.keys()):
        field = new[path]
        if not field.required and field.parent in old and not _became_other(old, new, field.parent):
            yield Allowed(where, f"the optional field `{path}` is new.", Rollout.ANY_ORDER)


def no_longer_required(where: str, old: Fields, new: Fields) -> Iterator[Change]:
    """A field that may be absent from now on: readers must be able to do without it before a writer leaves it out."""
    for path, before, after in _in_both(old, new):
        if before.required and not after.required:
            yield Allowed(where, f"the field `{path}` may now be absent.", Rollout.CONSUMERS_FIRST)


FieldRule = Callable[[str, Fields, Fields], Iterator[Change]]
FIELD_RULES: tuple[FieldRule, ...] = (
    removed_fields,
    required_fields,
    changed_types,
    changed_defaults,
    changed_limits,
    changed_enums,
    added_fields,
    no_longer_required,
)


def message_changes(where: str, old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """Every change between two schemas of one message."""
    before, after = fields_of(old), fields_of(new)
    for rule in FIELD_RULES:
        yield from rule(where, before, after)


# --- topics: two versions of topics.json ------------------------------------------------------------------------------


def removed_messages(old: JsonObject, new: JsonObject, deprecated: frozenset[tuple[str, str]]) -> Iterator[Change]:
    """A message or a whole topic is gone. It may go once the main branch says that it is deprecated."""
    for topic, facts in old.items():
        kept = new[topic]["messages"] if topic in new else ()
        gone = [message for message in facts["messages"] if message not in kept]
        refused = [message for message in gone if (topic, message) not in deprecated]
        if topic not in new and refused:
            yield Refused(topic, "the topic is gone.", f"Put it back. {_HOW_TO_RETIRE}")
            continue
        for message in refused:
            yield Refused(f"{topic} {message}", "the message is gone.", f"Put it back. {_HOW_TO_RETIRE}")
        for message in gone:
            if message not in refused:
                yield Allowed(f"{topic} {message}", "the deprecated message is gone.", Rollout.PRODUCERS_FIRST)


_HOW_TO_RETIRE = (
    "To retire a message, mark it deprecated first, release that, stop publishing it, and remove it when its topic's"
    " retention has passed."
)


def changed_terms(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """A topic's key, partition count or kind is not what it was: each decides the order and the life of its records."""
    for topic in old.keys() & new.keys():
        for fact, name in (("key", "key"), ("partitions", "number of partitions"), ("kind", "kind")):
            was, now = old[topic][fact], new[topic][fact]
            if was != now:
                yield Refused(
                    topic,
                    f"its {name} was {was} and is now {now}, which changes the order or the life of its records.",
                    "Put it back, or add a topic .v2 beside it and write to both until the last reader has moved.",
                )


def opened_topics(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """A topic that was confidential is not any more: what was written under that promise would be open to operators."""
    for topic in old.keys() & new.keys():
        if old[topic].get("confidential", False) and not new[topic]["confidential"]:
            yield Refused(
                topic,
                "it was confidential and is not any more.",
                "Keep it, and say what operators may know on a topic of its own.",
            )


def added_messages(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """A new topic or message: older readers skip what they do not know, for good."""
    for topic, facts in new.items():
        if topic not in old:
            yield Allowed(topic, "the topic is new; create it before any release.", Rollout.CONSUMERS_FIRST)
            continue
        for message in facts["messages"]:
            if message not in old[topic]["messages"]:
                yield Allowed(f"{topic} {message}", "the message is new.", Rollout.CONSUMERS_FIRST)


def changed_rights(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """Another service writes or reads the topic: its rights in Kafka come before its release."""
    for topic in old.keys() & new.keys():
        was, now = old[topic], new[topic]
        if was["writer"] != now["writer"]:
            what = f"its writer was {was['writer']} and is now {now['writer']}; grant the right before any release."
            yield Allowed(topic, what, Rollout.PRODUCERS_FIRST)
        for reader in now["readers"]:
            if reader not in was["readers"]:
                yield Allowed(topic, f"{reader} reads it now; grant the right first.", Rollout.ANY_ORDER)


def incomplete(topics: JsonObject, examples: Mapping[tuple[str, str], int]) -> Iterator[Change]:
    """A topic or message without an owner, a reader or enough examples."""
    for topic, facts in topics.items():
        if not facts["writer"]:
            yield Refused(topic, "nobody owns it.", "Name its writer in contracts/topics.py.")
        if not facts["readers"]:
            yield Refused(topic, "nobody reads it.", "Name its readers in contracts/topics.py, or leave the topic out.")
        if not facts["messages"]:
            yield Refused(topic, "it carries nothing.", "Name its messages in contracts/topics.py.")
        for message in facts["messages"]:
            have = examples.get((topic, message), 0)
            if have < EXAMPLES_NEEDED:
                yield Refused(
                    f"{topic} {message}",
                    f"it has {have} of {EXAMPLES_NEEDED} examples.",
                    f"Add them to contracts/examples/{topic}/{message}/: one with only what is required, one with all.",
                )


# --- examples: content by path ----------------------------------------------------------------------------------------


def changed_examples(
    old: Mapping[str, bytes], new: Mapping[str, bytes], gone_messages: frozenset[tuple[str, str]]
) -> Iterator[Change]:
    """A committed example is not what it was. It stands for records that are in Kafka already."""
    for path, content in old.items():
        _, topic, message, _ = path.split("/", 3)
        if path not in new and (topic, message) not in gone_messages:
            yield Refused(path, "the example is gone.", "Put it back: records like it are in Kafka already.")
        elif path in new and new[path] != content:
            yield Refused(path, "the example was edited.", "Put it back as it was, and add another file beside it.")


# ----------------------------------------------------------------------------------------------------------------------


def _in_both(old: Fields, new: Fields) -> Iterator[tuple[str, Field, Field]]:
    for path in sorted(old.keys() & new.keys()):
        yield path, old[path], new[path]


def _became_other(old: Fields, new: Fields, path: str) -> bool:
    """The field itself changed its type: what is inside it needs no word of its own."""
    return path in old and path in new and old[path].type != new[path].type


def _alike(one: Field, other: Field) -> bool:
    return (one.type, one.values, one.limits) == (other.type, other.values, other.limits)


def _called(path: str) -> str:
    return f"`{path}`" if path else "the body"
