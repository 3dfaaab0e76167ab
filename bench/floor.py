"""The floors under a restart, with nothing of ours: one hop by itself, and as many messages as many restarts take."""

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
INSERT = "insert into bench_floor (body) values ($1)"


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
                    await database.execute(INSERT, record.value.decode())
            await producer.send_and_wait(self._back, record.value)

    async def hop(self) -> float:
        """Milliseconds from the first produce to the last consume."""
        started = time.perf_counter()
        await self._producer.send_and_wait(self._there, b"x" * 400)
        await self._consumer.getone()
        return (time.perf_counter() - started) * 1000


class Stream:
    """Tokens that go through Kafka and PostgreSQL: each consumed message becomes the next, `hops` times over.

    What a poll brings is worked on together, as anyone would: transactions first, as many as the messages' share, on
    a few connections at once, then all of the next messages, which the client batches.
    """

    PARTITIONS = 12
    CONNECTIONS = 4

    def __init__(self, kafka: dict[str, Any], database_url: str, *, hops: int, transactions_per_message: float) -> None:
        self._kafka = kafka
        self._database_url = database_url
        self._hops = hops
        self._share = transactions_per_message
        self._topic = f"bench.stream.{uuid4().hex[:8]}"

    async def per_second(self, tokens: int, *, at_once: int) -> float:
        """Tokens that went all the way, by second, with so many under way at any moment."""
        admin = AIOKafkaAdminClient(**self._kafka)
        await admin.start()
        await admin.create_topics([NewTopic(self._topic, self.PARTITIONS, 1)])
        pool = await asyncpg.create_pool(self._database_url, min_size=self.CONNECTIONS, max_size=self.CONNECTIONS)
        producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **self._kafka)
        await producer.start()
        try:
            await pool.execute(TABLE)
            async with _consumer(self._topic, self._kafka) as consumer:
                began = time.perf_counter()
                await self._run(consumer, producer, pool, tokens, at_once)
                return tokens / (time.perf_counter() - began)
        finally:
            await producer.stop()
            await pool.execute("drop table bench_floor")
            await pool.close()
            await admin.delete_topics([self._topic])
            await admin.close()

    async def _run(
        self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, pool: Any, tokens: int, at_once: int
    ) -> None:
        body = b"x" * 400
        started, ended, owed = min(at_once, tokens), 0, 0.0
        for token in range(started):
            await producer.send(self._topic, b"1 " + body, key=b"%d" % token)
        while ended < tokens:
            polled = await consumer.getmany(timeout_ms=1000)
            found = [record for records in polled.values() for record in records]
            owed += len(found) * self._share
            work, owed = int(owed), owed % 1
            await asyncio.gather(*(pool.execute(INSERT, body.decode()) for _ in range(work)))
            for record in found:
                hop, key = int(record.value.split(b" ", 1)[0]) + 1, record.key
                if hop > self._hops:
                    ended += 1
                    if started == tokens:
                        continue
                    hop, key = 1, b"%d" % started
                    started += 1
                await producer.send(self._topic, b"%d " % hop + body, key=key)
