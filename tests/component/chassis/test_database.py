"""Sessions and transactions on a real PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import text

from chassis.database import Database, DatabaseUnavailableError, after_transaction


async def test_begin_commits_at_the_end_and_rolls_back_on_an_error(database, rows, roll_back):
    async with database.begin() as session:
        await session.execute(text("insert into things values ('kept', 1)"))
    await roll_back(lambda session: session.execute(text("insert into things values ('lost', 2)")))
    assert await rows("select name from things") == [("kept",)]


async def test_a_call_after_the_transaction_sees_what_was_committed_and_is_made_once(database):
    made = []
    async with database.session() as session:
        async with session.begin():
            after_transaction(session, lambda: made.append(1))
            assert made == []
        assert made == [1]
        async with session.begin():
            await session.execute(text("select 1"))
    assert made == [1]


async def test_a_savepoint_inside_does_not_make_the_call_too_early(database):
    made = []
    async with database.begin() as session:
        async with session.begin_nested():
            after_transaction(session, lambda: made.append(1))
        assert made == []
    assert made == [1]


async def test_connections_that_the_server_closed_are_replaced_without_an_error(database, rows, new_database):
    async with database.begin() as session:
        mine = (await session.execute(text("select pg_backend_pid()"))).scalar_one()
    killer = Database(database.dsn, "svc")
    async with killer.begin() as session:
        await session.execute(text("select pg_terminate_backend(:pid, 20000)"), {"pid": mine})
    await killer.dispose()
    assert await rows("select 1") == [(1,)]


async def test_values_keep_their_kinds_through_json_columns(database):
    async with database.begin() as session:
        await session.execute(
            text(
                "insert into timers (name, key, due, payload, try_at) values ('n', 'k', now(), '{\"a\": [1.5]}', now())"
            )
        )
        row = (await session.execute(text("select payload from timers"))).scalar_one()
    assert row == {"a": [1.5]}


async def test_a_database_that_is_not_there_is_told_in_words_and_within_the_time():
    database = Database("postgresql://somebody:hush@127.0.0.1:1/nowhere", "svc")
    with pytest.raises(DatabaseUnavailableError) as caught:
        async with asyncio.timeout(30):  # it would try for a minute
            await database.wait_until_reachable(within=0.5)
    words = str(caught.value)
    assert "127.0.0.1:1" in words
    assert "somebody" in words
    assert "hush" not in words
    await database.dispose()
