"""Many restarts at once, each to its verdict, and what they took: messages, transactions, our own part of the time."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.system import Bench
from contracts import topics
from contracts.restart import TERMINAL
from ops.log_reader import records
from simulator import Charger

PATIENCE_S = 120.0
STATISTICS_S = 2.0
"""PostgreSQL counts a transaction this much later at most."""
_ENDED = frozenset(status.value for status in TERMINAL)


@dataclass(frozen=True)
class Flow:
    """What came of many restarts at once, and what it took."""

    restarts: int
    seconds: float
    verdicts: Counter[str]
    messages: int
    transactions: int

    @property
    def per_second(self) -> float:
        """Restarts from request to verdict."""
        return self.restarts / self.seconds


class Verdicts:
    """Hears of the ends of attempts as anyone does who reads their topic."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._waiting: dict[UUID, asyncio.Future[str]] = {}
        self._early: dict[UUID, str] = {}

    async def of(self, attempt_id: UUID) -> str:
        """How the attempt ended. Raises RuntimeError when it does not."""
        if attempt_id in self._early:
            return self._early.pop(attempt_id)
        waiting = self._waiting[attempt_id] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(waiting, PATIENCE_S)
        except TimeoutError as error:
            raise RuntimeError(f"attempt {attempt_id} has no verdict after {PATIENCE_S:.0f} s") from error

    async def listen(self) -> None:
        """Reads until it is cancelled."""
        while True:
            for found in (await self._consumer.getmany(timeout_ms=1000)).values():
                for record in found:
                    if b'"verdict":null' not in record.value:
                        self._tell(orjson.loads(record.value))

    def _tell(self, moved: dict[str, object]) -> None:
        if moved["status"] not in _ENDED:
            return
        attempt_id, verdict = UUID(str(moved["attempt_id"])), moved["verdict"]
        outcome = str(verdict["outcome"]) if isinstance(verdict, dict) else str(moved["status"])
        waiting = self._waiting.pop(attempt_id, None)
        if waiting is None:
            self._early[attempt_id] = outcome
        elif not waiting.done():
            waiting.set_result(outcome)


@asynccontextmanager
async def listening(bench: Bench) -> AsyncIterator[Verdicts]:
    """The verdicts of all attempts from now on."""
    consumer = AIOKafkaConsumer(enable_auto_commit=False, auto_offset_reset="latest", **bench.kafka())
    await consumer.start()
    try:
        topic = topics.RESTART_ATTEMPTS
        consumer.assign([TopicPartition(topic.name, number) for number in range(topic.partitions)])
        await consumer.seek_to_end()
        verdicts = Verdicts(consumer)
        reading = asyncio.create_task(verdicts.listen())
        try:
            yield verdicts
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    finally:
        await consumer.stop()


async def flow(bench: Bench, verdicts: Verdicts, count: int, *, at_once: int) -> Flow:
    """So many restarts, `at_once` of them under way at any moment, each to its verdict."""
    free = deque(bench.chargers)
    found: Counter[str] = Counter()
    left = count

    async def keep_asking() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            charger = free.popleft()
            found[await _to_verdict(bench, verdicts, charger)] += 1
            free.append(charger)

    messages, transactions = await _produced(bench), await _committed(bench)
    began = time.perf_counter()
    await asyncio.gather(*(keep_asking() for _ in range(min(at_once, len(free)))))
    seconds = time.perf_counter() - began
    return Flow(count, seconds, found, await _produced(bench) - messages, await _committed(bench) - transactions)


async def _to_verdict(bench: Bench, verdicts: Verdicts, charger: Charger) -> str:
    while (attempt_id := await bench.ask(charger.identity)) is None:  # noqa: ASYNC110 it is asked
        await asyncio.sleep(0.05)  # the portal has not read the end of the attempt before
    return await verdicts.of(attempt_id)


async def _produced(bench: Bench) -> int:
    """How many records the topics have taken so far."""
    consumer = AIOKafkaConsumer(**bench.kafka())
    await consumer.start()
    try:
        places = [TopicPartition(topic.name, number) for topic in topics.ALL for number in range(topic.partitions)]
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


async def _committed(bench: Bench) -> int:
    await asyncio.sleep(STATISTICS_S)
    connection = await asyncpg.connect(bench.database_url)
    try:
        return int(await connection.fetchval("select sum(xact_commit)::bigint from pg_stat_database"))
    finally:
        await connection.close()


async def own_part(bench: Bench, since: datetime) -> list[float]:
    """Milliseconds from each request's record in Kafka to the record of the command that came of it."""
    asked: dict[str, int] = {}
    took: list[float] = []
    async for record in records(bench.kafka(), [topics.RESTART_REQUESTS, topics.OCPP_COMMANDS], since=since):
        attempt_id = orjson.loads(record.value)["attempt_id"]
        if record.topic == topics.RESTART_REQUESTS.name:
            asked.setdefault(attempt_id, record.timestamp)
        elif attempt_id in asked:
            took.append(float(record.timestamp - asked.pop(attempt_id)))
    return took


def now() -> datetime:
    """This moment, for `own_part`."""
    return datetime.now(UTC)
