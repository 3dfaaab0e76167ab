"""The bridge's connections to PostgreSQL: statements that commit by themselves, in one round trip each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from ocpp_bridge.tables import SCHEMA

UNAVAILABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What a statement raises when the database is away, or ends the connection."""

UNSTORABLE = asyncpg.DataError
"""What a statement raises for a value that no column takes, such as a number of twenty digits."""


SIZE_PER_KEPT = 2
"""For each so many connections of the pool, one is kept from it by single statements: the pool starts a task each time
that it is given one, which takes longer than the statement."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    def get_reset_query(self) -> str:
        # We leave nothing behind on a connection, and the reset is a round trip before each Reset frame.
        return ""


class Store:
    """A small pool of plain driver connections.

    The driver is used directly because a Reset waits for one statement: this way it takes a quarter of the time.
    """

    def __init__(self, dsn: str, *, application_name: str, size: int = 6) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._size = size
        self._keeps = size // SIZE_PER_KEPT
        self._kept: list[Any] = []
        self._waiting = 0
        """Statements and transactions that wait for a connection of the pool: nothing is kept from them."""
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=2,
            max_size=self._size,
            connection_class=_Connection,
            max_inactive_connection_lifetime=0,
            timeout=5,
            command_timeout=10,
            server_settings={"application_name": self._application_name, "search_path": SCHEMA, "timezone": "UTC"},
        )

    async def stop(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """All rows of a statement, which is committed."""
        rows: list[Any] = await self._run("fetch", statement, arguments)
        return rows

    async def fetch_one(self, statement: str, *arguments: Any) -> Any | None:
        """The first row of a statement, which is committed; None when there is none."""
        return await self._run("fetchrow", statement, arguments)

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Runs and commits a statement."""
        await self._run("execute", statement, arguments)

    async def _run(self, how: str, statement: str, arguments: tuple[Any, ...]) -> Any:
        pool = self._running()
        connection = await self._borrow(pool)
        try:
            return await getattr(connection, how)(statement, *arguments)
        finally:
            if not self._waiting and len(self._kept) < self._keeps and _is_open(connection):
                self._kept.append(connection)
            else:
                await pool.release(connection)

    async def _borrow(self, pool: asyncpg.Pool) -> Any:
        while self._kept:
            connection = self._kept.pop()
            if _is_open(connection):
                return connection
        return await self._acquire(pool)

    async def _acquire(self, pool: asyncpg.Pool) -> Any:
        self._waiting += 1
        try:
            return await pool.acquire()
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection inside one transaction, with the driver's `fetch` and `execute`."""
        pool = self._running()
        connection = await self._acquire(pool)
        try:
            async with connection.transaction():
                yield connection
        finally:
            await pool.release(connection)

    def _running(self) -> asyncpg.Pool:
        if self._pool is None:
            raise asyncpg.InterfaceError("the bridge's connections to the database are closed")
        return self._pool


def _is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False  # its pool took it back: the server has closed it, or the pool was ended
