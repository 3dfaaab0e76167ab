"""Transactions on the driver's own connection, on a real PostgreSQL: what they promise is what sessions promise."""

import asyncio
import contextlib

import pytest
from sqlalchemy import exc

from chassis.database import after_commit, after_transaction, fetch

BACKEND = "select pg_backend_pid() as pid"


async def test_a_transaction_commits_at_the_end_and_rolls_back_on_an_error(database, rows):
    async with database.transaction() as work:
        await fetch(work, "insert into things values ($1, $2)", "kept", 1)

    async def fail() -> None:
        async with database.transaction() as work:
            await fetch(work, "insert into things values ($1, $2)", "lost", 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await rows("select name from things") == [("kept",)]


async def test_what_waits_for_the_commit_is_called_after_it_and_never_after_a_rollback(database, rows):
    made = []

    async def wait_in(divisor: int) -> None:
        async with database.transaction() as work:
            after_commit(work, lambda: made.append("committed"))
            after_transaction(work, lambda: made.append("ended"))
            assert made == []
            await fetch(work, "select 1 / $1::int", divisor)

    await wait_in(1)
    assert made == ["committed", "ended"]
    made.clear()
    with pytest.raises(exc.DBAPIError):
        await wait_in(0)
    assert made == ["ended"]


async def test_the_database_refuses_a_value_with_the_error_of_the_engine(database):
    with pytest.raises(exc.DBAPIError) as caught:
        await database.fetch("select 1 / $1::int", 0)
    assert caught.value.orig.sqlstate == "22012"


async def test_a_transaction_that_is_cut_short_leaves_nothing_to_whoever_has_the_connection_next(database, rows):
    begun = asyncio.Event()

    async def cut_short() -> None:
        async with database.transaction() as work:
            await fetch(work, "insert into things values ('lost', 1)")
            begun.set()
            await fetch(work, "select pg_sleep(60)")

    working = asyncio.create_task(cut_short())
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    async with asyncio.timeout(30):
        for _ in range(3):
            assert await database.fetch("select pg_current_xact_id_if_assigned() is null as none_open")
    assert await rows("select name from things") == []


async def test_a_connection_that_the_server_closed_is_replaced(database):
    (mine,) = await database.fetch(BACKEND)
    async with database.transaction() as work:
        (held,) = await fetch(work, BACKEND)
        assert held["pid"] == mine["pid"]  # the one used last goes first
        (other,) = await database.fetch(BACKEND)
        assert other["pid"] != mine["pid"]
    await database.fetch("select pg_terminate_backend(pid, 20000) from unnest($1::int[]) as pid", [other["pid"]])
    assert await database.fetch("select 1 as one")
    async with database.transaction(), database.transaction() as work:
        assert await fetch(work, "select 1 as one")


async def test_what_a_savepoint_undid_is_neither_written_nor_called_after_the_commit(database, rows):
    called = []
    async with database.transaction() as work:
        with contextlib.suppress(LookupError):
            async with work.savepoint():
                after_commit(work, lambda: called.append("undone"))
                await work.connection.execute("insert into things values ('undone', 1)")
                raise LookupError
        async with work.savepoint():
            after_commit(work, lambda: called.append("kept"))
            await work.connection.execute("insert into things values ('kept', 1)")
        assert called == []
    assert called == ["kept"]
    assert await rows("select name from things") == [("kept",)]
