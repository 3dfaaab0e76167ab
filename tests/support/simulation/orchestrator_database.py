"""The orchestrator's database in memory: transactions that see what others committed, locks, unique keys, roll-back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from contracts.restart import Status
from simulation.loop import Process, VirtualLoop

_GONE = object()

current_transaction: ContextVar["Transaction"] = ContextVar("transaction")
"""The transaction that the code at hand runs in."""


class ConstraintError(Exception):
    """A unique key would have been there twice."""


class Lock:
    """Held by one transaction; the others wait in their order."""

    def __init__(self) -> None:
        self.owner: Transaction | None = None
        self.waiting: deque[tuple[Transaction, asyncio.Future[None]]] = deque()


class OrchestratorDatabase:
    """Tables of rows by key.

    Attributes:
        down_until: until that moment (of the loop) nothing can be read, written or committed.
        decided: what was decided about each attempt, in the order of the commits: input, time and windows.
        commits: told of each transaction that is committed, right before it counts.
        no_locks, no_constraints: for deliberate defects.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.tables: dict[str, dict[Any, Any]] = {}
        self.locks: dict[str, Lock] = {}
        self.down_until = 0.0
        self.decided: dict[UUID, list[tuple[Any, dict[str, Any]]]] = {}
        self.commits: list[Callable[[Transaction], None]] = []
        self.next_outbox_id = 0
        self.armed = asyncio.Event()
        self.posted = asyncio.Event()
        self._open: dict[Transaction, None] = {}
        self.no_locks = False
        self.no_constraints = False

    @asynccontextmanager
    async def begin(self, process: Process) -> AsyncIterator["Transaction"]:
        """A transaction, committed at the end of the block and rolled back by an error, or by the end of its process."""
        transaction = Transaction(self, process)
        self._open[transaction] = None
        current_transaction.set(transaction)
        try:
            await transaction.trip()
            yield transaction
            await transaction.trip()
            self.check(transaction)
            for told in self.commits:
                told(transaction)
            transaction.apply()
        finally:
            self.close(transaction)
        if transaction.armed:
            self.armed.set()
        if transaction.posted:
            self.posted.set()
        # The answer to the commit is still on its way: whoever dies now does not know that it happened.
        await asyncio.sleep(self.pause())

    def pause(self) -> float:
        """How long one round trip takes."""
        return self.loop.random.uniform(0.0001, 0.002)

    def abandon(self, process: Process) -> None:
        """Its connections are gone: what it had not committed never was."""
        for transaction in [one for one in self._open if one.process is process]:
            self.close(transaction)

    def close(self, transaction: "Transaction") -> None:
        """Gives its locks to those who wait."""
        if transaction not in self._open:
            return
        del self._open[transaction]
        transaction.over = True
        for name in transaction.held:
            lock = self.locks[name]
            lock.owner = None
            while lock.waiting:
                waiter, turn = lock.waiting.popleft()
                if not waiter.over and not turn.done():
                    lock.owner = waiter
                    waiter.held.append(name)
                    turn.set_result(None)
                    break
            else:
                del self.locks[name]

    def check(self, transaction: "Transaction") -> None:
        """Raises ConstraintError for an attempt that would watch a charger beside another one that is lost as well, or not."""
        if self.no_constraints:
            return
        for key, row in transaction.written.get("attempts", {}).items():
            if row is not _GONE and row.watching:
                watches = (row.attempt.charger_id, row.attempt.status is Status.LOST)
                others = (one.attempt for other, one in transaction.rows("attempts") if other != key and one.watching)
                if any((other.charger_id, other.status is Status.LOST) == watches for other in others):
                    raise ConstraintError(f"two attempts watch {row.attempt.charger_id}")
        base = self.tables.get("transitions", {})
        for key in transaction.written.get("transitions", {}):
            if key in base:
                raise ConstraintError(f"transition {key[1]} of attempt {key[0]} is there already")


class Transaction:
    """What one transaction sees, and what it wants to write; stands where the handler expects a session."""

    def __init__(self, database: OrchestratorDatabase, process: Process) -> None:
        self.database = database
        self.process = process
        self.written: dict[str, dict[Any, Any]] = {}
        self.held: list[str] = []
        self.decided: list[tuple[UUID, Any, dict[str, Any]]] = []
        self.began = database.loop.time()
        self.offsets = dict(database.tables.get("checkpoints", {}))
        self.armed = False
        self.posted = False
        self.over = False

    async def trip(self) -> None:
        """One round trip to the database. Raises OSError while it is away."""
        await asyncio.sleep(self.database.pause())
        if self.over or self.database.loop.time() < self.database.down_until:
            raise OSError("the database is away")

    async def lock(self, name: str) -> None:
        """Waits until nobody else holds this."""
        if self.database.no_locks and name.startswith("charger:"):
            return
        lock = self.database.locks.setdefault(name, Lock())
        if lock.owner is self:
            return
        if lock.owner is not None:
            turn: asyncio.Future[None] = self.database.loop.create_future()
            lock.waiting.append((self, turn))
            await turn
            return
        lock.owner = self
        self.held.append(name)

    def get(self, table: str, key: Any) -> Any:
        """The row, as this transaction sees it at this moment."""
        row = self.written.get(table, {}).get(key)
        if row is None:
            row = self.database.tables.get(table, {}).get(key)
        return None if row is _GONE else row

    def rows(self, table: str) -> Iterator[tuple[Any, Any]]:
        """All rows, as this transaction sees them at this moment."""
        written = self.written.get(table, {})
        for key, row in self.database.tables.get(table, {}).items():
            if key not in written:
                yield key, row
        for key, row in written.items():
            if row is not _GONE:
                yield key, row

    def put(self, table: str, key: Any, row: Any) -> None:
        self.written.setdefault(table, {})[key] = row

    def delete(self, table: str, key: Any) -> None:
        self.written.setdefault(table, {})[key] = _GONE

    def apply(self) -> None:
        """Makes what was written everybody's."""
        for table, rows in self.written.items():
            base = self.database.tables.setdefault(table, {})
            for key, row in rows.items():
                if row is _GONE:
                    base.pop(key, None)
                else:
                    base[key] = row
        for attempt_id, event, options in self.decided:
            self.database.decided.setdefault(attempt_id, []).append((event, options))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What is written inside is forgotten when the block raises."""
        before = {table: dict(rows) for table, rows in self.written.items()}
        decided = len(self.decided)
        try:
            yield
        except Exception:
            self.written = before
            del self.decided[decided:]
            raise
