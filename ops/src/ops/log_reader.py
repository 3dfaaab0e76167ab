"""Reads topics from Kafka in the order of their records' times, without a consumer group: it leaves no trace."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from contracts.topics import Topic

_POLL_MS = 1000


def partition_of(key: str, topic: Topic) -> int:
    """The partition that a key's records stand in."""
    everything = list(range(topic.partitions))
    return int(DefaultPartitioner()(key.encode(), everything, everything))


async def records(
    kafka: dict[str, Any],
    topics: Sequence[Topic],
    *,
    key: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    follow: bool = False,
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """The records of these topics, oldest first across all partitions; order within a partition is always kept.

    With `key`, of one key only, for topics that are keyed so. Ends at what was written when it began, unless `follow`:
    then it goes on, in the order of arrival.
    """
    consumer = AIOKafkaConsumer(enable_auto_commit=False, auto_offset_reset="earliest", **kafka)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic.name, number)
            for topic in topics
            for number in ([partition_of(key, topic)] if key is not None else range(topic.partitions))
        ]
        consumer.assign(partitions)
        await _seek(consumer, partitions, since)
        ends = await consumer.end_offsets(partitions)
        async for record in _merged(consumer, ends):
            in_time = until is None or record.timestamp <= until.timestamp() * 1000
            if in_time and (key is None or record.key == key.encode()):
                yield record
        while follow:
            for batch in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in batch:
                    if key is None or record.key == key.encode():
                        yield record
    finally:
        await consumer.stop()


async def _seek(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: datetime | None) -> None:
    if since is None:
        await consumer.seek_to_beginning(*partitions)
        return
    at = int(since.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, at))
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        there = found.get(partition)
        consumer.seek(partition, there.offset if there is not None else ends[partition])


async def _merged(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    waiting: dict[TopicPartition, deque[ConsumerRecord[bytes, bytes]]] = {}
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            waiting[partition] = deque()
    while waiting:
        empty = [partition for partition, buffered in waiting.items() if not buffered]
        if empty:
            for partition, batch in (await consumer.getmany(*empty, timeout_ms=_POLL_MS)).items():
                waiting[partition].extend(record for record in batch if record.offset < ends[partition])
            # A compacted or truncated log may end before its end offset's record: its position tells.
            for partition in empty:
                if not waiting[partition] and await consumer.position(partition) >= ends[partition]:
                    del waiting[partition]
            await asyncio.sleep(0)
            continue
        oldest = min(waiting, key=lambda partition: waiting[partition][0].timestamp)
        yield waiting[oldest].popleft()
        if not waiting[oldest] and await consumer.position(oldest) >= ends[oldest]:
            del waiting[oldest]
