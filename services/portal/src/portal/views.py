"""Reads of the read views: what the database holds, as values, without judging it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from contracts.restart import AttemptMoved, Expected
from contracts.words import Role


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection whose every statement is its own transaction: a read costs one round trip."""
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


@dataclass(frozen=True, slots=True)
class MembershipRow:
    """A person's place in one group, with the group's plan."""

    group_id: str
    group_name: str
    role: Role
    plan: str | None
    features: frozenset[str]


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """A connector's last status."""

    evse_id: int
    connector_id: int
    state: str
    raw_status: str
    error_code: str | None
    info: str | None
    said_at: datetime


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A running transaction."""

    transaction_id: str
    evse_id: int | None
    connector_id: int | None
    started_at: datetime | None
    start_wh: float | None
    meter_wh: float | None


@dataclass(frozen=True, slots=True)
class Leader:
    """Someone who may restart the group's chargers."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class ChargerRow:
    """Everything known of one charger, except its attempts' stories."""

    charger_id: str
    group_id: str
    group_name: str
    label: str
    site: str | None
    vendor: str | None
    model: str
    abilities: frozenset[str]
    plan: str | None
    features: frozenset[str]
    online: bool | None
    protocol: str | None
    since: datetime | None
    firmware: str | None
    serial: str | None
    boot_reason: str | None
    booted_at: datetime | None
    updating_until: datetime | None
    updating_since: datetime | None
    connectors: tuple[ConnectorRow, ...]
    transactions: tuple[TransactionRow, ...]
    open_attempt_id: UUID | None
    last_attempt_id: UUID | None
    leaders: tuple[Leader, ...]
    expected: Expected | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt's moves, in order, and who asked for it."""

    moves: tuple[AttemptMoved, ...]
    group_id: str | None
    group_name: str
    requester: str | None
    names: Mapping[str, str] = field(default_factory=dict)
    """Of those who wanted to take it back, by their ids; who is no member any more has none."""


_MEMBERSHIPS = text("""
    select m.group_id, coalesce(g.name, m.group_id), m.role, p.plan, coalesce(p.features, '{}')
    from memberships m left join groups g using (group_id) left join plans p using (group_id)
    where m.user_id = :user_id order by 2
""")

_RIGHTS = text("""
    select (select coalesce(max(cursor), 0) from feed), m.group_id, coalesce(g.name, m.group_id), m.role, p.plan,
        coalesce(p.features, '{}')
    from (select true) one left join memberships m on m.user_id = :user_id
        left join groups g using (group_id) left join plans p using (group_id) order by 3
""")

_CHARGERS = """
    select c.charger_id, c.group_id, coalesce(g.name, c.group_id), c.label, c.site, coalesce(b.vendor, c.vendor),
        c.model, c.abilities, p.plan, coalesce(p.features, '{}'),
        k.online, k.protocol, k.since,
        b.firmware, b.serial, b.reason, b.said_at,
        s.updating_until, f.said_at,
        (select jsonb_agg(jsonb_build_array(n.evse_id, n.connector_id, n.state, n.raw_status, n.error_code, n.info,
                n.said_at) order by n.evse_id, n.connector_id)
            from connectors n where n.charger_id = c.charger_id)::text,
        (select jsonb_agg(jsonb_build_array(t.transaction_id, t.evse_id, t.connector_id, t.started_at, t.start_wh,
                t.meter_wh) order by t.transaction_id)
            from transactions t where t.charger_id = c.charger_id and t.ended_at is null)::text,
        (select a.attempt_id from attempts a where a.charger_id = c.charger_id and not a.ended
            order by a.requested_at desc limit 1),
        (select a.attempt_id from attempts a where a.charger_id = c.charger_id and a.ended and a.answered_by is null
            order by a.requested_at desc limit 1),
        (select jsonb_agg(jsonb_build_array(l.name, l.role)) from (select name, role from memberships
            where group_id = c.group_id and role in ('super_administrator', 'administrator')
            order by role desc, name limit 10) l)::text,
        (select d.expected from durations d where d.model = c.model and d.firmware in (coalesce(b.firmware, ''), '')
            order by d.firmware desc limit 1)::text
    from chargers c
        left join groups g using (group_id) left join plans p using (group_id)
        left join connectivity k using (charger_id) left join boots b using (charger_id)
        left join firmware_updates f using (charger_id) left join charger_states s using (charger_id)
"""
_CHARGERS_BY_ID = text(_CHARGERS + " where c.charger_id = any(cast(:charger_ids as text[]))")
_ROLE = text("""
    select m.role, c.group_id from chargers c join memberships m using (group_id)
    where c.charger_id = :charger_id and m.user_id = :user_id
""")
_MOVES = text("""
    select a.attempt_id, v.move::text, coalesce(c.group_id, a.group_id), coalesce(g.name, a.group_id, ''), m.name,
        o.user_id, o.name
    from attempts a join attempt_moves v using (attempt_id)
        left join chargers c on c.charger_id = a.charger_id
        left join groups g on g.group_id = coalesce(c.group_id, a.group_id)
        left join memberships m on m.group_id = coalesce(c.group_id, a.group_id) and m.user_id = a.requested_by
        left join memberships o on o.group_id = coalesce(c.group_id, a.group_id)
            and o.user_id = coalesce(v.move->>'cancelled_by', v.move->'withdrawal'->>'asked_by')
    where a.attempt_id = any(cast(:attempt_ids as uuid[])) order by a.attempt_id, v.version
""")
_MEMBERS = text("select user_id, name, role from memberships where group_id = :group_id order by name, user_id")
_MODELS = text("""
    select distinct model from chargers where group_id = any(cast(:group_ids as text[])) order by model limit 500
""")
_ROLES = text("""
    select group_id, user_id, role from memberships
    where group_id = any(cast(:group_ids as text[])) and user_id = any(cast(:user_ids as text[]))
""")


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member of a group."""

    user_id: str
    name: str
    role: Role


async def members(connection: AsyncConnection, group_id: str) -> list[MemberRow]:
    """The members of a group, by name."""
    rows = await connection.execute(_MEMBERS, {"group_id": group_id})
    return [MemberRow(row[0], row[1], Role(row[2])) for row in rows]


async def models(connection: AsyncConnection, group_ids: Sequence[str]) -> list[str]:
    """The models of the groups' chargers, in order."""
    return list((await connection.execute(_MODELS, {"group_ids": list(group_ids)})).scalars())


async def memberships(connection: AsyncConnection, user_id: str) -> list[MembershipRow]:
    """The groups that a person is in, by name."""
    rows = await connection.execute(_MEMBERSHIPS, {"user_id": user_id})
    return [MembershipRow(row[0], row[1], Role(row[2]), row[3], frozenset(row[4])) for row in rows]


async def rights(connection: AsyncConnection, user_id: str) -> tuple[int, list[MembershipRow]]:
    """The last cursor of the feed, and the groups that a person is in, by name: what most reads begin with."""
    rows = (await connection.execute(_RIGHTS, {"user_id": user_id})).all()
    groups = [
        MembershipRow(row[1], row[2], Role(row[3]), row[4], frozenset(row[5])) for row in rows if row[1] is not None
    ]
    return rows[0][0], groups


async def chargers(connection: AsyncConnection, charger_ids: Iterable[str]) -> dict[str, ChargerRow]:
    """The chargers with these ids, as far as they exist."""
    rows = await connection.execute(_CHARGERS_BY_ID, {"charger_ids": list(charger_ids)})
    return {row[0]: _charger(row) for row in rows}


async def role_for(connection: AsyncConnection, charger_id: str, user_id: str) -> Role | None:
    """The person's role in the charger's group; None when they are not a member or there is no such charger."""
    row = (await connection.execute(_ROLE, {"charger_id": charger_id, "user_id": user_id})).one_or_none()
    return None if row is None else Role(row[0])


async def attempts(connection: AsyncConnection, attempt_ids: Iterable[UUID]) -> dict[UUID, AttemptRow]:
    """The attempts with these ids, as far as the orchestrator has spoken of them."""
    rows = await connection.execute(_MOVES, {"attempt_ids": list(attempt_ids)})
    found: dict[UUID, tuple[list[AttemptMoved], dict[str, str], Any]] = {}
    for row in rows:
        moves, names, _ = found.setdefault(row[0], ([], {}, row))
        moves.append(AttemptMoved.model_validate_json(row[1]))
        if row[5] is not None:
            names[row[5]] = row[6]
    return {key: AttemptRow(tuple(moves), row[2], row[3], row[4], names) for key, (moves, names, row) in found.items()}


async def roles(
    connection: AsyncConnection, group_ids: Iterable[str], user_ids: Iterable[str]
) -> dict[tuple[str, str], Role]:
    """The roles of these people in these groups, by (group, person)."""
    rows = await connection.execute(_ROLES, {"group_ids": list(group_ids), "user_ids": list(user_ids)})
    return {(row[0], row[1]): Role(row[2]) for row in rows}


def _charger(row: Any) -> ChargerRow:
    connectors = tuple(
        ConnectorRow(*(*item[:6], datetime.fromisoformat(item[6]))) for item in orjson.loads(row[19] or b"[]")
    )
    transactions = tuple(
        TransactionRow(
            item[0], item[1], item[2], datetime.fromisoformat(item[3]) if item[3] else None, item[4], item[5]
        )
        for item in orjson.loads(row[20] or b"[]")
    )
    leaders = tuple(Leader(name, Role(role)) for name, role in orjson.loads(row[23] or b"[]"))
    expected = Expected.model_validate_json(row[24]) if row[24] else None
    known: tuple[Any, ...] = (*row[:7], frozenset(row[7]), row[8], frozenset(row[9]), *row[10:19])
    return ChargerRow(*known, *(connectors, transactions, *row[21:23], leaders, expected))
