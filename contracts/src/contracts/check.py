"""Compares the contracts with what is committed and with an earlier revision."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts import compat, examples, generated, revision
from contracts.compat import Allowed, Change, Refused
from contracts.topics import Topic

_JSON = ".json"


@dataclass(frozen=True, slots=True)
class Committed:
    """The contract files of one revision, or of the working tree, by kind."""

    topics: Mapping[str, Any] = field(default_factory=dict)
    schemas: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    examples: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> "Committed":
        """Sorts files, by their path below the contracts folder, into kinds. Raises ValueError for broken JSON."""
        return cls(
            topics=_parsed(generated.TOPICS, files.get(generated.TOPICS, b"{}")),
            schemas={
                named: _parsed(path, content)
                for path, content in files.items()
                if (named := _named(path, generated.SCHEMAS)) is not None
            },
            examples={path: content for path, content in files.items() if _named(path, examples.EXAMPLES)},
        )

    def deprecated(self) -> frozenset[tuple[str, str]]:
        """The messages that this revision announces the end of."""
        return frozenset(named for named, schema in self.schemas.items() if schema.get("deprecated") is True)

    def example_counts(self) -> dict[tuple[str, str], int]:
        """How many examples each message has."""
        counts: dict[tuple[str, str], int] = {}
        for path in self.examples:
            named = _named(path, examples.EXAMPLES)
            if named is not None:
                counts[named] = counts.get(named, 0) + 1
        return counts


@dataclass(frozen=True, slots=True)
class Report:
    """What the check found, beside which revision; without one, `compared` says why."""

    compared: str
    changes: tuple[Change, ...]
    revision: str | None = None

    @property
    def refused(self) -> list[Refused]:
        return [change for change in self.changes if isinstance(change, Refused)]

    @property
    def allowed(self) -> list[Allowed]:
        return [change for change in self.changes if isinstance(change, Allowed)]


def check(root: Path, topics: Iterable[Topic], against: str | None = None) -> Report:
    """Everything that stands against publishing these contracts.

    `root` is the contracts folder, `against` the revision that readers and writers in production may still run.
    Raises revision.GitError when that revision was named and can't be read.
    """
    topics = tuple(topics)
    text = generated.generate(topics)
    changes: list[Change] = [
        Refused(f"contracts/{path}", f"it {what}.", "Run `python -m contracts generate` and commit what it writes.")
        for path, what in generated.differences(root, text)
    ]
    today = Committed.of({**_tree(root), **{path: content.encode() for path, content in text.items()}})
    changes += compat.incomplete(today.topics, today.example_counts())
    changes += _unreadable(topics, today)
    try:
        name = revision.usual(root) if against is None else against
        earlier = Committed.of(revision.files_at(root, name))
    except revision.NothingToCompareError as nothing:
        return Report(f"Nothing to compare with: {nothing}.", tuple(changes))
    if not earlier.topics:
        return Report(f"Nothing to compare with: {name} has no contracts yet.", tuple(changes))
    changes += compare(earlier, today)
    return Report(f"Compared with {name}.", tuple(changes), name)


def compare(old: Committed, new: Committed) -> Iterator[Change]:
    """Every change between two revisions."""
    deprecated = old.deprecated()
    yield from compat.removed_messages(old.topics, new.topics, deprecated)
    yield from compat.changed_terms(old.topics, new.topics)
    yield from compat.opened_topics(old.topics, new.topics)
    yield from compat.changed_rights(old.topics, new.topics)
    yield from compat.added_messages(old.topics, new.topics)
    for (topic, message), schema in old.schemas.items():
        if (topic, message) in new.schemas:
            yield from compat.message_changes(f"{topic} {message}", schema, new.schemas[topic, message])
    retired = frozenset(named for named in deprecated if named not in new.schemas)
    yield from compat.changed_examples(old.examples, new.examples, retired)


def _unreadable(topics: Iterable[Topic], today: Committed) -> Iterator[Change]:
    by_name = {topic.name: topic for topic in topics}
    for path, content in today.examples.items():
        named = _named(path, examples.EXAMPLES)
        if named is None or named not in today.schemas:
            yield Refused(f"contracts/{path}", "it belongs to no message.", "Its folder must be <topic>/<message>.")
            continue
        for problem in examples.problems(by_name[named[0]], named[1], content, today.schemas[named]):
            yield Refused(f"contracts/{path}", f"it {problem}.", f"{_OF_OLD} Otherwise correct the new example.")


_OF_OLD = "If it was committed before, the change to the model is what breaks it: take that back."


def _tree(root: Path) -> dict[str, bytes]:
    found = (root / examples.EXAMPLES).rglob("*" + _JSON)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(found)}


def _named(path: str, folder: str) -> tuple[str, str] | None:
    """The topic and message that a file of this folder is about; None for a file of another folder."""
    first, *parts = path.removesuffix(_JSON).split("/")
    if first != folder or not path.endswith(_JSON) or len(parts) < 2:  # noqa: PLR2004 - topic and message
        return None
    return parts[0], parts[1]


def _parsed(path: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise ValueError(f"contracts/{path} is not JSON: {error}") from error
