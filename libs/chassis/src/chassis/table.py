"""A topic read whole by every process: no consumer group, from its beginning or from a moment on."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from chassis.kafka import FETCH_WAIT_MS, KafkaConnection
from chassis.metrics import Metrics
from chassis.tasks import background, cancel, delays
from chassis.trace import span
from contracts.envelope import Envelope, Position
from contracts.registry import Known, Undecodable, Unknown, decode
from contracts.topics import Topic

log = structlog.stdlib.get_logger(__name__)

OnRecord = Callable[[Envelope[Any]], Awaitable[None] | None]
POLL_MS = 1000
METADATA_S = 5.0


class CompactedTable:
    """Gives every record of a topic to `on_record`, in order per partition, for as long as it runs.

    Nothing is stored: each start reads again. A record that can't be decoded is logged and counted; so is one whose
    `on_record` raises, and the next one follows, because a table that stops is worse than one with a hole.

    Args:
        on_record: called for each message, in order per partition, one at a time; may be a coroutine function.
        start_at: read from the first record written at this moment or later; None reads from the beginning.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        topic: Topic,
        on_record: OnRecord,
        metrics: Metrics,
        *,
        start_at: datetime | None = None,
    ) -> None:
        self.topic = topic
        self._kafka = kafka
        self._on_record = on_record
        self._metrics = metrics
        self._start_at = start_at
        self._positions: dict[TopicPartition, int] = {}
        self._goals: dict[TopicPartition, int] | None = None
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble: str | None = f"{topic.name} has not been read yet"

    async def start(self) -> None:
        """Begins to read. Kafka may be away: it waits for it."""
        self._task = background(self._run(), f"table-{self.topic.name}")

    async def stop(self) -> None:
        """Ends reading."""
        await cancel(self._task)
        self._task = None

    async def caught_up(self) -> None:
        """Returns when all that was in the topic at the start has been given to `on_record`."""
        await self._caught_up.wait()

    @property
    def is_caught_up(self) -> bool:
        """Whether `caught_up` would return at once."""
        return self._caught_up.is_set()

    def not_ready(self) -> str | None:
        """Why the table can't be relied upon, in words; None when it can. A readiness check."""
        if self._trouble is not None or self.is_caught_up:
            return self._trouble
        return f"{self.topic.name} is still being read for the first time"

    async def _run(self) -> None:
        pauses = delays(0.1)
        while True:
            consumer = AIOKafkaConsumer(
                **self._kafka.client_options(),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=FETCH_WAIT_MS,
            )
            began = time.monotonic()
            try:
                await consumer.start()
                await self._assign(consumer)
                await self._read(consumer)
            except Exception as error:  # noqa: BLE001 whatever it is, the topic can be read again
                why = await self._kafka.explain(error)
                if why != self._trouble:
                    log.warning("reading is interrupted", topic=self.topic.name, why=why)
                self._trouble = why
            finally:
                await consumer.stop()
            if time.monotonic() - began > 10:  # noqa: PLR2004 it had worked: start over with short pauses
                pauses = delays(0.1)
            await asyncio.sleep(next(pauses))

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        if self.topic.name not in await consumer.topics():
            raise UnknownTopicOrPartitionError(self.topic.name)
        # The client learns a topic's partitions only once one of them is assigned.
        consumer.assign([TopicPartition(self.topic.name, 0)])
        async with asyncio.timeout(METADATA_S):
            while not (numbers := consumer.partitions_for_topic(self.topic.name)):  # noqa: ASYNC110 it has no event
                await asyncio.sleep(0.01)
        partitions = [TopicPartition(self.topic.name, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        if self._positions:
            starts = self._positions
        elif self._start_at is None:
            starts = await consumer.beginning_offsets(partitions)
        else:
            moment = int(self._start_at.timestamp() * 1000)
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, moment))
            starts = {tp: found[tp].offset if found.get(tp) is not None else ends[tp] for tp in partitions}
        for tp in partitions:
            self._positions[tp] = starts[tp]
            consumer.seek(tp, starts[tp])
        if self._goals is None:
            self._goals = ends
        self._trouble = None
        self._check_goals()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            polled = await consumer.getmany(timeout_ms=POLL_MS)
            for tp, records in polled.items():
                self._metrics.consumed.labels(self.topic.name).inc(len(records))
                for record in records:
                    await self._give(record)
                    self._positions[tp] = record.offset + 1
            if not self._caught_up.is_set():
                # Compaction leaves gaps: the client's position passes them, a record's offset may not.
                for tp in self._positions:
                    self._positions[tp] = max(self._positions[tp], await consumer.position(tp))
                self._check_goals()

    def _check_goals(self) -> None:
        if self._goals is not None and all(self._positions[tp] >= end for tp, end in self._goals.items()):
            self._caught_up.set()

    async def _give(self, record: ConsumerRecord) -> None:
        position = Position(record.topic, record.partition, record.offset)
        match decode(self.topic, record.key, record.value, record.headers, position):
            case Known(envelope):
                try:
                    with span(envelope.traceparent):
                        outcome = self._on_record(envelope)
                        if inspect.isawaitable(outcome):
                            await outcome
                except Exception:
                    self._metrics.dead_lettered.labels(self.topic.name, "failed").inc()
                    log.exception("a record was not taken in", topic=record.topic, offset=record.offset)
                else:
                    self._metrics.handled.labels(self.topic.name, envelope.type).inc()
            case Unknown():
                self._metrics.unknown.labels(self.topic.name).inc()
            case Undecodable(why):
                self._metrics.dead_lettered.labels(self.topic.name, "undecodable").inc()
                log.error(
                    "a record can't be read",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    why=why,
                )
