"""Topics of a test's own on a real Kafka, a service's database, and a reader that writes down what it sees."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import Column, Integer, Table, Text, text

from chassis.database import Database, service_metadata
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.tables import chassis_tables
from contracts import registry, topics
from contracts.topics import Topic

SCHEMA = "svc"

MakeTopic = Callable[..., Awaitable[Topic]]


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaConnection:
    return KafkaConnection(kafka_bootstrap, client_id="test")


@pytest.fixture
def make_topic(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> MakeTopic:
    """Creates a topic under a name of its own, which carries what `like` carries."""

    async def make(like: Topic = topics.OCPP_CONNECTIVITY, *, partitions: int = 3, compacted: bool = False) -> Topic:
        topic = replace(like, name=f"test.{uuid4().hex[:10]}", partitions=partitions)
        for model in topic.messages:
            monkeypatch.setitem(registry._MODELS, (topic.name, model.wire_type), model)
        settings = {"cleanup.policy": "compact"} if compacted else {}
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic.name, partitions, 1, topic_configs=settings)])
        finally:
            await admin.close()
        return topic

    return make


@pytest.fixture
async def database_url(new_database: Callable[..., Awaitable[str]]) -> str:
    url = await new_database()
    metadata = service_metadata(SCHEMA)
    chassis_tables(metadata)
    Table("things", metadata, Column("name", Text), Column("number", Integer))
    database = Database(url, SCHEMA)
    async with database.engine.begin() as connection:
        await connection.execute(text(f"create schema {SCHEMA}"))
        await connection.run_sync(metadata.create_all)
    await database.dispose()
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, SCHEMA)
    yield database
    await database.dispose()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(SCHEMA)


@pytest.fixture
def rows(database: Database) -> Callable[[str], Awaitable[list[tuple[object, ...]]]]:
    """Runs a query and gives its rows as plain tuples."""

    async def query(sql: str) -> list[tuple[object, ...]]:
        async with database.begin() as session:
            return [tuple(row) for row in await session.execute(text(sql))]

    return query


@pytest.fixture
async def read(kafka_bootstrap: str) -> AsyncIterator[Callable[[Topic], Awaitable[list[ConsumerRecord]]]]:
    """Begins to read a topic from its beginning; the list that it gives grows as records come."""
    readers: list[tuple[asyncio.Task[None], AIOKafkaConsumer]] = []

    async def begin(topic: Topic) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        consumer.assign([TopicPartition(topic.name, number) for number in range(topic.partitions)])
        await consumer.seek_to_beginning()
        seen: list[ConsumerRecord] = []

        async def follow() -> None:
            while True:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    seen.extend(records)

        readers.append((asyncio.create_task(follow()), consumer))
        return seen

    yield begin
    for task, consumer in readers:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await consumer.stop()
