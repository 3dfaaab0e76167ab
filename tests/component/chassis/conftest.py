"""A service's database with the chassis' tables and one table of its own."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import Column, Integer, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import Database, service_metadata
from chassis.metrics import Metrics
from chassis.tables import chassis_tables
from chassis.testing import FakeClock

SCHEMA = "svc"


@pytest.fixture
async def database_url(new_database: Callable[..., Awaitable[str]]) -> str:
    url = await new_database()
    metadata = service_metadata(SCHEMA)
    chassis_tables(metadata)
    Table("things", metadata, Column("name", Text), Column("number", Integer))
    database = Database(url, SCHEMA)
    async with database.engine.begin() as connection:
        await connection.execute(text(f"create schema {SCHEMA}"))
        await connection.run_sync(metadata.create_all)
    await database.dispose()
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, SCHEMA)
    yield database
    await database.dispose()


@pytest.fixture
def roll_back(database: Database) -> Callable[[Callable[[AsyncSession], Awaitable[object]]], Awaitable[None]]:
    """Does something in a transaction that then fails."""

    async def fail(work: Callable[[AsyncSession], Awaitable[object]]) -> None:
        with contextlib.suppress(LookupError):
            async with database.begin() as session:
                await work(session)
                raise LookupError

    return fail


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(SCHEMA)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rows(database: Database) -> Callable[[str], Awaitable[list[tuple[object, ...]]]]:
    """Runs a query and gives its rows as plain tuples."""

    async def query(sql: str) -> list[tuple[object, ...]]:
        async with database.begin() as session:
            return [tuple(row) for row in await session.execute(text(sql))]

    return query
