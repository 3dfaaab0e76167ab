"""Builds a projection again from offset 0 beside the live one, compares row by row, and puts right what differs.

It re-reads and never re-sends: it has no producer, no outbox and no consumer group, and `Apply` writes to nothing but
the tables that it is given.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.schema import CreateTable, DropTable

from chassis.database import Database
from chassis.kafka import KafkaConnection
from chassis.projection import Projection, Tables
from chassis.table_difference import TableDifference, difference, put_right, quoted
from chassis.tables import chassis_tables
from contracts import registry
from contracts.envelope import Envelope, Message, Position
from contracts.topics import BY_NAME

SUFFIX = "__replay"
_POLL_MS = 1000
_EMPTY_POLLS = 3

Progress = Callable[[int, int], None]
"""Told how many records were read, and how many there are."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found and did.

    Attributes:
        records: how many were read.
        switched: whether the live tables were put right (they were not when nothing differed).
        refused: why it did not switch although something differs.
    """

    records: int
    tables: tuple[TableDifference, ...]
    switched: bool = False
    refused: str | None = None


@dataclass(slots=True)
class _Reader:
    """Reads each partition from its beginning, exactly up to given offsets."""

    consumer: AIOKafkaConsumer
    beginnings: dict[TopicPartition, int]
    done: dict[TopicPartition, int]
    records: int = 0
    empty_polls: Counter[TopicPartition] = field(default_factory=Counter)
    held: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = field(default_factory=dict)

    async def batches(
        self, targets: Mapping[TopicPartition, int], progress: Progress
    ) -> AsyncIterator[list[Envelope[Message]]]:
        total = self.records + sum(max(0, end - self.done[at]) for at, end in targets.items())
        while open_ones := [at for at, end in targets.items() if self.done[at] < end]:
            for at in open_ones:
                batch = self.held.pop(at, [])
                if not batch:
                    batch = (await self.consumer.getmany(at, timeout_ms=_POLL_MS)).get(at, [])
                taken = [record for record in batch if record.offset < targets[at]]
                if len(taken) < len(batch):
                    self.held[at] = batch[len(taken) :]
                    self.done[at] = targets[at]
                else:
                    # The position, not the last record: a compacted log has gaps, also at its end.
                    self.done[at] = await self.consumer.position(at)
                    self.empty_polls[at] = 0 if taken else self.empty_polls[at] + 1
                    if self.empty_polls[at] >= _EMPTY_POLLS:
                        self.done[at] = targets[at]  # compaction has removed the last records
                self.records += len(taken)
                if known := list(_known(taken)):
                    yield known
            progress(min(self.records, total), total)
        progress(total, total)


async def replay(
    projection: Projection,
    *,
    service: str,
    database: Database,
    kafka: KafkaConnection,
    dry_run: bool = False,
    accept_loss: bool = False,
    progress: Progress,
) -> Replayed:
    """Rebuilds, compares, and unless `dry_run` writes the rows that differ into the live tables.

    `service` says whose checkpoints tell how far the live tables are: consumers are named `<service>.<topic>`. With
    `accept_loss` it switches even when that removes live rows whose cause Kafka no longer has.
    """
    shadow = projection.beside(SUFFIX)
    async with _reader(projection, kafka) as reader, database.engine.connect() as connection:
        await _create(connection, shadow)
        try:
            targets = await _checkpoints(connection, projection, service)
            await connection.commit()
            async for envelopes in reader.batches(_within(reader, targets), progress):
                async with AsyncSession(connection) as session:
                    await projection.apply(session, envelopes, shadow)
                    await session.commit()
            async with AsyncSession(connection) as session:
                names = ", ".join(quoted(table) for table in projection.tables)
                await session.execute(text(f"lock table {names} in share row exclusive mode"))
                targets = await _checkpoints(connection, projection, service)
                async for envelopes in reader.batches(_within(reader, targets), progress):
                    await projection.apply(session, envelopes, shadow)
                found = await _compare(session, reader, projection, shadow)
                if not dry_run:
                    found = await _switch(session, reader, projection, shadow, found, accept_loss=accept_loss)
                await session.commit()
                return found
        finally:
            await connection.rollback()
            for table in shadow.values():
                await connection.execute(DropTable(table, if_exists=True))
            await connection.commit()


async def _compare(session: AsyncSession, reader: _Reader, projection: Projection, shadow: Tables) -> Replayed:
    tables = [await difference(session, live, shadow[live.name]) for live in projection.tables]
    return Replayed(reader.records, tuple(tables))


async def _switch(
    session: AsyncSession,
    reader: _Reader,
    projection: Projection,
    shadow: Tables,
    found: Replayed,
    *,
    accept_loss: bool,
) -> Replayed:
    if all(table.same for table in found.tables):
        return found
    forgotten = any(beginning > 0 for beginning in reader.beginnings.values())
    if forgotten and not accept_loss and any(table.extra for table in found.tables):
        return replace(found, refused="rows would be lost whose cause is older than what Kafka keeps")
    for live in projection.tables:
        await put_right(session, live, shadow[live.name])
    if projection.settle is not None:
        await projection.settle(session)
    return replace(found, switched=True)


@asynccontextmanager
async def _reader(projection: Projection, kafka: KafkaConnection) -> AsyncIterator[_Reader]:
    consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic.name, number) for topic in projection.topics for number in range(topic.partitions)
        ]
        consumer.assign(partitions)
        beginnings = await consumer.beginning_offsets(partitions)
        for at, offset in beginnings.items():
            consumer.seek(at, offset)
        yield _Reader(consumer, dict(beginnings), dict(beginnings))
    finally:
        await consumer.stop()


async def _checkpoints(connection: AsyncConnection, projection: Projection, service: str) -> dict[TopicPartition, int]:
    table = chassis_tables(projection.tables[0].metadata).checkpoints
    consumers = {f"{service}.{topic.name}": topic.name for topic in projection.topics}
    rows = await connection.execute(
        select(table.c.topic, table.c.partition, table.c.next_offset).where(table.c.consumer.in_(consumers))
    )
    return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}


def _within(reader: _Reader, targets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    return {at: end for at, end in targets.items() if at in reader.done}


def _known(records: Sequence[ConsumerRecord[bytes, bytes]]) -> Iterator[Envelope[Message]]:
    for record in records:
        position = Position(record.topic, record.partition, record.offset)
        match registry.decode(BY_NAME[record.topic], record.key, record.value, record.headers, position):
            case registry.Known(envelope):
                yield envelope
            case _:
                continue  # the live projection skipped it, too, and has counted it


async def _create(connection: AsyncConnection, shadow: Tables) -> None:
    for table in shadow.values():
        await connection.execute(DropTable(table, if_exists=True))  # what an interrupted replay left behind
        await connection.execute(CreateTable(table))
    await connection.commit()
