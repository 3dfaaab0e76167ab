"""The outbox relay: publishes rows in order, one process of the service at a time, and deletes what Kafka has."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import asyncpg
import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from chassis import failpoints
from chassis.database import FROZEN_AFTER, Database
from chassis.kafka import KafkaConnection, discard_producer
from chassis.metrics import Metrics
from chassis.outbox import LOOK_BACK, Row, channel
from chassis.tasks import background, cancel, delays, wait_for
from contracts import topics
from contracts.topics import TopicKind

log = structlog.stdlib.get_logger(__name__)

PAGE = 500
MAX_HELD = 4000
"""Rows in memory at once: handed to Kafka or published and not yet deleted."""
LOOK_AGAIN_S = 5.0
"""A commit wakes the relay; this bounds what a lost wake can cost."""
TAKE_OVER_S = 1.0
SWEEP_S = 0.1
"""Published rows are deleted together, so often: never while the message that they caused is on its way."""
NEWS_LATER_S = 0.01
"""What is said beside a command waits so long: whoever reads it works on the cores that the command needs now."""
OVERDUE_S = 5.0

COMMANDS = frozenset(topic.name for topic in topics.ALL if topic.kind is TopicKind.SHORT)

_LEAD = "select pg_try_advisory_lock(hashtextextended($1, 0))"
_NEXT = "select id, topic, key, value, headers from outbox where id <> all($1::bigint[]) order by id limit $2"
_DELETE = "delete from outbox where id = any($1::bigint[])"
_DEPTH = (
    "select count(*) as waiting, extract(epoch from clock_timestamp() - min(created_at))::float8 as oldest "
    "from (select created_at from outbox where id <> all($1::bigint[]) order by id limit 10000) as oldest_rows"
)


@dataclass(slots=True)
class _Lane:
    """What waits for one partition. At most one batch of a lane is on its way: order survives any failure."""

    topic: str
    partition: int
    rows: deque[Row] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Relay:
    """Publishes the service's outbox.

    The processes of a service elect a leader by an advisory lock that lives as long as the leader's connection; the
    others try again every second, and at once when the leader leaves in order. The leader reads, publishes and deletes
    over that same connection, so that it can't go on when it is no longer the leader. A row is deleted after Kafka's
    acknowledgement, off the path of the next message: a crash in between publishes it again, with the same id.
    """

    def __init__(self, database: Database, kafka: KafkaConnection, metrics: Metrics) -> None:
        self._database = database
        self._kafka = kafka
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._leading = False
        self._trouble: str | None = "the relay has not started"
        self._said: str | None = None
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._sending: set[int] = set()
        self._published: list[int] = []
        self._swept: frozenset[int] = frozenset()
        self._producer: AIOKafkaProducer | None = None
        self._failure: Exception | None = None
        self._look = True
        self._moved_at = 0.0
        self._partition = DefaultPartitioner()
        self._partitions: dict[str, list[int]] = {}

    @property
    def leading(self) -> bool:
        """Whether this process is the one that publishes."""
        return self._leading

    def wake(self) -> None:
        """Says that there may be new rows."""
        self._look = True
        self._wake.set()

    def offer(self, rows: Sequence[Row], standing: Sequence[int]) -> None:
        """Takes rows that were just committed; reads them itself where taking them could change an order.

        Order matters within a key, and whoever writes of a key excludes others who do. So whatever must go before
        these rows stood in the outbox when they were written, or was published already. If all of what stood there is
        known here, it is on its way, and these rows follow it in their lane. If not, another process has written some
        of it, perhaps of the same key, and all is read in order.
        """
        producer = self._producer
        known = producer is not None and self._failure is None and self._holds(standing)
        if producer is None or not known or len(self._sending) + len(self._published) >= MAX_HELD:
            self.wake()
            return
        if any(row.topic not in self._partitions for row in rows):
            self.wake()
            return
        self._dispatch(producer, rows)

    def _holds(self, standing: Sequence[int]) -> bool:
        if len(standing) >= LOOK_BACK:
            return False
        unknown = [number for number in standing if number not in self._sending and number not in self._swept]
        return not unknown or set(self._published).issuperset(unknown)

    def trouble(self) -> str | None:
        """Why nothing is being published, in words; None when all is well. A readiness check."""
        return self._trouble or self._overdue()

    async def start(self) -> None:
        """Begins to publish, or to stand by. Kafka and the database may be away: it waits for them."""
        if self._task is None:
            self._stopping = False
            self._task = background(self._run(), "outbox-relay")

    async def stop(self, *, within: float = 2.0) -> None:
        """Publishes what was committed before, for up to `within` seconds, then lets another process lead."""
        self._stopping = True
        self.wake()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=within)
            await cancel(self._task)
            self._task = None

    async def _run(self) -> None:
        pauses = delays(0.1)
        while not self._stopping:
            connection: asyncpg.Connection | None = None
            began = time.monotonic()
            try:
                # A lost delete only publishes again, so nothing here needs to wait for the disk.
                # It speaks every few seconds; silent for longer it is frozen, and another process is to lead.
                connection = await self._database.dedicated(synchronous_commit="off", idle_session_timeout=FROZEN_AFTER)
                await connection.add_listener(channel(self._database.schema), self._on_notify)
                connection.add_termination_listener(self._on_disconnected)
                await self._stand_by(connection)
                if not self._stopping:
                    await self._lead(connection)
            except Exception as error:  # noqa: BLE001 whatever it is, the rows are still there: start over
                await self._say(error)
                if time.monotonic() - began > 10:  # noqa: PLR2004 it had worked: start over with short pauses
                    pauses, self._said = delays(0.1), None
                await asyncio.sleep(0 if self._stopping else next(pauses))
            finally:
                self._leading = False
                self._metrics.outbox_leading.set(0)
                if connection is not None:
                    await _close(connection)

    async def _say(self, error: BaseException) -> None:
        if isinstance(error, KafkaError):
            reason = await self._kafka.explain(error)
        elif isinstance(
            error, OSError | TimeoutError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError
        ):
            reason = f"the outbox can't be read: {error!r}"
        else:
            reason = f"the relay failed: {error!r}"
            log.error("the relay failed", exc_info=error)
        if reason != self._said:
            log.warning("publishing is interrupted", why=reason)
        self._trouble = self._said = reason

    def _on_notify(self, *_: object) -> None:
        self.wake()

    def _on_disconnected(self, _connection: object) -> None:
        self._failure = self._failure or ConnectionError("the database closed the relay's connection")
        self._wake.set()

    async def _stand_by(self, connection: asyncpg.Connection) -> None:
        while not self._stopping:
            self._wake.clear()
            if await connection.fetchval(_LEAD, f"chassis.relay:{self._database.schema}"):
                return
            self._trouble = None  # another process publishes
            await wait_for(self._wake, at_most=TAKE_OVER_S)

    async def _lead(self, connection: asyncpg.Connection) -> None:
        self._lanes, self._sending, self._published, self._failure = {}, set(), [], None
        self._swept, self._partitions = frozenset(), {}
        self._look = True
        producer = self._kafka.idempotent_producer()
        try:
            await producer.start()
            self._leading = True
            self._metrics.outbox_leading.set(1)
            log.info("publishing the outbox")
            self._trouble = None
            self._producer = producer
            await self._publish(connection, producer)
        finally:
            self._leading, self._producer = False, None
            for later in list(self._later):
                await cancel(later)
            for lane in self._lanes.values():
                await cancel(lane.task)
            # What is still on its way must not arrive after what the next leader sends.
            await discard_producer(producer)
        await connection.execute("select pg_advisory_unlock_all()")
        await connection.execute("select pg_notify($1, '')", channel(self._database.schema))

    async def _publish(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        look_at = measure_at = self._moved_at = time.monotonic()
        sweep_at = look_at + SWEEP_S
        while self._failure is None:
            self._wake.clear()
            now = time.monotonic()
            if (self._look or now >= look_at) and len(self._sending) + len(self._published) < MAX_HELD:
                self._look = False
                found = await connection.fetch(_NEXT, [*self._sending, *self._published], PAGE)
                rows = [_row(each) for each in found]
                for topic in {row.topic for row in rows} - self._partitions.keys():
                    self._partitions[topic] = sorted(await producer.partitions_for(topic))
                # Some may have been offered while they were read.
                self._dispatch(producer, [row for row in rows if not self._holds([row.id])])
                self._look = self._look or len(rows) == PAGE
                look_at = now + LOOK_AGAIN_S
            elif self._published and (now >= sweep_at or self._stopping or len(self._published) >= PAGE):
                gone, self._published = self._published, []
                self._swept = frozenset(gone)
                await connection.execute(_DELETE, gone)
                sweep_at = now + SWEEP_S
            elif self._stopping and not self._sending:
                return
            elif now >= measure_at:
                await self._measure(connection, producer)
                measure_at = now + LOOK_AGAIN_S
            else:
                until = min(look_at, measure_at, sweep_at) if self._published else min(look_at, measure_at)
                await wait_for(self._wake, at_most=until - now)
        raise self._failure

    def _dispatch(self, producer: AIOKafkaProducer, rows: Iterable[Row]) -> None:
        """Hands rows to the lanes of their partitions. Commands overtake news: a charger waits for them."""
        if not self._sending:
            self._moved_at = time.monotonic()
        commands: list[_Lane] = []
        news: list[_Lane] = []
        for row in rows:
            partitions = self._partitions[row.topic]
            place = row.topic, self._partition(row.key, partitions, partitions)
            lane = self._lanes.get(place)
            if lane is None:
                lane = self._lanes[place] = _Lane(*place)
            lane.rows.append(row)
            self._sending.add(row.id)
            if lane.task is None:
                (commands if row.topic in COMMANDS else news).append(lane)
        self._begin(producer, commands)
        if commands and news:
            later = background(self._begin_after(producer, commands, news), "outbox-news")
            self._later.add(later)
            later.add_done_callback(self._later.discard)
        else:
            self._begin(producer, news)

    def _begin(self, producer: AIOKafkaProducer, lanes: Iterable[_Lane]) -> None:
        for lane in lanes:
            if lane.task is None and lane.rows:
                lane.task = background(self._drain(producer, lane), f"outbox-lane-{lane.topic}-{lane.partition}")

    async def _begin_after(self, producer: AIOKafkaProducer, commands: list[_Lane], news: list[_Lane]) -> None:
        await asyncio.gather(*(lane.task for lane in commands if lane.task is not None), return_exceptions=True)
        await asyncio.sleep(NEWS_LATER_S)
        self._begin(producer, news)

    async def _drain(self, producer: AIOKafkaProducer, lane: _Lane) -> None:
        try:
            while lane.rows:
                batch = producer.create_batch()
                taken: list[Row] = []
                while lane.rows and self._append(batch, lane.rows[0]):
                    taken.append(lane.rows.popleft())
                about = partial(_about, lane.topic, taken)
                failpoints.reach(failpoints.RELAY_READ, about)
                began = time.monotonic()
                await (await producer.send_batch(batch, lane.topic, partition=lane.partition))
                self._moved_at = time.monotonic()
                self._metrics.publishing.labels(lane.topic).observe(self._moved_at - began)
                self._metrics.published.labels(lane.topic).inc(len(taken))
                failpoints.reach(failpoints.RELAY_PUBLISHED, about)
                self._sending.difference_update(row.id for row in taken)
                self._published.extend(row.id for row in taken)
                self._wake.set()
        except Exception as error:  # noqa: BLE001 whatever it is, the relay starts over from the table
            self._failure = self._failure or error
            self._wake.set()
        finally:
            lane.task = None

    @staticmethod
    def _append(batch: BatchBuilder, row: Row) -> bool:
        return batch.append(timestamp=None, key=row.key, value=row.value, headers=row.headers) is not None

    async def _measure(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> None:
        for topic in self._partitions:
            self._partitions[topic] = sorted(await producer.partitions_for(topic))
        depth = await connection.fetchrow(_DEPTH, self._published)
        self._metrics.outbox_waiting.set(depth["waiting"])
        self._metrics.outbox_oldest.set(max(0.0, depth["oldest"] or 0.0))
        overdue = self._overdue()
        if overdue is not None:
            log.warning("publishing is slow", why=overdue)

    def _overdue(self) -> str | None:
        silent = time.monotonic() - self._moved_at
        if not self._leading or not self._sending or silent < OVERDUE_S:
            return None
        return f"Kafka has acknowledged nothing for {silent:.0f} s; {len(self._sending)} messages are on their way"


def _row(found: asyncpg.Record) -> Row:
    headers = [(name, value.encode()) for name, value in orjson.loads(found["headers"])]
    return Row(found["id"], found["topic"], found["key"], found["value"], headers)


def _about(topic: str, rows: Iterable[Row]) -> str:
    return ", ".join(f"{topic} {row.key.decode(errors='replace')}" for row in rows)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=1)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
