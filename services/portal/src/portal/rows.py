"""Changes to rows as values, so that projecting stays pure, and the one function that writes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete as SqlDelete,
    Table,
    Update as SqlUpdate,
    and_,
    bindparam,
    delete,
    or_,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from chassis.database import Work, write_rows
from chassis.projection import Tables


class Guard(Enum):
    """When a row that is there already gives way to what a message says."""

    FIRST = "never: the first stands"
    VERSION = "to a greater version"
    SAID_AT = "to what was said later"
    LATER_SESSION = "to a later session"
    SAME_OR_LATER_SESSION = "to the same session's end, or a later session"
    EPOCH_AND_SAID_AT = "to a later session, or to what the same session said later"
    RUNNING = "while the transaction has no end"


_GUARDS: dict[Guard, Callable[[Any, Any], ColumnElement[bool]]] = {
    Guard.VERSION: lambda row, new: row.version < new.version,
    Guard.SAID_AT: lambda row, new: row.said_at < new.said_at,
    Guard.LATER_SESSION: lambda row, new: row.epoch < new.epoch,
    Guard.SAME_OR_LATER_SESSION: lambda row, new: row.epoch <= new.epoch,
    Guard.EPOCH_AND_SAID_AT: lambda row, new: or_(
        row.epoch < new.epoch, and_(row.epoch == new.epoch, row.said_at <= new.said_at)
    ),
    Guard.RUNNING: lambda row, _new: row.ended_at.is_(None),
}


@dataclass(frozen=True, slots=True)
class Put:
    """Insert this row, or set these values of the row that is there, if the guard lets it."""

    table: str
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    guard: Guard


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove this row."""

    table: str
    key: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndRunning:
    """End what runs on a connector: it is free, and some firmware never says that a transaction has ended."""

    key: Mapping[str, Any]
    free_at: datetime
    table: str = "transactions"


Change = Put | Delete | EndRunning


async def write(session: Work, changes: Sequence[Change], tables: Tables) -> None:
    """Writes the changes; those of one table in their order, and alike neighbours in one round trip."""
    ordered = sorted(changes, key=lambda change: change.table)
    for _, run in groupby(ordered, key=_shape):
        alike = list(run)
        first = alike[0]
        table = tables[first.table]
        if isinstance(first, Put):
            rows = [{**change.key, **getattr(change, "values", {})} for change in alike]
            await write_rows(session, _put(table, first.guard, tuple(first.key), tuple(first.values)), rows)
        else:
            statement = _delete(table, tuple(first.key)) if isinstance(first, Delete) else _end_running(table)
            await write_rows(session, statement, [_parameters(change) for change in alike])


def _shape(change: Change) -> tuple[object, ...]:
    if isinstance(change, Put):
        return change.table, change.guard, tuple(change.values)
    return change.table, type(change)


def _parameters(change: Change) -> dict[str, Any]:
    named = {f"key_{name}": value for name, value in change.key.items()}
    return named | ({"free_at": change.free_at} if isinstance(change, EndRunning) else {})


@lru_cache(maxsize=256)
def _put(table: Table, guard: Guard, key: tuple[str, ...], values: tuple[str, ...]) -> Insert:
    statement = insert(table)
    if guard is Guard.FIRST:
        return statement.on_conflict_do_nothing(index_elements=key)
    return statement.on_conflict_do_update(
        index_elements=key,
        set_={name: statement.excluded[name] for name in values},
        where=_GUARDS[guard](table.c, statement.excluded),
    )


@lru_cache(maxsize=256)
def _delete(table: Table, key: tuple[str, ...]) -> SqlDelete:
    return delete(table).where(*(table.c[name] == bindparam(f"key_{name}") for name in key))


@lru_cache
def _end_running(table: Table) -> SqlUpdate:
    row = table.c
    return (
        update(table)
        .where(
            row.charger_id == bindparam("key_charger_id"),
            row.ended_at.is_(None),
            row.said_at <= bindparam("free_at"),
            row.evse_id == bindparam("key_evse_id"),
            or_(row.connector_id.is_(None), row.connector_id == bindparam("key_connector_id")),
        )
        .values(ended_at=bindparam("free_at"))
    )
