"""Publishing without a transaction, for what has no state to be atomic with: done when Kafka has it."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis.kafka import KafkaConnection, discard_producer, has_died, stop_producer
from chassis.metrics import Metrics
from chassis.tasks import delays
from contracts.envelope import Envelope
from contracts.registry import Record, encode
from contracts.topics import Topic

log = structlog.stdlib.get_logger(__name__)

WITHIN_S = 10.0
MAX_WAITING = 20_000
"""Messages that wait to be handed to the client, of all topics; more are refused at once."""


class PublishFailedError(Exception):
    """Kafka did not say that it has the message. It may have it all the same: publish again, with the same id."""


class Publisher:
    """Publishes and waits for the acknowledgement of all replicas.

    Many calls may be under way at once; messages of one topic are handed over in the order of the calls, so messages
    of one key keep it.
    """

    def __init__(self, kafka: KafkaConnection, metrics: Metrics, *, within: float = WITHIN_S) -> None:
        self._kafka = kafka
        self._metrics = metrics
        self._within = within
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[str, deque[tuple[Record, asyncio.Future[None], float]]] = {}
        self._waiting = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._refused_at: float | None = None
        self._why = "the publisher has not started"

    async def start(self) -> None:
        """Connects. Raises PublishFailedError, in words, when Kafka is away or refuses us."""
        producer = self._kafka.idempotent_producer()
        try:
            await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await stop_producer(producer)
            raise PublishFailedError(await self._kafka.explain(error)) from error
        self._producer, self._refused_at = producer, None

    async def stop(self, *, within: float = 2.0) -> None:
        """Delivers what was accepted, for up to `within` seconds."""
        if self._producer is None:
            return
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)
        producer, self._producer = self._producer, None
        await stop_producer(producer, within=within)
        self._why = "the publisher has stopped"

    def trouble(self) -> str | None:
        """Why publishing fails at the moment, in words. A readiness check."""
        if self._producer is None or self._refused_at is not None:
            return self._why
        return None

    async def publish(self, topic: Topic, envelope: Envelope[Any]) -> None:
        """Returns when Kafka has the message. Raises PublishFailedError when it has not said so in time."""
        future = self.publish_nowait(topic, envelope)
        try:
            async with asyncio.timeout(self._within):
                await asyncio.shield(future)
        except TimeoutError as error:
            future.add_done_callback(_look_away)
            self._refuse(
                f"Kafka at {self._kafka.bootstrap_servers} has not acknowledged {envelope.type} on {topic.name} "
                f"within {self._within:g} s; it may still arrive"
            )
            raise PublishFailedError(self._why) from error

    def publish_nowait(self, topic: Topic, envelope: Envelope[Any]) -> asyncio.Future[None]:
        """Hands the message over; the future is done when Kafka has it, or raises PublishFailedError.

        Raises PublishFailedError at once when the publisher is not running or holds too much already, and ValueError
        when the topic does not carry such messages.
        """
        record = encode(topic, envelope)
        if self._producer is None:
            raise PublishFailedError(self._why)
        if self._waiting >= MAX_WAITING:
            raise PublishFailedError(f"{self._waiting} messages wait for Kafka already; is it away?")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane = self._lanes.get(topic.name)
        self._waiting += 1
        if lane is not None:
            lane.append((record, future, time.monotonic()))
        else:
            self._lanes[topic.name] = deque([(record, future, time.monotonic())])
            self._start(self._hand_over(topic.name, self._producer))
        return future

    async def _hand_over(self, topic: str, producer: AIOKafkaProducer) -> None:
        lane = self._lanes[topic]
        while lane:
            record, future, began = lane.popleft()
            self._waiting -= 1
            try:
                sent = await producer.send(topic, record.value, key=record.key, headers=list(record.headers))
            except Exception as error:  # noqa: BLE001 every failure belongs to its future
                self._start(self._fail(future, error, producer))
            else:
                sent.add_done_callback(partial(self._settle, future, topic, began, producer))
        del self._lanes[topic]

    def _settle(
        self,
        future: asyncio.Future[None],
        topic: str,
        began: float,
        producer: AIOKafkaProducer,
        sent: asyncio.Future[Any],
    ) -> None:
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if error is not None:
            self._start(self._fail(future, error, producer))
            return
        self._refused_at = None
        self._metrics.published.labels(topic).inc()
        self._metrics.publishing.labels(topic).observe(time.monotonic() - began)
        if not future.done():
            future.set_result(None)

    async def _fail(self, future: asyncio.Future[None], error: BaseException, producer: AIOKafkaProducer) -> None:
        self._refuse(await self._kafka.explain(error))
        if not future.done():
            failure = PublishFailedError(self._why)
            failure.__cause__ = error
            future.set_exception(failure)
        if has_died(producer) and producer is self._producer:
            await self._renew(producer)

    async def _renew(self, producer: AIOKafkaProducer) -> None:
        """Replaces a producer that has given up, as it does when Kafka and it disagree on what was written."""
        self._producer = None
        log.error("the producer has given up and is replaced", why=self._why)
        await discard_producer(producer)
        for delay in delays(0.1):
            try:
                await self.start()
            except PublishFailedError as error:
                self._refuse(str(error))
                await asyncio.sleep(delay)
            else:
                return

    def _refuse(self, why: str) -> None:
        if self._refused_at is None or why != self._why:
            log.warning("publishing fails", why=why)
        self._refused_at, self._why = time.monotonic(), why

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


def _look_away(future: asyncio.Future[None]) -> None:
    """Nobody waits for this one any more; its outcome is not to be reported as forgotten."""
    if not future.cancelled():
        future.exception()
