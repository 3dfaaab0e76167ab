"""The bridge's database in memory: what each of its statements does, one at a time, as PostgreSQL would do it.

Only the statements are modelled here; what is asked and what follows from it is the bridge's own code.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar
from uuid import UUID

from contracts.ocpp import ResetCharger, WithdrawReset
from ocpp_bridge.epochs import Epochs, NoLeaseError, Opened
from ocpp_bridge.lease import Dead, Lease
from ocpp_bridge.ledger import NEVER_SENT, UNANSWERED, WITHDRAWN, Entry, Ledger, WhyNot
from simulation.loop import START, current_process

T = TypeVar("T")
MODELLED = ("charger_sessions", "reset_ledger", "bridge_leases", "transactions")
NEVER = START - timedelta(days=365)
STATEMENT_WITHIN_S = 10.0
"""As in `ocpp_bridge.store`: who waits longer for a lock is told that the database is away."""


@dataclass(slots=True)
class SessionRow:
    epoch: int
    instance: str
    protocol: str
    accepted: bool = False
    closed_at: datetime | None = None
    taken_from: tuple[str, ...] = ()


@dataclass(slots=True)
class LedgerRow:
    attempt_id: UUID
    charger_id: str
    epoch: int
    message_id: str
    claim: UUID
    instance: str
    claimed_at: datetime
    outcome: str | None = None
    escalation: int = 0


@dataclass(slots=True)
class LeaseRow:
    renewed_at: datetime
    given_up: bool = False


@dataclass
class BridgeDatabase:
    """The tables, and how the database is doing.

    Attributes:
        clock: its own clock.
        down_until: until that moment (of the loop) every statement fails.
        lost_replies: so many of the next statements are carried out, and the one who asked is told of an error.
        looked_at: called before somebody looks for leases that have ended.
        taken_over: called when a charger comes to another instance than the one that holds an open session of it, and
            when one has inherited from another.
        held: rows that a transaction has locked, by charger or lease, and what tells that it has ended.
    """

    clock: Callable[[], datetime]
    pause: Callable[[], float] = lambda: 0.0
    down_until: float = 0.0
    lost_replies: int = 0
    taken_over: Callable[[], None] = lambda: None
    looked_at: Callable[[], None] = lambda: None
    sessions: dict[str, SessionRow] = field(default_factory=dict)
    ledger: dict[tuple[UUID, int], LedgerRow] = field(default_factory=dict)
    leases: dict[str, LeaseRow] = field(default_factory=dict)
    transactions: dict[tuple[str, int, str, int], int] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)

    async def run(self, statement: Callable[[], T], *, rows: Callable[[], Iterable[str]] = tuple) -> T:
        """One statement, committed. It waits while others hold the rows that it writes, but not for ever."""
        await asyncio.sleep(self.pause())
        async with asyncio.timeout(STATEMENT_WITHIN_S):
            while (lock := next((self.held[row] for row in rows() if row in self.held), None)) is not None:
                await lock.wait()
        self._available()
        done = statement()
        await asyncio.sleep(self.pause())
        self._available()
        if self.lost_replies > 0:
            self.lost_replies -= 1
            raise OSError("the connection was lost before the answer came")
        return done

    def _available(self) -> None:
        if asyncio.get_running_loop().time() < self.down_until:
            raise OSError("the database is away")


class RowLocks:
    """Rows that one transaction holds, until its end, which is that of its process at the latest."""

    def __init__(self, database: BridgeDatabase) -> None:
        self._held = database.held
        self._ended = asyncio.Event()

    def take(self, rows: Iterable[str]) -> None:
        """Locks rows that nobody holds."""
        self._held.update(dict.fromkeys(rows, self._ended))

    def __enter__(self) -> Self:
        process = current_process()
        if process is not None:
            process.on_death.append(self._let_go)
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()
        process = current_process()
        if process is not None and self._let_go in process.on_death:
            process.on_death.remove(self._let_go)

    def _let_go(self) -> None:
        for row in [row for row, held_by in self._held.items() if held_by is self._ended]:
            del self._held[row]
        self._ended.set()


class MemoryStore:
    """Stands where `ocpp_bridge.store.Store` stands."""

    database: BridgeDatabase

    def __init__(self, dsn: str, **_: Any) -> None:
        del dsn
        self.database = current_database()

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def fetch(self, statement: str, *_: Any) -> list[Any]:
        """Of tables that have to do with restarts, a port here must know; all others are empty."""
        if any(table in statement for table in MODELLED):
            raise LookupError(f"simulation.bridge_database does not know this statement: {statement}")
        await self.database.run(lambda: None)
        return []

    async def fetch_one(self, statement: str, *_: Any) -> Any | None:
        rows = await self.fetch(statement)
        return rows[0] if rows else None

    async def execute(self, statement: str, *_: Any) -> None:
        await self.fetch(statement)


_current: list[BridgeDatabase] = []


def current_database() -> BridgeDatabase:
    """The one of the simulation that runs."""
    return _current[-1]


def use(database: BridgeDatabase) -> None:
    """Makes it the one that new stores look at."""
    _current[:] = [database]


def _database(of: Any) -> BridgeDatabase:
    found: BridgeDatabase = of._store.database
    return found


class MemoryEpochs(Epochs):
    """`Epochs` on the tables in memory."""

    async def accept(self, charger_id: str, epoch: int, *, accepted: bool) -> None:
        def statement() -> None:
            row = _database(self).sessions.get(charger_id)
            if row is not None and row.epoch == epoch:
                row.accepted = accepted

        await _database(self).run(statement, rows=lambda: [charger_id])

    async def taken(self) -> list[tuple[str, int]]:
        def statement() -> list[tuple[str, int]]:
            found = []
            for charger_id, row in _database(self).sessions.items():
                if self._instance() in row.taken_from:
                    row.taken_from = tuple(one for one in row.taken_from if one != self._instance())
                    found.append((charger_id, row.epoch))
            return found

        return await _database(self).run(statement, rows=lambda: _noted(_database(self), self._instance()))

    async def _open(self, items: Sequence[Any]) -> list[Opened]:
        database = _database(self)

        def statement() -> list[Opened]:
            if self._instance() not in database.leases or _lease(self._instance()) in database.held:
                raise NoLeaseError
            return [self._open_one(database, item[0], item[1]) for item in items]

        return await database.run(statement, rows=lambda: [item[0] for item in items])

    def _open_one(self, database: BridgeDatabase, charger_id: str, protocol: str) -> Opened:
        instance, held = self._instance(), database.sessions.get(charger_id)
        if held is None:
            database.sessions[charger_id] = SessionRow(1, instance, protocol)
            return Opened(1, accepted=False)
        taken = held.closed_at is None and held.instance != instance
        held.taken_from = (*held.taken_from, held.instance) if taken else held.taken_from
        held.epoch, held.instance, held.protocol, held.closed_at = held.epoch + 1, instance, protocol, None
        if taken:
            database.taken_over()
        return Opened(held.epoch, accepted=held.accepted)

    async def _close(self, items: Sequence[tuple[str, int]]) -> list[bool]:
        database = _database(self)

        def statement() -> list[bool]:
            found = []
            for charger_id, epoch in items:
                row = database.sessions.get(charger_id)
                ours = row is not None and row.instance == self._instance()
                if ours and row is not None and row.epoch == epoch:
                    row.closed_at = database.clock()
                found.append(ours)
            return found

        return await database.run(statement, rows=lambda: [item[0] for item in items])


def _noted(database: BridgeDatabase, instance: str) -> list[str]:
    return [charger_id for charger_id, row in database.sessions.items() if instance in row.taken_from]


class MemoryLedger(Ledger):
    """`Ledger` on the tables in memory."""

    async def claim(self, command: ResetCharger, message_id: str, claim: UUID) -> bool:
        database = _database(self)

        def statement() -> bool:
            session = database.sessions.get(command.charger_id)
            if session is None or session.epoch != command.epoch or session.instance != self._instance():
                return False
            key = (command.attempt_id, command.escalation)
            row = database.ledger.get(key)
            if row is None:
                database.ledger[key] = self._row(command, message_id, claim)
                return True
            return row.claim == claim

        return await database.run(statement)

    async def decline(self, command: ResetCharger, message_id: str, claim: UUID, *, expired: bool) -> WhyNot | None:
        database = _database(self)

        def held_epoch() -> int | None:
            session = database.sessions.get(command.charger_id)
            return session.epoch if session is not None and session.instance == self._instance() else None

        held = await database.run(held_epoch)
        if held is None:
            return None
        why: WhyNot = "expired" if expired else "other_session" if held > command.epoch else "not_connected"

        def statement() -> WhyNot | None:
            key = (command.attempt_id, command.escalation)
            row = database.ledger.get(key)
            if row is None:
                row = database.ledger[key] = self._row(command, message_id, claim)
                row.outcome = why
            elif row.outcome is None and row.claim == claim:
                row.outcome = why
            elif row.outcome not in ("expired", "not_connected", "other_session"):
                return None
            return row.outcome  # type: ignore[return-value]

        return await database.run(statement)

    async def withdraw(self, command: WithdrawReset, message_id: str, claim: UUID) -> bool:
        database = _database(self)

        def statement() -> bool:
            key = (command.attempt_id, command.escalation)
            row = database.ledger.get(key)
            if row is None:
                row = database.ledger[key] = self._row(command, message_id, claim)
                row.outcome = WITHDRAWN
            return row.outcome in NEVER_SENT

        return await database.run(statement)

    async def find(self, charger_id: str, message_id: str) -> Entry | None:
        def statement() -> Entry | None:
            for row in _database(self).ledger.values():
                if row.charger_id == charger_id and row.message_id == message_id:
                    return _entry(row) if row.outcome in (None, UNANSWERED) else None
            return None

        return await _database(self).run(statement)

    async def is_open(self, attempt_id: UUID, escalation: int = 0) -> bool:
        def statement() -> bool:
            row = _database(self).ledger.get((attempt_id, escalation))
            return row is not None and row.outcome is None

        return await _database(self).run(statement)

    async def settle(self, attempt_id: UUID, outcome: str, escalation: int = 0) -> None:
        def statement() -> None:
            row = _database(self).ledger.get((attempt_id, escalation))
            if row is not None and (row.outcome is None or (row.outcome == UNANSWERED and outcome != UNANSWERED)):
                row.outcome = outcome

        await _database(self).run(statement)

    async def left_by(self, instance: str) -> list[Entry]:
        def statement() -> list[Entry]:
            rows = [row for row in _database(self).ledger.values() if row.instance == instance and row.outcome is None]
            return [_entry(row) for row in sorted(rows, key=lambda row: row.claimed_at)]

        return await _database(self).run(statement)

    def _row(self, command: ResetCharger | WithdrawReset, message_id: str, claim: UUID) -> LedgerRow:
        return LedgerRow(
            command.attempt_id,
            command.charger_id,
            command.epoch,
            message_id,
            claim,
            self._instance(),
            self._clock.now(),
            escalation=command.escalation,
        )


def _entry(row: LedgerRow) -> Entry:
    return Entry(row.attempt_id, row.charger_id, row.epoch, row.message_id, row.outcome, row.escalation)


class MemoryLease(Lease):
    """`Lease` on the tables in memory."""

    async def take(self) -> None:
        self.instance = self._new_name()
        database = _database(self)
        await database.run(lambda: database.leases.update({self.instance: LeaseRow(database.clock())}))

    async def renew(self) -> bool:
        def statement() -> bool:
            row = _database(self).leases.get(self.instance)
            if row is not None:
                row.renewed_at = _database(self).clock()
            return row is not None

        return await _database(self).run(statement, rows=self._row)

    async def give_up(self) -> None:
        def statement() -> None:
            row = _database(self).leases.get(self.instance)
            if row is not None:
                row.renewed_at, row.given_up = NEVER, True

        await _database(self).run(statement, rows=self._row)

    def _row(self) -> list[str]:
        return [_lease(self.instance)]

    @asynccontextmanager
    async def dead(self, *, own_past: bool = False) -> AsyncIterator[Dead | None]:
        database = _database(self)

        def statement() -> Dead | None:
            database.looked_at()
            since = database.clock() - self._lasts
            for instance, row in sorted(database.leases.items()):
                past = own_past and instance.rpartition(".")[0] == self._instance_id
                free = instance != self.instance and _lease(instance) not in database.held
                if free and (row.renewed_at < since or past):
                    locks.take([_lease(instance)])
                    return Dead(instance, row.given_up)
            return None

        with RowLocks(database) as locks:
            dead = await database.run(statement)
            yield dead
            if dead is not None:
                instance = dead.instance
                await database.run(lambda: database.leases.pop(instance, None))
                database.taken_over()

    @asynccontextmanager
    async def inherit_sessions(self, dead: Dead) -> AsyncIterator[list[tuple[str, int]]]:
        database = _database(self)

        def statement() -> list[tuple[str, int]]:
            just_now = database.clock() - timedelta(minutes=1)
            found = [
                (charger_id, row.epoch)
                for charger_id, row in sorted(database.sessions.items())
                if row.instance == dead.instance
                and (row.closed_at is None or (not dead.given_up and row.closed_at > just_now))
            ]
            locks.take(charger_id for charger_id, _ in found)
            return found

        def inherit() -> None:
            for charger_id, _ in found:
                row = database.sessions[charger_id]
                if row.instance == dead.instance:
                    row.instance, row.closed_at = self.instance, row.closed_at or database.clock()

        with RowLocks(database) as locks:
            found = await database.run(statement, rows=lambda: self._of(dead))
            yield found
            await database.run(inherit)

    async def inherit_the_rest(self, dead: Dead) -> None:
        def statement() -> None:
            for row in _database(self).sessions.values():
                if row.instance == dead.instance:
                    row.instance = self.instance
                row.taken_from = tuple(one for one in row.taken_from if one != dead.instance)

        database = _database(self)
        await database.run(statement, rows=lambda: [*self._of(dead), *_noted(database, dead.instance)])

    def _of(self, dead: Dead) -> list[str]:
        return [charger_id for charger_id, row in _database(self).sessions.items() if row.instance == dead.instance]


def _lease(instance: str) -> str:
    return f"lease {instance}"


class MemoryTransactions:
    """Stands where `ocpp_bridge.transactions.StoredTransactions` stands."""

    def __init__(self, store: MemoryStore) -> None:
        self._database = store.database

    async def started(self, charger_id: str, connector_id: int, meter_start: int, started_at: str) -> int:
        key = (charger_id, connector_id, started_at, meter_start)
        known = self._database.transactions
        return await self._database.run(lambda: known.setdefault(key, len(known) + 1))

    async def stopped(self, charger_id: str, transaction_id: int) -> int | None:
        def statement() -> int | None:
            for key, number in self._database.transactions.items():
                if number == transaction_id and key[0] == charger_id:
                    return key[1]
            return None

        return await self._database.run(statement)
