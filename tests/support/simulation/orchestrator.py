"""An orchestrator process: its handlers, fed by consumers, timers and a relay that can stop at any step."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

from prometheus_client import CollectorRegistry

from chassis.timers import Timer
from contracts import topics
from contracts.envelope import Envelope
from contracts.topics import Topic
from restart_orchestrator import store
from restart_orchestrator.handle import Handler
from restart_orchestrator.hearing import EVIDENCE
from restart_orchestrator.metrics import AttemptMetrics
from restart_orchestrator.windows import Windows
from simulation.log import Log, Reader
from simulation.loop import Process, ProcessClock, VirtualLoop
from simulation.orchestrator_database import OrchestratorDatabase, Transaction
from simulation.orchestrator_ports import PROJECTIONS, MemoryTimers

Handle = Callable[[Any, Sequence[Envelope[Any]]], Awaitable[None]]
AT_ONCE = 4
_metrics = AttemptMetrics(CollectorRegistry())


class Ends:
    """How far the log goes."""

    def __init__(self, log: Log, database: OrchestratorDatabase) -> None:
        self._log = log
        self._database = database

    async def ends(self, partitions: Iterable[int]) -> Mapping[int, Mapping[str, int]]:
        await asyncio.sleep(self._database.pause())
        if self._database.loop.time() < self._log.down_until:
            raise OSError("Kafka is away")
        return {
            partition: {topic.name: len(self._log.records(topic.name, partition)) for topic in EVIDENCE}
            for partition in partitions
        }

    async def committed(self, partition: int, wanted: Iterable[str]) -> Mapping[str, int]:
        await asyncio.sleep(self._database.pause())
        return dict.fromkeys(wanted, 0)


async def are_read(session: Transaction, ends: Ends, asked: Sequence[tuple[int, Mapping[str, int]]]) -> list[bool]:
    """What `restart_orchestrator.hearing.are_read` asks PostgreSQL."""
    del ends
    await session.trip()
    return [
        all((session.get("checkpoints", (topic, partition)) or 0) >= end for topic, end in until.items())
        for partition, until in asked
    ]


class OrchestratorProcess:
    """One life of one instance.

    Args:
        offsets: the offsets that the consumer groups have committed in Kafka, shared by all lives.
        batch: how many records a consumer takes at most.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        log: Log,
        database: OrchestratorDatabase,
        name: str,
        *,
        windows: Windows,
        partitions: tuple[int, ...],
        offsets: dict[tuple[str, int], int],
        batch: int,
        clock_offset: float,
    ) -> None:
        self._loop = loop
        self._log = log
        self._database = database
        self._partitions = partitions
        self._offsets = offsets
        self._batch = batch
        self.name = name
        self.process = Process(name)
        self.process.offset = clock_offset
        self.process.on_death.append(lambda: database.abandon(self.process))
        self.clock = ProcessClock(self.process)
        self.ousted = False
        """Another life has taken its partitions over, of which it will learn when it commits offsets."""
        self._busy: set[str] = set()
        self._firing = 0
        self._handler = Handler(
            outbox=cast("Any", None),
            timers=cast("Any", MemoryTimers()),
            clock=self.clock,
            windows=windows,
            ends=Ends(log, database),
            metrics=_metrics,
        )

    def start(self) -> None:
        """Begins its life."""
        keyed: dict[Topic, Handle] = {
            topics.RESTART_REQUESTS: cast("Handle", self._handler.on_requests),
            topics.OCPP_ANSWERS: cast("Handle", self._handler.on_answers),
            topics.OCPP_CONNECTIVITY: cast("Handle", self._handler.on_connectivity),
            topics.OCPP_OBSERVATIONS: cast("Handle", self._handler.on_observations),
        }
        for topic, handle in keyed.items():
            for partition in self._partitions:
                self._loop.spawn(self._consume(topic, partition, handle, with_locks=True), self.process)
        remembered = {
            topics.AUTH_MEMBERSHIPS: "memberships",
            topics.BILLING_PLANS: "plans",
            topics.FLEET_RESTART_POLICIES: "policies",
            topics.FLEET_CHARGERS: "chargers",
        }
        for topic, name in remembered.items():
            self._loop.spawn(self._consume(topic, 0, partial(_remember, name), with_locks=False), self.process)
        self._loop.spawn(self._fire_timers(), self.process)
        self._loop.spawn(self._relay(), self.process)

    # -- consumers

    async def _consume(self, topic: Topic, partition: int, handle: Handle, *, with_locks: bool) -> None:
        place = (topic.name, partition)
        reader = self._log.reader("orchestrator", topic, partition, position=self._offsets.get(place, 0))
        while not self.ousted:
            batch = await self._next(reader)
            pause = 0.05
            while True:
                try:
                    await self.apply(place, batch, handle, with_locks=with_locks)
                except Exception as error:  # noqa: BLE001 as the processor: it is tried again
                    if not isinstance(error, OSError):
                        self._loop.problems.append(f"{topic.name}: {error!r}")
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 5.0)
                else:
                    break
            await asyncio.sleep(self._database.pause())
            if not self.ousted:
                self._offsets[place] = max(self._offsets.get(place, 0), batch[-1].position.offset + 1)  # type: ignore[union-attr]

    async def _next(self, reader: Reader) -> list[Envelope[Any]]:
        return [record.envelope for record in await reader.poll(at_most=self._loop.random.randint(1, self._batch))]

    async def apply(
        self, place: tuple[str, int], batch: list[Envelope[Any]], handle: Handle, *, with_locks: bool
    ) -> None:
        """One transaction: the checkpoint, the locks, the handler."""
        async with self._database.begin(self.process) as transaction:
            await transaction.lock(f"checkpoint:{place}")
            before = transaction.get("checkpoints", place) or 0
            last = batch[-1].position
            assert last is not None
            transaction.put("checkpoints", place, max(before, last.offset + 1))
            if with_locks:
                for name in sorted(set(store.locks(batch))):
                    await transaction.lock(name)
            fresh = [said for said in batch if said.position is not None and said.position.offset >= before]
            if fresh:
                await handle(transaction, fresh)

    # -- timers

    async def _fire_timers(self) -> None:
        """Fires what is due, a few transactions at a time, each as often as it takes."""
        while True:
            self._database.armed.clear()
            now = self.clock.now()
            while self._firing < AT_ONCE and (due := self.due()):
                self._firing += 1
                self._busy.update(due)
                self._loop.create_task(self.fire(due))
            rows = self._database.tables.get("timers", {})
            later = [row["try_at"] for key, row in rows.items() if key not in self._busy]
            wait = (min(later) - now).total_seconds() if later else 5.0
            try:
                async with asyncio.timeout(min(max(wait, 0.001), 30.0)):
                    await self._database.armed.wait()
            except TimeoutError:
                continue

    def due(self) -> list[str]:
        """The timers whose time has come, the earliest first; or one that failed, which goes off by itself."""
        rows, now = self._database.tables.get("timers", {}), self.clock.now()
        free = [key for key, row in rows.items() if row["try_at"] <= now and key not in self._busy]
        due = sorted(free, key=lambda key: (rows[key]["try_at"], key))
        return [key for key in due if not rows[key]["failures"]] or due[:1]

    async def fire(self, keys: list[str]) -> None:
        """They go off: their rows go in the transaction of their handler, or are put off when that fails."""
        try:
            async with self._database.begin(self.process) as transaction:
                timers = await self._take(transaction, keys)
                try:
                    async with transaction.savepoint():
                        for timer in timers:
                            transaction.delete("timers", timer.key)
                        if timers:
                            await self._handler.on_deadlines(cast("Any", transaction), timers)
                except Exception as error:  # noqa: BLE001 as the chassis: they are tried again later
                    self._note(error, keys)
                    self._put_off(transaction, timers)
        except Exception as error:  # noqa: BLE001 the rows are still there
            self._note(error, keys)
            await asyncio.sleep(1.0)
        finally:
            self._firing -= 1
            self._busy.difference_update(keys)
            self._database.armed.set()

    async def _take(self, transaction: Transaction, keys: list[str]) -> list[Timer]:
        taken = []
        for key in sorted(keys):
            await transaction.lock(f"timer:{key}")
            row = transaction.get("timers", key)
            if row is not None and row["try_at"] <= self.clock.now():
                taken.append(Timer("default", key, row["due"], row["payload"], row["failures"]))
        return taken

    def _put_off(self, transaction: Transaction, timers: list[Timer]) -> None:
        for timer in timers:
            try_at = self.clock.now() + timedelta(seconds=min(60.0, 0.5 * 2**timer.failures))
            row = transaction.get("timers", timer.key)
            transaction.put("timers", timer.key, {**row, "try_at": try_at, "failures": timer.failures + 1})

    def _note(self, error: Exception, keys: list[str]) -> None:
        if not isinstance(error, OSError):
            self._loop.problems.append(f"timers {keys}: {error!r}")

    # -- relay

    async def _relay(self) -> None:
        """Publishes the outbox, as long as it leads; commands overtake news."""
        leading = Transaction(self._database, self.process)
        self._database._open[leading] = None
        await leading.lock("relay")
        while True:
            self._database.posted.clear()
            rows = self._database.tables.get("outbox", {})
            waiting = sorted(rows)[:20]
            if not waiting:
                try:
                    async with asyncio.timeout(60.0):
                        await self._database.posted.wait()
                except TimeoutError:
                    continue
                continue
            waiting.sort(key=lambda number: rows[number][0] is not topics.OCPP_COMMANDS)
            try:
                for number in waiting:
                    topic, envelope = rows[number]
                    await self.publish(topic, envelope)
                await asyncio.sleep(self._database.pause())
                if self._loop.time() < self._database.down_until:
                    raise OSError("the database is away")
            except Exception:  # noqa: BLE001 whatever it is, it starts over from the table
                await asyncio.sleep(0.5)
                continue
            for number in waiting:
                rows.pop(number, None)

    async def publish(self, topic: Topic, envelope: Envelope[Any]) -> None:
        """Returns when Kafka has it."""
        await self._log.publish(self.name, topic, envelope)


async def _remember(name: str, session: Any, batch: Sequence[Envelope[Any]]) -> None:
    await PROJECTIONS[name].apply(session, batch, None)
