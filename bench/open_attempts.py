"""The latency of a restart while a hundred, and then a hundred thousand, other attempts wait for their chargers."""

import asyncio
from uuid import UUID

import asyncpg

from bench.report import Distribution, print_latency
from bench.system import Bench, running

FEW, MANY = 100, 100_000
ABSENT = "BENCH-ABSENT"
WEEK_S = 7 * 24 * 3600
WARM_UP = 30
PAUSE_S = 0.1
_COPY = """
    with template as (
        select * from restart_orchestrator.attempts where attempt_id = $1
    ), fresh as (
        select gen_random_uuid() as attempt_id, 'WAITING-' || n as charger_id
          from generate_series($2::int, $3::int) as n
    ), opened as (
        insert into restart_orchestrator.attempts
            (attempt_id, charger_id, status, watching, version, traceparent, moved_at, state)
        select fresh.attempt_id, fresh.charger_id, status, watching, version, traceparent, moved_at,
               state || jsonb_build_object('attempt_id', fresh.attempt_id, 'charger_id', fresh.charger_id)
          from template, fresh
    ), told as (
        insert into restart_orchestrator.attempt_transitions
        select (jsonb_populate_record(null::restart_orchestrator.attempt_transitions,
                   to_jsonb(of_template) || jsonb_build_object('attempt_id', fresh.attempt_id))).*
          from restart_orchestrator.attempt_transitions as of_template, fresh where of_template.attempt_id = $1
    )
    insert into restart_orchestrator.timers (name, key, due, payload, try_at)
    select timer.name, replace(timer.key, $1::text, fresh.attempt_id::text), timer.due,
           timer.payload || jsonb_build_object('attempt_id', fresh.attempt_id, 'charger_id', fresh.charger_id),
           timer.try_at
      from restart_orchestrator.timers as timer, fresh where timer.payload ->> 'attempt_id' = $1::text
"""
"""Attempts of chargers that were never seen, alike to the one that waits for a real charger, with all of their rows."""


async def measure(*, rounds: int = 200, chargers: int = 50) -> int:
    """The same restarts with few and with many attempts waiting, in one run."""
    async with running(chargers, absent=[ABSENT]) as bench:
        attempt_id = await _wait_for_absent(bench)
        sample: dict[int, Distribution] = {}
        there = 1
        for wanted in (FEW, MANY):
            await _fill(bench, attempt_id, there, wanted - 1)
            there = wanted
            sample[wanted] = Distribution.of(await _latencies(bench, rounds))
    rows = {f"{count:,} attempts wait": found for count, found in sample.items()}
    few, many = rows
    print_latency("open-attempts", "milliseconds from HTTP request to Reset frame", rows, figure=many, floor=few)
    return 0


async def _wait_for_absent(bench: Bench) -> UUID:
    """An attempt that waits for a charger to come online."""
    attempt_id = await bench.ask(ABSENT, when="online", expires_in=WEEK_S)
    assert attempt_id is not None
    url = f"{bench.stack.portal_url}/api/v1/restarts/{attempt_id}"
    await bench.until(url, lambda shown: shown["status"] == "queued")
    return attempt_id


async def _fill(bench: Bench, template: UUID, first: int, last: int) -> None:
    connection = await asyncpg.connect(bench.database_url)
    try:
        await connection.execute(_COPY.replace("$1::text", f"'{template}'"), template, first, last, timeout=300)
        await connection.execute("vacuum analyze")
        waiting = await connection.fetchval(
            "select count(*) from restart_orchestrator.attempts where status = 'queued'"
        )
        print(f"{waiting} attempts wait")
    finally:
        await connection.close()


async def _latencies(bench: Bench, rounds: int) -> list[float]:
    ours: list[float] = []
    for number in range(WARM_UP + rounds):
        charger = bench.chargers[number % len(bench.chargers)]
        await bench.available(charger)
        await asyncio.sleep(PAUSE_S)
        took = await bench.restart(charger)
        if number >= WARM_UP:
            ours.append(took)
    return ours
