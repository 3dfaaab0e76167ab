"""The orchestrator's tables on both sides, in PostgreSQL and in the simulation, for the tests that hold them together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, Protocol, cast
from uuid import UUID, uuid4

from simulation.log import Log
from simulation.loop import Process
from simulation.orchestrator import OrchestratorProcess, are_read as simulated_are_read
from simulation.orchestrator_database import ConstraintError, OrchestratorDatabase
from simulation.orchestrator_ports import (
    PROJECTIONS as SIMULATED_PROJECTIONS,
    MemoryEffects,
    MemoryStore,
    MemoryTimers,
    with_past as simulated_with_past,
)
from sqlalchemy import exc

from chassis import effects
from chassis.testing import FakeClock
from chassis.testing.outbox import outbox_messages
from chassis.timers import Alarm, Timer
from contracts import topics
from contracts.envelope import Envelope, Message, Position
from contracts.topics import Topic
from restart_orchestrator import hearing, past, store
from restart_orchestrator.hearing import partition_of
from restart_orchestrator.inputs import Input
from restart_orchestrator.projections import PROJECTIONS
from restart_orchestrator.states import Attempt, evolve
from restart_orchestrator.store import Held, Recorded
from restart_orchestrator.story import Story, requested
from restart_orchestrator.windows import Windows

CHARGER, PERSON = "CHARGER-1", "ada"
PARTITION = partition_of(CHARGER)
TWICE = (exc.DBAPIError, ConstraintError)
"""What is raised for a row that may not be there twice."""
Handle = Callable[[Any, Sequence[Envelope[Any]]], Awaitable[None]]


class Side(Protocol):
    """What a service does with its tables; `store` and `projections` as the real modules have them."""

    clock: FakeClock
    store: Any
    projections: Any
    with_past: Any

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """A transaction."""
        ...

    async def write(
        self, session: Any, *, messages: Sequence[Any] = (), alarms: Sequence[Alarm] = (), settled: Sequence[str] = ()
    ) -> None:
        """What a decision causes."""
        ...

    async def consume(self, topic: Topic, batch: list[Envelope[Any]], handle: Handle, *, locks: bool = True) -> None:
        """A batch, in one transaction."""
        ...

    async def is_read(self, session: Any, until: dict[str, int]) -> bool:
        """Whether all of that was consumed."""
        ...

    async def fire(self, handle: Callable[[Any, Sequence[Timer]], Awaitable[None]]) -> bool:
        """The timers that are due go off together, or one that failed by itself; False when there is none."""
        ...

    async def outbox(self) -> list[UUID]:
        """The commands that are to be published, in their order."""
        ...


class InPostgreSQL:
    """The real ones."""

    def __init__(self, orchestrator: Any) -> None:
        self._orchestrator = orchestrator
        self._service = orchestrator.service
        self.clock = orchestrator.clock
        self.begin = orchestrator.database.begin
        self.store, self.projections, self.with_past = store, PROJECTIONS, past.with_past

    async def write(self, session: Any, **what: Any) -> None:
        given = {"messages": (), "alarms": (), **what}
        await effects.write(session, to=self._service.outbox, by=self._service.timers, **given)

    async def consume(self, topic: Topic, batch: list[Envelope[Any]], handle: Handle, *, locks: bool = True) -> None:
        processor = self._orchestrator.processor(topic)
        processor._handle_by_driver, processor._handle_batch = None, handle
        processor._locks = processor._locks if locks else None
        await processor._apply([said.position for said in batch], batch)

    async def is_read(self, session: Any, until: dict[str, int]) -> bool:
        (answer,) = await hearing.are_read(session, self._orchestrator.ends, [(PARTITION, until)])
        return answer

    async def fire(self, handle: Callable[[Any, Sequence[Timer]], Awaitable[None]]) -> bool:
        timers = self._service.timers
        if await timers._fire_together("default", handle, failed=False):
            return True
        return bool(await timers._fire_together("default", handle, failed=True))

    async def outbox(self) -> list[UUID]:
        return [said.id for said in await outbox_messages(self._orchestrator.database, topics.OCPP_COMMANDS)]


class InTheSimulation:
    """Those in memory; on the test's own event loop, since nothing here takes time."""

    def __init__(self) -> None:
        real = asyncio.get_running_loop()
        chance = Random(1)  # noqa: S311 of how long a round trip takes
        loop: Any = SimpleNamespace(random=chance, time=real.time, create_future=real.create_future, problems=[])
        self._database = OrchestratorDatabase(loop)
        self._process = OrchestratorProcess(
            loop,
            Log(loop),
            self._database,
            "orchestrator",
            windows=Windows(),
            partitions=(PARTITION,),
            offsets={},
            batch=1,
            clock_offset=0.0,
        )
        self.clock = FakeClock()
        self._process.clock = cast("Any", self.clock)
        self.store, self.projections, self.with_past = MemoryStore, SIMULATED_PROJECTIONS, simulated_with_past

    def begin(self) -> AbstractAsyncContextManager[Any]:
        return self._database.begin(Process("somebody"))

    async def write(self, session: Any, **what: Any) -> None:
        given = {"messages": (), "alarms": (), **what}
        await MemoryEffects.write(session, to=None, by=MemoryTimers(), **given)

    async def consume(self, topic: Topic, batch: list[Envelope[Any]], handle: Handle, *, locks: bool = True) -> None:
        await self._process.apply((topic.name, PARTITION), batch, handle, with_locks=locks)

    async def is_read(self, session: Any, until: dict[str, int]) -> bool:
        nobody: Any = None
        (answer,) = await simulated_are_read(session, nobody, [(PARTITION, until)])
        return answer

    async def fire(self, handle: Callable[[Any, Sequence[Timer]], Awaitable[None]]) -> bool:
        self._process._handler = cast("Any", SimpleNamespace(on_deadlines=handle))
        due = self._process.due()
        if due:
            await self._process.fire(due)
        return bool(due)

    async def outbox(self) -> list[UUID]:
        rows = self._database.tables.get("outbox", {})
        return [rows[number][1].id for number in sorted(rows)]


def told(*inputs: Input, attempt_id: UUID | None = None, charger: str = CHARGER) -> tuple[Attempt, list[Recorded]]:
    """An attempt of which this was heard, and its history."""
    first = replace(requested(attempt_id=attempt_id or uuid4()), charger_id=charger)
    story = Story().tell(first, *inputs)
    attempt: Attempt | None = None
    history = []
    for decision in story.decisions:
        for transition in decision.transitions:
            attempt = evolve(attempt, transition)
            history.append(Recorded(transition, attempt, uuid4()))
    assert attempt is not None
    return attempt, history


async def record(side: Side, attempt: Attempt, history: list[Recorded], *, watching: bool = True) -> None:
    async with side.begin() as session:
        await side.write(
            session, also=side.store.record([Held(attempt, watching=watching, traceparent="00-trace")], history)
        )


async def found(side: Side, chargers: Sequence[str], ids: Sequence[UUID] = ()) -> list[Held]:
    async with side.begin() as session:
        held: list[Held] = await side.store.load_attempts(session, chargers, ids)
    return sorted(held, key=lambda one: one.attempt.charger_id)


def said(data: Message, at: float = 0.0, *, offset: int = 0, topic: Topic = topics.OCPP_OBSERVATIONS) -> Envelope[Any]:
    """A message that was said so many seconds after the beginning."""
    position = Position(topic.name, PARTITION, offset)
    return Envelope(uuid4(), "/services/other", FakeClock().now() + timedelta(seconds=at), data, None, position)
