"""What the orchestrator reads and writes while it decides; a batch of messages needs each of these once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import Database, Work, fetch
from chassis.statements import Part, Write
from contracts.availability import Situation
from contracts.envelope import Envelope
from contracts.ocpp import ConnectorState
from contracts.restart import Expected
from contracts.words import Role
from restart_orchestrator import codec
from restart_orchestrator.inputs import Standing
from restart_orchestrator.states import Attempt, Transition

_LOCK = """
    select pg_advisory_xact_lock(lock) from (
        select distinct hashtextextended(name, 0) as lock from unnest($1::text[]) as name order by 1
    ) as locks
"""
"""In one order, as a batch takes them: no two transactions wait for each other."""
_ATTEMPTS = (
    "select state, watching, traceparent from attempts "
    "where (charger_id = any($1::text[]) and watching) or attempt_id = any($2::uuid[])"
)
_STANDING = """
    select asked.charger_id, asked.user_id, c.group_id, c.model, c.abilities, m.role, p.plan, p.features,
           k.epoch, k.online, k.since, k.protocol, b.epoch as boot_epoch, b.said_at as booted_at, b.firmware,
           coalesce(f.updating, false) as updating, f.said_at as firmware_news_at,
           coalesce(of_firmware.expected, of_model.expected) as expected,
           (select jsonb_agg(jsonb_build_array(t.transaction_id, t.evse_id, t.connector_id)
                             order by t.evse_id, t.connector_id, t.transaction_id)
              from transactions t where t.charger_id = asked.charger_id and not t.ended) as running,
           n.states as connectors, n.faults{more}
      from unnest($1::text[], $2::text[]) as asked (charger_id, user_id)
      left join chargers c on c.charger_id = asked.charger_id
      left join memberships m on m.group_id = c.group_id and m.user_id = asked.user_id
      left join plans p on p.group_id = c.group_id
      left join connectivity k on k.charger_id = asked.charger_id
      left join boots b on b.charger_id = asked.charger_id
      left join firmware_updates f on f.charger_id = asked.charger_id
      left join durations of_model on of_model.model = c.model and of_model.firmware = ''
      left join durations of_firmware on of_firmware.model = c.model and of_firmware.firmware = b.firmware
      left join lateral (
           select jsonb_object_agg(connector, state) as states,
                  jsonb_object_agg(connector, error_code) filter (where error_code is not null) as faults
             from connectors where charger_id = asked.charger_id) n on true
"""
_STANDINGS = _STANDING.format(more="")
_REQUESTED = _STANDING.format(
    more=""",
           (select jsonb_agg(jsonb_build_object('state', a.state, 'watching', a.watching, 'traceparent', a.traceparent))
              from attempts a
             where (a.charger_id = asked.charger_id and a.watching) or a.attempt_id = any($3::uuid[])) as attempts"""
)
"""A standing, and the attempts that a request has to do with: one round trip on the way to the charger."""
_BUSY = "select charger_id, evse_id from transactions where charger_id = any($1::text[]) and not ended"
_RECORDED = """
    insert into attempt_transitions (attempt_id, version, status, cause, at, transition)
    select * from unnest($1::uuid[], $2::int[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[]::jsonb[])
"""
_KEPT = """
    insert into attempts (attempt_id, charger_id, status, watching, version, traceparent, moved_at, state)
    select * from unnest($7::uuid[], $8::text[], $9::text[], $10::boolean[], $11::int[], $12::text[],
                         $13::timestamptz[], $14::text[]::jsonb[])
        on conflict (attempt_id) do update
       set status = excluded.status, watching = excluded.watching, version = excluded.version,
           moved_at = excluded.moved_at, state = excluded.state
"""
_RECORD = Part((("recorded", _RECORDED), ("kept", _KEPT)))


_PLAN_ONCE = "set plan_cache_mode to force_generic_plan; set enable_seqscan to off"


def plan_once(database: Database) -> None:
    """Has PostgreSQL plan each of our statements once per connection, and so that the plan lasts.

    Otherwise it plans the one that gathers a standing anew each time, which takes longer than to execute it. A plan
    that was made while there were few chargers would read whole tables, and still do so when there are many: until
    they are analyzed each request would take time for every charger that there is. Ours look up keys.
    """

    @event.listens_for(database.engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.run_async(lambda driver: driver.execute(_PLAN_ONCE))


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt as it is stored; `traceparent` is that of its request."""

    attempt: Attempt
    watching: bool
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A transition of an attempt, as it goes into the history: `after` is the attempt once it has happened."""

    transition: Transition
    after: Attempt
    cause: UUID


def locks(batch: Iterable[Envelope[Any]]) -> list[str]:
    """The locks of the chargers that messages are about.

    Whoever else decides about one of these chargers waits until the transaction has ended. A lock of its own, taken
    before anything is read: a charger may have no row yet, and what another consumer commits meanwhile must be seen.
    """
    return [_lock_of(said.data.charger_id) for said in batch]


async def lock_all(session: Work, chargers: Iterable[str]) -> None:
    """The same for these chargers, outside of a batch."""
    await fetch(session, _LOCK, [_lock_of(charger_id) for charger_id in chargers])


def _lock_of(charger_id: str) -> str:
    return f"charger:{charger_id}"


async def load_attempts(session: Work, chargers: Sequence[str], ids: Sequence[UUID] = ()) -> list[Held]:
    """The attempts that watch these chargers, and those of these ids."""
    rows = await fetch(session, _ATTEMPTS, list(chargers), list(ids))
    return [Held(codec.from_json(row["state"]), row["watching"], row["traceparent"]) for row in rows]


async def load_standings(session: Work, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
    """What is known of each charger, and of the person who asks about it; by charger and person."""
    pairs = sorted(set(asked))
    if not pairs:
        return {}
    rows = await fetch(session, _STANDINGS, [charger for charger, _ in pairs], [user for _, user in pairs])
    return {(row["charger_id"], row["user_id"]): _standing(row) for row in rows}


async def load_requested(
    session: Work, asked: Iterable[tuple[str, str]], ids: Sequence[UUID]
) -> tuple[list[Held], dict[tuple[str, str], Standing]]:
    """`load_attempts` and `load_standings` at once, for people's requests."""
    pairs = sorted(set(asked))
    found = await fetch(session, _REQUESTED, [charger for charger, _ in pairs], [user for _, user in pairs], list(ids))
    held: dict[UUID, Held] = {}
    standings: dict[tuple[str, str], Standing] = {}
    for row in found:
        standings[row["charger_id"], row["user_id"]] = _standing(row)
        for one in row["attempts"] or ():
            attempt = codec.from_json(one["state"])
            held[attempt.attempt_id] = Held(attempt, one["watching"], one["traceparent"])
    return list(held.values()), standings


async def load_busy(session: Work, chargers: Sequence[str]) -> Mapping[str, set[int | None]]:
    """The EVSEs on which a transaction runs, by charger; None where it is not known on which."""
    busy: dict[str, set[int | None]] = {}
    for row in await fetch(session, _BUSY, list(chargers)):
        busy.setdefault(row["charger_id"], set()).add(row["evse_id"])
    return busy


def _standing(row: Any) -> Standing:
    online = bool(row["online"])
    since: datetime | None = row["since"]
    quiet_since = since if online else None
    if row["booted_at"] is not None and row["boot_epoch"] == row["epoch"] and online:
        quiet_since = max(since or row["booted_at"], row["booted_at"])
    running: list[tuple[str, int | None, int | None]] = row["running"] or []
    situation = Situation(
        role=Role(row["role"]) if row["role"] is not None else None,
        plan=row["plan"],
        features=frozenset(row["features"] or ()),
        model=row["model"] or "",
        abilities=frozenset(row["abilities"] or ()),
        online=online,
        offline_since=since.isoformat() if since is not None and not online else "",
        transactions=tuple(_connector(*one) for one in running),
        updating_firmware=row["updating"],
    )
    return Standing(
        situation=situation,
        group_id=row["group_id"],
        model=row["model"],
        epoch=row["epoch"] or 0,
        protocol=row["protocol"],
        quiet_since=quiet_since,
        connectors={name: ConnectorState(state) for name, state in (row["connectors"] or {}).items()},
        faults=row["faults"] or {},
        running={name: f"{evse}/{connector or 1}" if evse is not None else "" for name, evse, connector in running},
        boots_on_return=row["booted_at"] is not None,
        firmware=row["firmware"],
        firmware_news_at=row["firmware_news_at"],
        expected=Expected.model_validate(row["expected"]) if row["expected"] is not None else None,
    )


def _connector(transaction: str, evse: int | None, connector: int | None) -> str:
    """The connector of a transaction in words for people, `2` or `2.1`; where it is not known, the transaction."""
    if evse is None:
        return transaction
    return f"{evse}.{connector}" if connector is not None and connector > 1 else str(evse)


def record(held: Sequence[Held], history: Sequence[Recorded]) -> list[Write]:
    """What writes attempts and what happened to them; nothing for no attempt."""
    if not held:
        return []
    # An attempt that no longer watches its charger makes room for the one that does.
    ordered = sorted(held, key=lambda one: one.watching)
    values = (
        [one.after.attempt_id for one in history],
        [one.after.version for one in history],
        [one.after.status.value for one in history],
        [one.cause for one in history],
        [one.transition.at for one in history],
        [codec.transition_to_json(one.transition) for one in history],
        [one.attempt.attempt_id for one in ordered],
        [one.attempt.charger_id for one in ordered],
        [one.attempt.status.value for one in ordered],
        [one.watching for one in ordered],
        [one.attempt.version for one in ordered],
        [one.traceparent for one in ordered],
        [one.attempt.moved_at for one in ordered],
        [codec.to_json(one.attempt) for one in ordered],
    )
    return [Write(_RECORD, values)]


async def load_history(session: AsyncSession, attempt_id: UUID) -> list[Transition]:
    """All transitions of an attempt, in order."""
    rows = await session.execute(
        text("select transition from attempt_transitions where attempt_id = :id order by version"), {"id": attempt_id}
    )
    return [codec.transition_from_json(row.transition) for row in rows]
