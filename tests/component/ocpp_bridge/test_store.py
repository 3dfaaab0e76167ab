"""The bridge's connections: kept by single statements, and never more of them than there may be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from chassis.database import plain_url
from chassis.testing import eventually
from ocpp_bridge.store import UNAVAILABLE, Store

SIZE = 4
ME = "select pg_backend_pid() as pid"
CONNECTIONS = "select count(*) as n from pg_stat_activity where application_name = 'the-store'"


@pytest.fixture
async def store(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[Store]:
    made = Store(plain_url(await new_database("ocpp_bridge")), application_name="the-store", size=SIZE)
    await made.start()
    yield made
    await made.stop()


async def pid(store: Store) -> int:
    row = await store.fetch_one(ME)
    assert row is not None
    return int(row["pid"])


async def test_one_statement_after_the_other_has_the_same_connection(store: Store) -> None:
    assert len({await pid(store) for _ in range(10)}) == 1


async def test_many_statements_at_once_have_no_more_connections_than_there_may_be(store: Store) -> None:
    found = await asyncio.gather(
        *(store.fetch_one("select pg_backend_pid() as pid, pg_sleep(0.05)") for _ in range(20))
    )
    assert len({row["pid"] for row in found if row is not None}) == SIZE
    (row,) = await store.fetch(CONNECTIONS)
    assert row["n"] <= SIZE


async def test_a_transaction_finds_a_connection_while_statements_keep_theirs(store: Store) -> None:
    await asyncio.gather(*(store.fetch("select pg_sleep(0.05)") for _ in range(20)))
    async with asyncio.timeout(5), store.transaction() as one, store.transaction() as other:
        assert await one.fetchval("select 1") == await other.fetchval("select 1")


async def test_a_kept_connection_that_the_server_has_closed_is_not_used_again(store: Store) -> None:
    kept = await pid(store)
    async with asyncio.timeout(5), store.transaction() as other:
        await other.execute("select pg_terminate_backend($1, 5000)", kept)
    assert await pid(store) != kept


async def test_a_statement_that_was_given_up_leaves_its_connection_usable(store: Store) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await store.fetch("select pg_sleep(60)")
    for _ in range(SIZE + 1):
        await store.execute("select 1")


async def test_a_statement_that_fails_leaves_its_connection_usable(store: Store) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await store.fetch("select 1 / 0")
    assert await store.fetch_one("select 1") is not None


async def test_a_statement_that_a_stop_cuts_short_fails_and_the_next_start_has_connections_of_its_own(
    store: Store,
) -> None:
    before = await pid(store)
    under_way = asyncio.create_task(store.fetch("select pg_sleep(60)"))

    async def has_begun() -> None:
        assert await store.fetch("select from pg_stat_activity where query = 'select pg_sleep(60)'")

    await eventually(has_begun)
    await store.stop()
    with pytest.raises(UNAVAILABLE):
        await under_way
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await store.fetch("select 1")
    await store.start()
    assert await pid(store) != before
