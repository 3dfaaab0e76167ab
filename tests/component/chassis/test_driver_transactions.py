"""Transactions on the driver's own connection, on a real PostgreSQL: what they promise is what sessions promise."""

import asyncio
import contextlib

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, delete, exc, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from chassis.database import Database, after_commit, after_transaction, fetch, write_rows
from chassis.testing import eventually

BACKEND = "select pg_backend_pid() as pid"
OPEN = "select count(*) as open from pg_stat_activity where application_name = $1"


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


async def test_no_connection_is_kept_from_a_statement_that_waits_for_one(database, database_url):
    small = Database(database_url, "svc", pool_size=4)

    async def all_wait():
        (locks,) = await database.fetch("select count(*) from pg_locks where locktype = 'advisory' and not granted")
        assert locks["count"] == 4

    async with database.transaction() as shut:
        await fetch(shut, "select pg_advisory_xact_lock(2)")
        async with database.transaction() as opened:
            await fetch(opened, "select pg_advisory_xact_lock(1)")
            first, *others = (
                asyncio.create_task(small.fetch("select pg_advisory_xact_lock($1)", gate)) for gate in (1, 2, 2, 2)
            )
            await eventually(all_wait)
            waiting = asyncio.create_task(small.fetch("select 1"))
        async with asyncio.timeout(5):
            await asyncio.gather(first, waiting)
    await asyncio.gather(*others)
    await small.dispose()


async def test_a_connection_that_is_left_in_a_transaction_is_not_used_again(database):
    (mine,) = await database.fetch(BACKEND)
    await database.fetch("begin")  # and nobody ends it
    (other,) = await database.fetch(BACKEND)
    assert other["pid"] != mine["pid"]


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


async def test_what_the_drivers_statements_keep_is_part_of_the_pool(database, database_url):
    small = Database(database_url, "svc", application_name="small", pool_size=4, pool_timeout=5)
    await asyncio.gather(*(small.fetch("select pg_sleep(0.1)") for _ in range(8)))
    async with small.begin() as one, small.begin() as two, small.begin() as three:
        for session in (one, two, three):
            await session.execute(text("select 1"))
        assert await small.fetch("select 1 as one")
        (seen,) = await database.fetch(OPEN, "small")
        assert seen["open"] == 4
    await small.dispose()


async def test_a_connection_that_is_kept_is_renewed_when_it_is_old(database_url, monkeypatch):
    monkeypatch.setattr("chassis.database.RECYCLE_S", 0)
    renewing = Database(database_url, "svc")
    (first,), (second,) = await renewing.fetch(BACKEND), await renewing.fetch(BACKEND)
    assert first["pid"] != second["pid"]
    await renewing.dispose()


async def test_no_connection_outlives_the_pool(database, database_url):
    ending = Database(database_url, "svc", application_name="ending")
    await asyncio.gather(*(ending.fetch("select 1") for _ in range(5)))
    await ending.dispose()

    async def none_is_open() -> None:
        (seen,) = await database.fetch(OPEN, "ending")
        assert seen["open"] == 0

    await eventually(none_is_open)


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


THINGS = Table("things", MetaData(), Column("name", Text), Column("number", Integer))
OF_KINDS = Table(
    "of_kinds", MetaData(), Column("name", Text, primary_key=True), Column("words", ARRAY(Text)), Column("facts", JSONB)
)


@pytest.fixture(params=["transaction", "begin"])
def work(request, database):
    """A transaction of the driver, and one of a session: statements are written in either."""
    return getattr(database, request.param)


async def test_a_statement_of_the_engine_is_executed_for_each_row_in_their_order(work, rows):
    adding = insert(THINGS)
    doubling = update(THINGS).where(THINGS.c.name == bindparam("of"), THINGS.c.number < 2).values(number=2)
    removing = delete(THINGS).where(THINGS.c.name == bindparam("gone"))
    async with work() as session:
        await write_rows(session, adding, [{"name": "a", "number": 1}, {"name": "b", "number": 1}])
        await write_rows(session, adding, [{"number": 3, "name": "c"}])
        await write_rows(session, doubling, [{"of": "a"}, {"of": "c"}])
        await write_rows(session, removing, [{"gone": "b"}])
        await write_rows(session, removing, [])
    assert await rows("select name, number from things order by name") == [("a", 2), ("c", 3)]


async def test_values_of_arrays_and_json_are_converted_and_the_later_row_stands(work, rows):
    async with work() as session:
        await fetch(session, "create table of_kinds (name text primary key, words text[], facts jsonb)")
        adding = insert(OF_KINDS)
        keeping = adding.on_conflict_do_update(index_elements=["name"], set_={"facts": adding.excluded.facts})
        said = [
            {"name": "n", "words": ["x", "y"], "facts": {"at": [1, None]}},
            {"name": "n", "words": [], "facts": None},
        ]
        await write_rows(session, keeping, said[:1])
        (first,) = await fetch(session, "select words, facts->'at'->>0 as fact from of_kinds")
        await write_rows(session, keeping, said[1:])
    assert (first["words"], first["fact"]) == (["x", "y"], "1")
    assert await rows("select words, facts from of_kinds") == [(["x", "y"], None)]


async def test_rows_that_the_database_refuses_are_refused_with_the_error_of_the_engine(work, rows):
    async def write(number: object) -> None:
        async with work() as session:
            await write_rows(
                session, insert(THINGS), [{"name": "good", "number": 1}, {"name": "bad", "number": number}]
            )

    for number in (2**40, "two"):
        with pytest.raises(exc.DBAPIError) as caught:
            await write(number)
        assert caught.value.orig.sqlstate.startswith("22")
    assert await rows("select name from things") == []
