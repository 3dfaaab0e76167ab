"""Whether all that was said until a moment has been read: without that, a deadline would be judged blindly."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner

from chassis.database import Work, fetch
from chassis.kafka import KafkaConnection
from contracts import topics

EVIDENCE = (topics.OCPP_ANSWERS, topics.OCPP_CONNECTIVITY, topics.OCPP_OBSERVATIONS)
"""The topics whose silence a deadline is about."""
_PARTITIONS = list(range(topics.PARTITIONS))
_CHECKPOINTS = """
    select topic, partition, next_offset from checkpoints
     where consumer = any($1::text[]) and partition = any($2::int[])
"""
_partition = DefaultPartitioner()


def partition_of(charger_id: str) -> int:
    """The partition of a charger, the same in every topic that is keyed by it."""
    return int(_partition(charger_id.encode(), _PARTITIONS, _PARTITIONS))


def group_of(topic: str) -> str:
    """The consumer group, and the name of the checkpoint, under which we read the topic."""
    return f"{topics.Service.RESTART_ORCHESTRATOR.value}.{topic}"


class Ends(Protocol):
    """Knows how far the topics go, and how far we were."""

    async def ends(self, partitions: Iterable[int]) -> Mapping[int, Mapping[str, int]]:
        """The offset after the last record of each of these partitions, by partition and topic."""
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

    async def ends(self, partitions: Iterable[int]) -> Mapping[int, Mapping[str, int]]:
        places = [TopicPartition(topic.name, partition) for partition in set(partitions) for topic in EVIDENCE]
        ends: dict[int, dict[str, int]] = {}
        for place, end in (await (await self._connected()).end_offsets(places)).items():
            ends.setdefault(place.partition, {})[place.topic] = end
        return ends

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


async def are_read(session: Work, ends: Ends, asked: Sequence[tuple[int, Mapping[str, int]]]) -> list[bool]:
    """Whether this service has handled all before these offsets of a partition, whichever of its processes does so.

    An answer for each of `asked`, which are partitions with the offsets that matter, by topic.
    """
    groups = [group_of(topic.name) for topic in EVIDENCE]
    rows = await fetch(session, _CHECKPOINTS, groups, sorted({partition for partition, _ in asked}))
    read: dict[tuple[int, str], int] = {(row["partition"], row["topic"]): row["next_offset"] for row in rows}
    answers = []
    for partition, until in asked:
        wanted = {topic: end for topic, end in until.items() if end > 0}
        # Without a checkpoint the partition was not read into this database, be it that another one was lost.
        if unknown := [topic for topic in wanted if (partition, topic) not in read]:
            committed = await ends.committed(partition, unknown)
            read |= {(partition, topic): offset for topic, offset in committed.items()}
        answers.append(all(read[partition, topic] >= end for topic, end in wanted.items()))
    return answers
