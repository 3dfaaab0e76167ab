"""The bridge's tables on both sides, in PostgreSQL and in the simulation, for the tests that hold them together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from simulation import bridge_database
from simulation.bridge_database import (
    BridgeDatabase,
    MemoryEpochs,
    MemoryLease,
    MemoryLedger,
    MemoryStore,
    MemoryTransactions,
)

from chassis.clock import SystemClock
from contracts.ocpp import ResetCharger, WithdrawReset
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.lease import Lease
from ocpp_bridge.ledger import Ledger
from ocpp_bridge.store import Store
from ocpp_bridge.transactions import StoredTransactions


class Instance:
    """One bridge, as far as it reads and writes."""

    def __init__(self, store: Any, name: str, lasts_s: float, kinds: tuple[Any, Any, Any, Any]) -> None:
        epochs, ledger, lease, transactions = kinds
        clock = SystemClock()
        self.lease: Lease = lease(store, name, lasts_s=lasts_s)
        self.epochs: Epochs = epochs(store, lambda: self.lease.instance)
        self.ledger: Ledger = ledger(store, clock, lambda: self.lease.instance)
        self.transactions: StoredTransactions = transactions(store)

    @property
    def name(self) -> str:
        return self.lease.instance

    async def opens(self, charger: str = "garage-1") -> int:
        return (await self.epochs.open(charger, "ocpp1.6")).epoch

    async def claims(self, command: ResetCharger, claim: UUID | None = None) -> bool:
        return await self.ledger.claim(command, message_id(command), claim or uuid4())

    async def declines(self, command: ResetCharger, claim: UUID | None = None, *, expired: bool = False) -> str | None:
        return await self.ledger.decline(command, message_id(command), claim or uuid4(), expired=expired)

    async def withdraws(self, command: ResetCharger) -> bool:
        withdrawal = WithdrawReset(
            charger_id=command.charger_id,
            attempt_id=command.attempt_id,
            epoch=command.epoch,
            escalation=command.escalation,
        )
        return await self.ledger.withdraw(withdrawal, message_id(command), uuid4())


def message_id(command: ResetCharger) -> str:
    return str(uuid5(command.attempt_id, str(command.escalation)))


def reset(epoch: int = 1, charger: str = "garage-1", *, attempt: UUID | None = None, number: int = 0) -> ResetCharger:
    until = datetime.now(UTC) + timedelta(seconds=10)
    return ResetCharger(
        charger_id=charger,
        attempt_id=attempt or uuid4(),
        epoch=epoch,
        not_after=until,
        watch_until=until,
        escalation=number,
    )


Start = Callable[..., Awaitable[Instance]]


@asynccontextmanager
async def on_postgresql(url: str) -> AsyncIterator[Start]:
    """Begins the lives of instances that look at the tables there."""
    async with AsyncExitStack() as stack:

        async def begin(name: str = "one", *, lasts_s: float = 30.0) -> Instance:
            store = Store(url, application_name=name)
            await store.start()
            stack.push_async_callback(store.stop)
            instance = Instance(store, name, lasts_s, (Epochs, Ledger, Lease, StoredTransactions))
            await instance.lease.take()
            return instance

        yield begin


@asynccontextmanager
async def in_the_simulation() -> AsyncIterator[Start]:
    """Begins the lives of instances that look at the simulation's tables."""
    bridge_database.use(BridgeDatabase(clock=lambda: datetime.now(UTC)))

    async def begin(name: str = "one", *, lasts_s: float = 30.0) -> Instance:
        kinds = (MemoryEpochs, MemoryLedger, MemoryLease, MemoryTransactions)
        instance = Instance(MemoryStore(""), name, lasts_s, kinds)
        await instance.lease.take()
        return instance

    yield begin
