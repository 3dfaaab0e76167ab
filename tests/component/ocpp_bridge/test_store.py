"""The bridge's connections: kept by single statements, and never more of them than there may be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chassis.database import plain_url
from chassis.testing import eventually
from ocpp_bridge.store import UNAVAILABLE, Store

SIZE = 4
ME = "select pg_backend_pid() as pid"
ME_BEHIND = "select pg_backend_pid() as pid, pg_advisory_xact_lock_shared($1)"
"""The same as soon as the gate of that number is open."""
CONNECTIONS = "select count(*) as n from pg_stat_activity where application_name = 'the-store'"


class Gate:
    """Holds statements up, so that they are under way at the same time."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def shut(self, number: int) -> AsyncIterator[None]:
        await self._connection.execute("select pg_advisory_lock($1)", number)
        try:
            yield
        finally:
            await self._connection.execute("select pg_advisory_unlock_all()")

    async def open(self, number: int) -> None:
        await self._connection.execute("select pg_advisory_unlock($1)", number)

    async def somebody_waits(self, count: int) -> None:
        async def wait() -> None:
            held_up = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            assert await self._connection.fetchval(held_up) == count

        await eventually(wait)


@pytest.fixture
async def url(new_database: Callable[..., Awaitable[str]]) -> str:
    return plain_url(await new_database("ocpp_bridge"))


@pytest.fixture
async def gate(url: str) -> AsyncIterator[Gate]:
    connection = await asyncpg.connect(url)
    yield Gate(connection)
    await connection.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    made = Store(url, application_name="the-store", size=SIZE)
    await made.start()
    yield made
    await made.stop()


async def pid(store: Store) -> int:
    row = await store.fetch_one(ME)
    assert row is not None
    return int(row["pid"])


async def test_one_statement_after_the_other_has_the_same_connection(store: Store) -> None:
    assert len({await pid(store) for _ in range(10)}) == 1


async def test_many_statements_at_once_have_no_more_connections_than_there_may_be(store: Store, gate: Gate) -> None:
    async with gate.shut(1):
        asked = [asyncio.create_task(store.fetch_one(ME_BEHIND, 1)) for _ in range(20)]
        await gate.somebody_waits(SIZE)
    found = await asyncio.gather(*asked)
    assert len({row["pid"] for row in found if row is not None}) == SIZE
    (row,) = await store.fetch(CONNECTIONS)
    assert row["n"] <= SIZE


async def test_a_transaction_finds_a_connection_while_statements_keep_theirs(store: Store, gate: Gate) -> None:
    async with gate.shut(1):
        asked = [asyncio.create_task(store.fetch_one(ME_BEHIND, 1)) for _ in range(SIZE)]
        await gate.somebody_waits(SIZE)
    await asyncio.gather(*asked)
    async with asyncio.timeout(5), store.transaction() as one, store.transaction() as other:
        assert await one.fetchval("select 1") == await other.fetchval("select 1")


async def test_no_connection_is_kept_from_a_statement_that_waits_for_one(store: Store, gate: Gate) -> None:
    async with gate.shut(1), gate.shut(2):
        first = asyncio.create_task(store.fetch_one(ME_BEHIND, 1))
        others = [asyncio.create_task(store.fetch_one(ME_BEHIND, 2)) for _ in range(SIZE - 1)]
        await gate.somebody_waits(SIZE)
        waiting = asyncio.create_task(store.fetch_one(ME))
        await gate.open(1)
        async with asyncio.timeout(5):
            await asyncio.gather(first, waiting)
    await asyncio.gather(*others)


async def test_a_kept_connection_that_the_server_has_closed_is_not_used_again(store: Store) -> None:
    kept = await pid(store)
    async with asyncio.timeout(5), store.transaction() as other:
        await other.execute("select pg_terminate_backend($1, 5000)", kept)
    assert await pid(store) != kept


async def test_a_statement_that_was_given_up_leaves_its_connection_usable(store: Store, gate: Gate) -> None:
    async with gate.shut(1):
        given_up = asyncio.create_task(store.fetch_one(ME_BEHIND, 1))
        await gate.somebody_waits(1)
        given_up.cancel()
        await asyncio.wait([given_up])
        for _ in range(SIZE + 1):
            await store.execute("select 1")


async def test_a_statement_that_fails_leaves_its_connection_usable(store: Store) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await store.fetch("select 1 / 0")
    assert await store.fetch_one("select 1") is not None


async def test_a_statement_that_a_stop_cuts_short_fails_and_the_next_start_has_connections_of_its_own(
    store: Store, gate: Gate
) -> None:
    before = await pid(store)
    async with gate.shut(1):
        under_way = asyncio.create_task(store.fetch(ME_BEHIND, 1))
        await gate.somebody_waits(1)
        await store.stop()
        with pytest.raises(UNAVAILABLE):
            await under_way
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await store.fetch("select 1")
    await store.start()
    assert await pid(store) != before
