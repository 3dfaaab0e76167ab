"""Who was not let in: under a charger's name, for the administrators of its group, and strangers, for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Delete, Table, Text, bindparam, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Work, write_rows
from chassis.projection import Tables
from contracts.envelope import Envelope, Message
from contracts.ocpp import ConnectionRefused, StrangerRefused

KEPT = 50
"""Of one charger so many kinds of refusals are kept, those that happened last."""
STRANGERS_KEPT = 500
ADDRESS_LENGTH = 64
"""Behind a trusted proxy an address is what that says; those of IP are shorter."""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """Refusals of one kind, which were counted. `cause` is empty where there is none to name."""

    why: str
    cause: str
    named_by: str
    address: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class StrangerRow:
    """Refusals of one kind from one address."""

    why: str
    cause: str
    address: str
    claimed_name: str | None
    count: int
    first_at: datetime
    last_at: datetime


async def count_refusals(session: Work, messages: Sequence[Envelope[Message]], to: Tables) -> None:
    """ocpp.observations.v1: each kind of refusal is one row, which counts; a flood has no more of them than others."""
    table = to["refusals"]
    for message in messages:
        if isinstance(message.data, ConnectionRefused):
            said = message.data
            key = {"charger_id": said.charger_id, "named_by": said.named_by, **_kind(said)}
            await _count(session, table, key, {}, message)
            await _forget(session, table, KEPT, {"charger_id": said.charger_id})


async def count_strangers(session: Work, messages: Sequence[Envelope[Message]], to: Tables) -> None:
    """ocpp.strangers.v1: the same for those who named no charger."""
    table = to["strangers"]
    for message in messages:
        if isinstance(message.data, StrangerRefused):
            said = message.data
            await _count(session, table, _kind(said), {"claimed_name": said.claimed_name}, message)
            await _forget(session, table, STRANGERS_KEPT, {})


_REFUSALS = text("""
    select why, cause, named_by, address, count, first_at, last_at from refusals where charger_id = :charger_id
    order by last_at desc, why, address
""")
_STRANGERS = text("""
    select why, cause, address, claimed_name, count, first_at, last_at from strangers order by last_at desc, address
""")


async def refusals(connection: AsyncConnection, charger_id: str) -> list[RefusalRow]:
    """Who was not let in under a charger's name, the last first."""
    rows = await connection.execute(_REFUSALS, {"charger_id": charger_id})
    return [RefusalRow(*row) for row in rows]


async def strangers(connection: AsyncConnection) -> list[StrangerRow]:
    """Who was turned away without having named a charger, the last first."""
    return [StrangerRow(*row) for row in await connection.execute(_STRANGERS)]


def _kind(said: ConnectionRefused | StrangerRefused) -> dict[str, str]:
    return {"why": said.why, "cause": said.cause or "", "address": said.address[:ADDRESS_LENGTH]}


async def _count(
    session: Work, table: Table, key: dict[str, str], values: dict[str, Any], message: Envelope[Any]
) -> None:
    said = message.data
    counted = {"count": said.count, "first_at": said.last_at, "last_at": said.last_at, "said_at": message.time}
    await write_rows(session, _adding(table, tuple(key), tuple(values)), [{**key, **values, **counted}])


@lru_cache
def _adding(table: Table, key: tuple[str, ...], values: tuple[str, ...]) -> Insert:
    statement = insert(table)
    row, new = table.c, statement.excluded
    # Bridges tell each kind in the order of its time: what was told before is not counted twice.
    return statement.on_conflict_do_update(
        index_elements=key,
        set_={
            "count": row.count + new.count,
            "first_at": func.least(row.first_at, new.first_at),
            "last_at": func.greatest(row.last_at, new.last_at),
            "said_at": new.said_at,
            **{name: new[name] for name in values},
        },
        where=row.said_at < new.said_at,
    )


async def _forget(session: Work, table: Table, kept: int, of: dict[str, str]) -> None:
    """Keeps the rows that happened last. After each message, so that a rebuild comes to the same rows."""
    parameters = {f"of_{name}": value for name, value in of.items()}
    await write_rows(session, _forgetting(table, kept, tuple(of)), [parameters])


@lru_cache
def _forgetting(table: Table, kept: int, of: tuple[str, ...]) -> Delete:
    key = tuple(table.primary_key.columns)
    alike = [table.c[name] == bindparam(f"of_{name}", type_=Text) for name in of]
    old = select(*key).where(*alike).order_by(table.c.last_at.desc(), *key).offset(kept)
    return delete(table).where(tuple_(*key).in_(old))
