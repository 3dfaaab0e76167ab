"""Topics are read in the order of time, by key, by moment, and without leaving a trace."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from contracts.topics import Topic, TopicKind
from ops.log_reader import partition_of, records


@pytest.fixture
async def topic(plain_infrastructure):
    # Under a name of its own: one that was just deleted may not be there again at once.
    topic = Topic(
        f"log-reader-{uuid4().hex[:8]}.v1",
        "charger",
        TopicKind.RETAINED,
        "ops",
        (),
        None,
        (),
        "For this test.",
        partitions=4,
    )
    await plain_infrastructure.create_topics([topic])
    yield topic
    admin = AIOKafkaAdminClient(bootstrap_servers=plain_infrastructure.kafka.address)
    await admin.start()
    await admin.delete_topics([topic.name])
    await admin.close()


@pytest.fixture
async def kafka(plain_infrastructure, topic):
    """Forty records of four chargers, a second apart."""
    producer = AIOKafkaProducer(bootstrap_servers=plain_infrastructure.kafka.address)
    await producer.start()
    for second in range(40):
        key = f"CH-{second % 4}".encode()
        await producer.send_and_wait(
            topic.name, str(second).encode(), key=key, timestamp_ms=1_700_000_000_000 + second * 1000
        )
    await producer.stop()
    return {"bootstrap_servers": plain_infrastructure.kafka.address}


async def values(reading):
    return [int(record.value) async for record in reading]


def at(second):
    return datetime.fromtimestamp(1_700_000_000 + second, UTC)


async def test_records_come_in_the_order_of_their_times(kafka, topic):
    assert await values(records(kafka, [topic])) == list(range(40))


async def test_a_key_is_read_from_its_own_partition_only(kafka, topic):
    assert await values(records(kafka, [topic], key="CH-1")) == list(range(1, 40, 4))
    assert 0 <= partition_of("CH-1", topic) < topic.partitions


async def test_a_span_of_time_is_read(kafka, topic):
    assert await values(records(kafka, [topic], since=at(10), until=at(19))) == list(range(10, 20))


async def test_reading_leaves_no_consumer_group(kafka, topic):
    await values(records(kafka, [topic]))
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    groups = await admin.list_consumer_groups()
    await admin.close()
    assert not [group for group in groups if "log-reader" in str(group)]
