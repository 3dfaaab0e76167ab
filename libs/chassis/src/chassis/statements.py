"""PURE: one statement out of several that write, so that what belongs together is one round trip."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a statement that writes, to be joined with others.

    Attributes:
        tables: its common table expressions, each with its name; parameters are numbered from $1.
        columns: what it tells in the statement's one row.
    """

    tables: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """A part with the values of its parameters."""

    part: Part
    arguments: tuple[Any, ...]


def joined(writes: Sequence[Write]) -> tuple[str, *tuple[Any, ...]]:
    """One statement of all parts, and its parameters."""
    statement = _joined(tuple((each.part, len(each.arguments)) for each in writes))
    return statement, *(argument for each in writes for argument in each.arguments)


@lru_cache(maxsize=64)
def _joined(parts: tuple[tuple[Part, int], ...]) -> str:
    tables, columns, before = [], [], 0
    for part, parameters in parts:
        tables += [f"{name} as ({_renumbered(body, before)})" for name, body in part.tables]
        columns += [_renumbered(column, before) for column in part.columns]
        before += parameters
    return f"with {', '.join(tables)} select {', '.join(columns) or 'true'}"


def _renumbered(statement: str, by: int) -> str:
    return re.sub(r"\$(\d+)", lambda number: f"${int(number[1]) + by}", statement)
