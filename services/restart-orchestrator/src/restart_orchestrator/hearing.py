"""Whether all that was said until a moment has been read: without that, a deadline would be judged blindly."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from chassis.kafka import KafkaConnection
from contracts import topics

EVIDENCE = (topics.OCPP_ANSWERS, topics.OCPP_CONNECTIVITY, topics.OCPP_OBSERVATIONS)
"""The topics whose silence a deadline is about."""
_PARTITIONS = list(range(topics.PARTITIONS))
_CHECKPOINTS = text(
    "select topic, next_offset from checkpoints where consumer = any(:consumers) and partition = :partition"
).bindparams(bindparam("consumers", type_=ARRAY(Text)))
_partition = DefaultPartitioner()


def partition_of(charger_id: str) -> int:
    """The partition of a charger, the same in every topic that is keyed by it."""
    return int(_partition(charger_id.encode(), _PARTITIONS, _PARTITIONS))


def group_of(topic: str) -> str:
    """The consumer group, and the name of the checkpoint, under which we read the topic."""
    return f"{topics.Service.RESTART_ORCHESTRATOR.value}.{topic}"


class Ends(Protocol):
    """Knows how far the topics go, and how far we were."""

    async def ends(self, partition: int) -> Mapping[str, int]:
        """The offset after the last record of this partition, by topic."""
        ...

    async def committed(self, partition: int, wanted: Iterable[str]) -> Mapping[str, int]:
        """Up to where our groups have read this partition of these topics; its end where nothing is kept to read."""
        ...


class KafkaEnds:
    """Asks Kafka. Raises its error while it can't be reached: until then no deadline passes."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._consumer: AIOKafkaConsumer | None = None

    async def stop(self) -> None:
        """Disconnects."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def ends(self, partition: int) -> Mapping[str, int]:
        places = [TopicPartition(topic.name, partition) for topic in EVIDENCE]
        found = await (await self._connected()).end_offsets(places)
        return {place.topic: end for place, end in found.items()}

    async def committed(self, partition: int, wanted: Iterable[str]) -> Mapping[str, int]:
        places = [TopicPartition(topic, partition) for topic in wanted]
        beginnings = await (await self._connected()).beginning_offsets(places)
        admin = AIOKafkaAdminClient(**self._kafka.client_options())
        try:
            await admin.start()
            found = {
                place: await admin.list_consumer_group_offsets(group_of(place.topic), partitions=[place])
                for place in places
            }
        finally:
            await admin.close()
        return {place.topic: max(found[place][place].offset, beginnings[place]) for place in places}

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**self._kafka.client_options())
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


async def is_read(session: AsyncSession, ends: Ends, partition: int, until: Mapping[str, int]) -> bool:
    """Whether this service has handled everything before these offsets, whichever of its processes does so."""
    wanted = {topic: end for topic, end in until.items() if end > 0}
    rows = await session.execute(
        _CHECKPOINTS, {"consumers": [group_of(topic) for topic in wanted], "partition": partition}
    )
    read: dict[str, int] = {row.topic: row.next_offset for row in rows}
    # Without a checkpoint the partition was not read into this database, be it that another one was lost.
    if unknown := [topic for topic in wanted if topic not in read]:
        read |= await ends.committed(partition, unknown)
    return all(read[topic] >= end for topic, end in wanted.items())
