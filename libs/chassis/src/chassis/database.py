"""The service's own schema in PostgreSQL: engine, sessions, transactions, and what is to happen after a commit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg
import orjson
import structlog
from sqlalchemy import MetaData, PoolProxiedConnection, event, exc, make_url, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.util import greenlet_spawn

from chassis.statements import Write, joined

log = structlog.stdlib.get_logger(__name__)

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_AFTER = "chassis.after_transaction"
_COMMITTED = "chassis.after_commit"
_DRIVER = "chassis.driver"

FROZEN_AFTER = "15s"
"""A process that is stopped, not dead, holds its locks and its leadership until PostgreSQL ends the connection."""
RECYCLE_S = 1800
"""A connection that was opened so long ago is renewed when it is free."""
POOL_PER_KEPT = 4
"""For each so many connections of the pool, one stays with the driver's statements while they need none."""


class DatabaseUnavailableError(Exception):
    """The database could not be reached in time."""


def service_metadata(schema: str) -> MetaData:
    """The metadata of one service: its own schema, and constraint names that migrations can rely on."""
    return MetaData(schema=schema, naming_convention=NAMING_CONVENTION)


class Transaction:
    """A transaction on the driver's own connection: to `fetch`, `after_commit` and `after_transaction`, a session.

    For handlers on the way of a command, which need nothing but the driver's statements: without a session a
    transaction takes half of the time.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.committed: list[Callable[[], None]] = []
        """Called after the commit, and not after a rollback."""
        self.ended: list[Callable[[], None]] = []
        """Called after the end, whichever it is."""

    def in_nested_transaction(self) -> bool:
        """As a session says it: whether `after_commit` must not be used."""
        return False

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What is done inside is undone when the body raises, and what it wanted called after the commit is not."""
        before = len(self.committed)
        try:
            async with self.connection.transaction():
                yield
        except BaseException:
            del self.committed[before:]
            raise


Work = AsyncSession | Transaction
"""What statements run in: they are committed together, or not at all."""


def after_transaction(session: Work, call: Callable[[], None]) -> None:
    """Calls `call` as soon as the session's transaction has ended, committed or not.

    For waking someone who then looks at the tables; never for an effect that a rollback would have to undo.
    """
    if isinstance(session, Transaction):
        session.ended.append(call)
    else:
        session.info.setdefault(_AFTER, []).append(call)


def after_commit(session: Work, call: Callable[[], None]) -> None:
    """Calls `call` as soon as the session's transaction is committed. Not for use inside of a savepoint."""
    if isinstance(session, Transaction):
        session.committed.append(call)
    else:
        session.info.setdefault(_COMMITTED, []).append(call)


@event.listens_for(Session, "after_commit")
def _note_commit(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.setdefault(_AFTER, []).extend(session.info.pop(_COMMITTED, ()))


@event.listens_for(Session, "after_transaction_end")
def _run_calls(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_DRIVER, None)
        session.info.pop(_COMMITTED, None)
        for call in session.info.pop(_AFTER, ()):
            call()


async def driver(session: Work) -> asyncpg.Connection:
    """The driver's own connection, in the session's transaction, for statements on the way of every message."""
    if isinstance(session, Transaction):
        return session.connection
    known: asyncpg.Connection | None = session.info.get(_DRIVER)
    if known is None:
        raw = await (await session.connection()).get_raw_connection()
        # The engine begins a transaction with its own first statement, and this may come before it.
        engines: Any = raw.dbapi_connection
        if engines._transaction is None:  # noqa: SLF001 it has no other way
            await engines._start_transaction()  # noqa: SLF001
        known = session.info[_DRIVER] = raw.driver_connection
    assert known is not None  # noqa: S101 an open connection has a driver's
    return known


async def fetch(session: Work, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Rows of a statement in PostgreSQL's own notation ($1, $2), with a third of the engine's work.

    Raises sqlalchemy.exc.DBAPIError, as the engine would.
    """
    return await _fetch(await driver(session), statement, arguments)


async def _fetch(connection: asyncpg.Connection, statement: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise exc.DBAPIError(statement, None, error, hide_parameters=True) from error
    return rows


async def write(session: Work, writes: Sequence[Write]) -> asyncpg.Record:
    """Writes all of it in one statement, and returns its one row. Raises sqlalchemy.exc.DBAPIError."""
    (row,) = await fetch(session, *joined(writes))
    return row


async def write_rows(session: Work, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> None:
    """Executes the engine's statement once for each row, in their order and one round trip, without the engine.

    Args:
        session: what it is done in.
        statement: an insert, update or delete that is made once and kept: what it is for the driver is kept with it.
        rows: values by the names of columns or of the statement's own parameters; all have the same names.

    Raises sqlalchemy.exc.DBAPIError, as the engine would.
    """
    if not rows:
        return
    prepared = _prepared(statement, tuple(rows[0]))
    try:
        await (await driver(session)).executemany(prepared.statement, [prepared.arguments(row) for row in rows])
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise exc.DBAPIError(prepared.statement, None, error, hide_parameters=True) from error


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement as the driver takes it. Each parameter: its name, its value unless a row has one, its conversion."""

    statement: str
    parameters: tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]

    def arguments(self, row: Mapping[str, Any]) -> list[Any]:
        return [
            value if convert is None else convert(value)
            for name, otherwise, convert in self.parameters
            for value in (row.get(name, otherwise),)
        ]


@lru_cache(maxsize=512)
def _prepared(statement: UpdateBase, names: tuple[str, ...]) -> _Prepared:
    dialect = PGDialect_asyncpg(json_serializer=json_text)  # type: ignore[no-untyped-call]
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    bound = [(name, compiled.binds[name]) for name in compiled.positiontup]
    return _Prepared(
        str(compiled),
        tuple((name, each.value, each.type.dialect_impl(dialect).bind_processor(dialect)) for name, each in bound),
    )


def plain_url(url: str) -> str:
    """The URL as libpq and asyncpg read it: `postgresql://` without a driver's name."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def json_text(value: Any) -> str:
    """JSON as this project writes it into the database."""
    return orjson.dumps(value).decode()


class Database:
    """The service's database.

    Args:
        url: `postgresql://role:password@host:port/name`.
        schema: the service's own, searched first; it is the import name of the service.
        application_name: how PostgreSQL shows our connections.
    """

    def __init__(
        self,
        url: str,
        schema: str,
        *,
        application_name: str = "comeback",
        pool_size: int = 10,
        pool_timeout: float = 10.0,
    ) -> None:
        self.schema = schema
        self.dsn = plain_url(url)
        self._server_settings = {
            "application_name": application_name,
            "search_path": schema,
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": FROZEN_AFTER,
        }
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=0,  # a connection that is opened for one statement costs more than to wait for a free one
            pool_timeout=pool_timeout,
            pool_recycle=RECYCLE_S,
            pool_use_lifo=True,  # the connection used last has its plans and its pages at hand
            hide_parameters=True,  # an error goes to the log, and parameters may be secrets
            json_serializer=json_text,
            json_deserializer=orjson.loads,
            connect_args={"server_settings": self._server_settings, "timeout": 5, "command_timeout": 60},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._kept: list[_Borrowed] = []
        self._keeps = pool_size // POOL_PER_KEPT
        self._waiting = 0
        """Statements that wait for a connection of the pool: nothing is kept from them."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session without a transaction: the caller begins and commits. Closed, and so rolled back, at the end."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A session inside one transaction: committed at the end, rolled back when the body raises."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """`begin` for those who need no session: committed at the end, rolled back when the body raises."""
        borrowed = await self._borrow()
        work = Transaction(borrowed.connection)
        try:
            try:
                async with borrowed.connection.transaction():
                    yield work
                work.ended[:0] = work.committed
            finally:
                for call in work.ended:
                    call()
        finally:
            await self._give_back(borrowed)

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of a statement that stands by itself, in PostgreSQL's own notation ($1, $2): one round trip.

        Raises sqlalchemy.exc.DBAPIError, as the engine would.
        """
        borrowed = await self._borrow()
        try:
            return await _fetch(borrowed.connection, statement, arguments)
        finally:
            await self._give_back(borrowed)

    async def _borrow(self) -> "_Borrowed":
        """A connection of the engine's pool, without the engine; the caller gives it back.

        To take it from the pool and to bring it back is half as much work as a statement, so a few are kept.
        """
        while self._kept:
            borrowed = self._kept.pop()
            if borrowed.may_be_used_again():
                return borrowed
            await borrowed.end()
        self._waiting += 1
        try:
            pooled = await self.engine.raw_connection()
        finally:
            self._waiting -= 1
        return _Borrowed(pooled, pooled.driver_connection, time.monotonic())

    async def _give_back(self, borrowed: "_Borrowed") -> None:
        if not self._waiting and len(self._kept) < self._keeps and borrowed.may_be_used_again():
            self._kept.append(borrowed)
        else:
            await borrowed.end()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement stands by itself: no round trips to begin and to end."""
        async with self.engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    async def dedicated(self, **server_settings: str) -> asyncpg.Connection:
        """A connection outside of the pool, for what must keep one: a lock held for long, a LISTEN."""
        settings = self._server_settings | {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2"}
        return await asyncpg.connect(self.dsn, timeout=5, server_settings=settings | server_settings)

    async def ping(self, *, within: float = 5.0) -> None:
        """Raises when the database does not answer in time (seconds)."""
        async with asyncio.timeout(within), self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def wait_until_reachable(self, *, within: float = 60.0) -> None:
        """Returns when the database answers; raises DatabaseUnavailableError when it has not in `within` seconds."""
        give_up = time.monotonic() + within
        said = False
        while True:
            try:
                await self.ping()
            except (OSError, TimeoutError, asyncpg.PostgresError, exc.SQLAlchemyError) as error:
                where = make_url(self.dsn)
                if time.monotonic() >= give_up:
                    raise DatabaseUnavailableError(
                        f"PostgreSQL at {where.host}:{where.port} (database {where.database}, role {where.username}) "
                        f"did not answer in {within:.0f} s: {_why(error)}; is it running, is DATABASE_URL right?"
                    ) from error
                if not said:
                    log.warning("waiting for the database", host=where.host, port=where.port, why=_why(error))
                    said = True
                await asyncio.sleep(0.2)
            else:
                return

    async def dispose(self) -> None:
        """Closes the pool, and keeps no connection out of it any more."""
        self._keeps = 0
        while self._kept:
            await self._kept.pop().end()
        await self.engine.dispose()


@dataclass(frozen=True, slots=True)
class _Borrowed:
    """A connection that the driver's statements have taken out of the engine's pool, and since when (monotonic)."""

    pooled: PoolProxiedConnection
    connection: Any
    since: float

    def may_be_used_again(self) -> bool:
        """Not when the server closed it, when somebody was cut short in the middle, or when the pool is to renew it."""
        return not self._broken and time.monotonic() - self.since < RECYCLE_S

    async def end(self) -> None:
        """Gives it back to the pool, which closes what nobody else is to go on with."""
        if self._broken:
            self.pooled.invalidate()
        await greenlet_spawn(self.pooled.close)

    @property
    def _broken(self) -> bool:
        return bool(self.connection.is_closed() or self.connection.is_in_transaction())


def _why(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Makes the pool replace a connection that the server has closed, without asking the server each time.

    The pool's own check costs three round trips at every checkout with this driver; the driver already knows.
    """
    if connection.driver_connection.is_closed():
        raise exc.DisconnectionError("the server has closed this connection")
