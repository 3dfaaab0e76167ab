"""Attempts that wait cost rows and nothing else: no statement on the way of a restart looks at all of them."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from chassis import timers
from chassis.database import fetch
from restart_orchestrator import store

MANY = 20_000
_ATTEMPTS = text("""
    insert into attempts (attempt_id, charger_id, status, watching, version, moved_at, state)
    select gen_random_uuid(), 'WAITING-' || n, 'queued', true, 2, clock_timestamp(), '{}'
      from generate_series(1, :many) as n
""")
_TIMERS = text("""
    insert into timers (name, key, due, payload, try_at)
    select 'default', 'wait-' || n, moment, '{}', moment
      from (select n, cast(:now as timestamptz) + n * interval '1 minute' as moment from generate_series(1, :many) as n) as soon
""")


@pytest.fixture
async def crowded(orchestrator):
    async with orchestrator.database.begin() as session:
        await session.execute(_ATTEMPTS, {"many": MANY})
        await session.execute(_TIMERS, {"many": MANY, "now": orchestrator.clock.now()})
        await session.execute(text("analyze attempts"))
        await session.execute(text("analyze timers"))
    return orchestrator


async def plan(database, statement, *arguments):
    """How PostgreSQL executes the statement, in its own words."""
    async with database.begin() as session:
        return "\n".join(row[0] for row in await fetch(session, f"explain {statement}", *arguments))


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        (store._ATTEMPTS, (["WAITING-7"], [uuid4()])),
        (store._REQUESTED, (["WAITING-7"], ["ada"], [uuid4()])),
        (timers.forgetting(1, 2), ("default", ["wait-7"])),
    ],
    ids=["the attempts that watch a charger", "what a request needs", "forgetting a timer"],
)
async def test_what_is_looked_up_is_found_by_its_index(crowded, statement, arguments):
    found = await plan(crowded.database, statement, *arguments)
    assert "Seq Scan on attempts" not in found
    assert "Seq Scan on timers" not in found


async def test_the_next_timer_is_found_by_its_index(crowded):
    now = crowded.clock.now()
    for statement in (timers._NEXT, timers._TAKE):
        written = str(statement).replace(":now", "$1").replace(":names", "array['default']")
        found = await plan(crowded.database, written, now)
        assert "Seq Scan on timers" not in found


async def test_a_restart_is_dispatched_among_many_that_wait(crowded):
    attempt = await crowded.ask()
    (reset,) = await crowded.resets()
    assert reset.attempt_id == attempt


async def test_a_move_does_not_rewrite_the_indexes_of_the_attempts(crowded):
    """It would if an index had the status: then each of them would cost as much as a new row."""
    attempt = await crowded.ask()
    moved = text("update attempts set status = 'restarting', version = version + 1 where attempt_id = :id")
    in_place = text("select pg_stat_get_xact_tuples_hot_updated('attempts'::regclass)")
    async with crowded.database.begin() as session:
        await session.execute(moved, {"id": attempt})
        assert (await session.execute(in_place)).scalar_one() == 1
