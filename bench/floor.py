"""The floor under a restart: Kafka, one PostgreSQL transaction of three inserts, Kafka, with nothing of ours."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

TABLE = "create table if not exists bench_floor (id bigint generated always as identity primary key, body text)"


@asynccontextmanager
async def _consumer(topic: str, kafka: dict[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(topic, auto_offset_reset="latest", **kafka)
    await consumer.start()
    try:
        await consumer.seek_to_end()
        yield consumer
    finally:
        await consumer.stop()


class Floor:
    """Produce, consume, one transaction of three inserts, produce, consume: one hop at a time."""

    def __init__(self, kafka: dict[str, Any], database_url: str) -> None:
        self._kafka = kafka
        self._database_url = database_url
        suffix = uuid4().hex[:8]
        self._there, self._back = f"bench.there.{suffix}", f"bench.back.{suffix}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Floor"]:
        """Creates the topics and the table, and removes the topics afterwards."""
        admin = AIOKafkaAdminClient(**self._kafka)
        await admin.start()
        await admin.create_topics([NewTopic(name, 1, 1) for name in (self._there, self._back)])
        database = await asyncpg.connect(self._database_url)
        await database.execute(TABLE)
        producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **self._kafka)
        await producer.start()
        try:
            async with _consumer(self._there, self._kafka) as there, _consumer(self._back, self._kafka) as back:
                self._producer, self._consumer = producer, back
                worker = asyncio.create_task(self._work(there, producer, database))
                try:
                    yield self
                finally:
                    worker.cancel()
                    await asyncio.gather(worker, return_exceptions=True)
        finally:
            await producer.stop()
            await database.execute("drop table bench_floor")
            await database.close()
            await admin.delete_topics([self._there, self._back])
            await admin.close()

    async def _work(self, there: AIOKafkaConsumer, producer: AIOKafkaProducer, database: Any) -> None:
        async for record in there:
            async with database.transaction():
                for _ in range(3):
                    await database.execute("insert into bench_floor (body) values ($1)", record.value.decode())
            await producer.send_and_wait(self._back, record.value)

    async def hop(self) -> float:
        """Milliseconds from the first produce to the last consume."""
        started = time.perf_counter()
        await self._producer.send_and_wait(self._there, b"x" * 400)
        await self._consumer.getone()
        return (time.perf_counter() - started) * 1000
