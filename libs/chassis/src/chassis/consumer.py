"""The one way to subscribe: a consumer group per topic, whole batches, offsets committed some time after the work."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from chassis.database import Database
from chassis.dead_letters import BadMessage, DlqLimit
from chassis.health import Health
from chassis.kafka import FETCH_WAIT_MS, REQUEST_TIMEOUT_MS, KafkaConnection
from chassis.metrics import Metrics
from chassis.processing import GiveBackError, Handle, HandleBatch, HandleByDriver, Locks, Processor
from chassis.tasks import background, cancel
from contracts.topics import Topic

__all__ = ["BadMessage", "Consumers", "DlqLimit", "subscribe", "subscribe_batch"]

log = structlog.stdlib.get_logger(__name__)

MAX_RECORDS = 200
POLL_MS = 1000
PAUSE_S = 1.0
AT_ONCE = 4
"""Partitions of one poll that are worked on at the same time, where each is worked on by itself."""
COMMIT_S = 1.0
"""Offsets go to Kafka so often. The tables know what was handled: a record that comes again is recognised."""
COMMIT_WITHIN_S = 2.0
LOOK_S = 10.0
"""How often the distance to the end is measured."""
DEAF_S = 60.0
"""Records wait and nothing went on for this long: the consumer has stopped without saying so."""


class _Batch(KafkaAckableMessage):
    """The records of one poll; the subscription commits them, together with those of other polls."""

    def __init__(self, records: tuple[ConsumerRecord, ...], subscription: "Subscription") -> None:
        super().__init__(
            body=b"", raw_message=records, consumer=subscription.consumer, message_id="", correlation_id=""
        )
        self._subscription = subscription
        self._records = records

    async def ack(self) -> None:
        if not self.committed:
            await self._subscription.handled(self._records)
        await super(KafkaAckableMessage, self).ack()


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Remembers whether the group has answered: with no partition at all, perhaps, if there are more members."""

    def __init__(self, topic: str, commit: Callable[[], Awaitable[None]]) -> None:
        self.topic = topic
        self.joined = False
        self._commit = commit

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if revoked:
            await self._commit()
            log.info("partitions taken back", topic=self.topic, partitions=sorted(tp.partition for tp in revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.joined = True
        log.info("partitions assigned", topic=self.topic, partitions=sorted(tp.partition for tp in assigned))


class Subscription:
    """One topic read by one consumer group, with what is known of its progress."""

    def __init__(self, processor: Processor, group: str, broker: KafkaBroker, kafka: KafkaConnection) -> None:
        self.processor = processor
        self.group = group
        self._kafka = kafka
        self._trouble: str | None = None
        self._assignments = _Assignments(processor.topic.name, self.commit)
        self._lag = 0
        self._measured_at: float | None = None
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._handled: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None
        self._stopping = False
        subscriber = broker.subscriber(
            processor.topic.name,
            group_id=group,
            group_instance_id=kafka.instance_id,
            batch=True,
            max_records=MAX_RECORDS,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            listener=self._assignments,
            parser=self._parse,
            decoder=_as_it_is,
            no_reply=True,
        )
        assert isinstance(subscriber, BatchSubscriber)  # noqa: S101 what batch=True makes
        self._subscriber = subscriber
        # FastStream answers an empty poll by sleeping as long again, deaf; a long poll wakes as soon as there is data.
        setattr(subscriber, "get_msg", self._poll)  # noqa: B010 a method of this one instance
        subscriber(self._on_batch)

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        try:
            polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        except KafkaError as error:
            why = await self._kafka.explain(error)
            if why != self._trouble:
                log.warning("reading is interrupted", topic=self.processor.topic.name, why=why)
            self._trouble = why
            await asyncio.sleep(PAUSE_S)
            return ()
        self._trouble = None
        return tuple(record for records in polled.values() for record in records)

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """Kafka's side of this subscription; None until it is started."""
        return self._subscriber.consumer

    async def _parse(self, records: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        """The batch as FastStream needs it to acknowledge it; FastStream's own would choke on a header not UTF-8."""
        return _Batch(records, self)

    async def handled(self, records: Sequence[ConsumerRecord]) -> None:
        """Remembers that these need not be read again, and has Kafka told so within a second; at once at the end."""
        for record in records:
            self._handled[TopicPartition(record.topic, record.partition)] = record.offset + 1
        if self._stopping:
            await self.commit()
        elif self._committing is None or self._committing.done():
            self._committing = background(self._commit_later(), f"commit-{self.group}")

    async def stop(self) -> None:
        """Gives back what is not begun, and commits what is handled; from now on at once."""
        self._stopping = True
        self.processor.stop()
        await cancel(self._committing)
        await self.commit()
        if self.consumer is not None:
            # The client never takes leave of a group that knows it by name: then nobody would read for ten seconds,
            # where no process of this name comes back.
            self.consumer._coordinator._group_instance_id = None  # noqa: SLF001 it has no other way

    async def _commit_later(self) -> None:
        while self._handled:
            await asyncio.sleep(COMMIT_S)
            await self.commit()

    async def commit(self) -> None:
        """Tells Kafka what is handled of the partitions that are still ours. What it does not take comes again."""
        consumer = self.consumer
        if consumer is None:
            return
        ours = consumer.assignment()
        offsets = {place: offset for place, offset in self._handled.items() if place in ours}
        self._handled = {}
        if not offsets:
            return
        try:
            async with asyncio.timeout(COMMIT_WITHIN_S):
                await consumer.commit(offsets)
        except (KafkaError, TimeoutError, OSError) as error:
            self._handled = offsets | self._handled
            log.info("offsets could not be committed yet", topic=self.processor.topic.name, why=repr(error))

    async def _on_batch(self, records: tuple[ConsumerRecord, ...]) -> None:
        runs: list[Sequence[ConsumerRecord]] = [records]
        if not self.processor.takes_all:
            runs = [list(run) for _, run in groupby(records, key=lambda record: record.partition)]
        results = await asyncio.gather(*(self._process(run) for run in runs), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if not failures:
            return
        for failure in failures:
            if not isinstance(failure, GiveBackError):
                log.error("a batch failed", topic=self.processor.topic.name, exc_info=failure)
                # What is given back comes again at once, for ever.
                await asyncio.sleep(PAUSE_S)
        log.warning("a batch is given back", topic=self.processor.topic.name, why=str(failures[0]))
        raise NackMessage

    async def _process(self, records: Sequence[ConsumerRecord]) -> None:
        async with self._limit:
            await self.processor.process(records)

    async def measure(self, metrics: Metrics) -> None:
        """Asks Kafka for the ends of the assigned partitions and compares them with our positions."""
        consumer: AIOKafkaConsumer | None = self._subscriber.consumer
        if consumer is None:
            return
        assigned = sorted(consumer.assignment())
        lag = 0
        if assigned:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(assigned)
            for tp, end in ends.items():
                behind = max(0, end - await consumer.position(tp))
                metrics.lag.labels(tp.topic, str(tp.partition)).set(behind)
                lag += behind
        if lag == 0 or self._lag == 0:
            self.processor.moved_at = max(self.processor.moved_at, time.monotonic() - LOOK_S)
        self._lag = lag
        self._measured_at = time.monotonic()

    def not_ready(self) -> str | None:
        """Why records of this topic are not being handled; None when they are."""
        if self._trouble is not None:
            return self._trouble
        if not self._assignments.joined:
            return f"the group {self.group} has not been joined yet"
        if self._measured_at is not None and time.monotonic() - self._measured_at > 3 * LOOK_S:
            return f"Kafka has not answered for {time.monotonic() - self._measured_at:.0f} s"
        return self.processor.trouble

    def not_live(self) -> str | None:
        """Why only a new process would go on reading; None while this one does."""
        silent = time.monotonic() - self.processor.moved_at
        if self._lag > 0 and silent > DEAF_S:
            return f"{self._lag} records wait and none was handled for {silent:.0f} s"
        return None


async def _as_it_is(message: KafkaMessage) -> tuple[ConsumerRecord, ...]:
    """Hands over raw records: they are decoded one by one, by the contracts' registry."""
    records: tuple[ConsumerRecord, ...] = message.raw_message
    return records


class Consumers:
    """All subscriptions of one service."""

    def __init__(
        self, service: str, database: Database, kafka: KafkaConnection, metrics: Metrics, health: Health
    ) -> None:
        self._service = service
        self._database = database
        self._kafka = kafka
        self._metrics = metrics
        self._health = health
        self._subscriptions: list[Subscription] = []
        self._watch: asyncio.Task[None] | None = None
        self._broker = KafkaBroker(
            kafka.bootstrap_servers,
            client_id=kafka.client_id,
            security=kafka.security(),
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=8.0,
            logger=logging.getLogger("faststream"),
            log_level=logging.DEBUG,
            apply_types=False,
        )

    def subscribe(
        self, topic: Topic, handle: Handle, *, consumer: str | None = None, limit: DlqLimit | None = None
    ) -> Subscription:
        """Has every message of the topic handled once, each in a transaction of its own, in order per partition.

        Args:
            topic: what to read, from its earliest record when the group is new.
            handle: called with the session of the transaction, in which the message is claimed already. It raises
                BadMessage when the message can never be handled.
            consumer: the group, and the name in the inbox; `<service>.<topic>` unless given. A new name starts over.
            limit: how many records may be kept aside before consuming stops.
        """
        group = consumer or f"{self._service}.{topic.name}"
        return self._add(Processor(topic, group, self._database, self._metrics, handle=handle, limit=limit), group)

    def subscribe_batch(
        self,
        topic: Topic,
        handle_batch: HandleBatch,
        *,
        locks: Locks | None = None,
        consumer: str | None = None,
        limit: DlqLimit | None = None,
    ) -> Subscription:
        """Has the messages of each poll applied in one transaction, together with checkpoints.

        For projections: there is no inbox, so the same message id may come twice if its writer repeated it; the
        handler guards by version. When a batch fails, its records are tried one by one. `locks` names what a batch is
        about; batches and whoever else names the same wait for each other. See `subscribe`.
        """
        group = consumer or f"{self._service}.{topic.name}"
        processor = Processor(
            topic, group, self._database, self._metrics, handle_batch=handle_batch, locks=locks, limit=limit
        )
        return self._add(processor, group)

    def subscribe_by_driver(self, topic: Topic, handle: HandleByDriver, *, locks: Locks | None = None) -> Subscription:
        """`subscribe_batch` for a handler that needs the driver's statements only, on the way of a command."""
        group = f"{self._service}.{topic.name}"
        processor = Processor(topic, group, self._database, self._metrics, handle_by_driver=handle, locks=locks)
        return self._add(processor, group)

    def _add(self, processor: Processor, group: str) -> Subscription:
        if any(known.group == group for known in self._subscriptions):
            raise ValueError(f"there is a subscription of the group {group} already")
        subscription = Subscription(processor, group, self._broker, self._kafka)
        self._subscriptions.append(subscription)
        self._health.add_ready(f"consumer {group}", subscription.not_ready)
        self._health.add_live(f"consumer {group}", subscription.not_live)
        return subscription

    async def start(self) -> None:
        """Joins the groups. Raises a Kafka error when Kafka is away or refuses us."""
        if not self._subscriptions:
            return
        try:
            await self._broker.start()
        except BaseException:
            await self._broker.stop()
            raise
        self._watch = background(self._measure(), "consumer-lag")

    async def stop(self) -> None:
        """Finishes the records at hand, commits, and leaves the groups. What was not begun is left to be read again."""
        await asyncio.gather(*(subscription.stop() for subscription in self._subscriptions))
        await cancel(self._watch)
        await self._broker.stop()

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for subscription in self._subscriptions:
                with suppress(KafkaError, TimeoutError, OSError):
                    async with asyncio.timeout(LOOK_S):
                        await subscription.measure(self._metrics)


class HasConsumers(Protocol):
    """A service, to the functions below."""

    @property
    def consumers(self) -> Consumers: ...


def _consumers(owner: HasConsumers | Consumers) -> Consumers:
    return owner if isinstance(owner, Consumers) else owner.consumers


def subscribe(owner: HasConsumers | Consumers, topic: Topic, handle: Handle, **options: Any) -> Subscription:
    """See `Consumers.subscribe`."""
    return _consumers(owner).subscribe(topic, handle, **options)


def subscribe_batch(
    owner: HasConsumers | Consumers, topic: Topic, handle_batch: HandleBatch, **options: Any
) -> Subscription:
    """See `Consumers.subscribe_batch`."""
    return _consumers(owner).subscribe_batch(topic, handle_batch, **options)


def subscribe_by_driver(
    owner: HasConsumers | Consumers, topic: Topic, handle: HandleByDriver, **options: Any
) -> Subscription:
    """See `Consumers.subscribe_by_driver`."""
    return _consumers(owner).subscribe_by_driver(topic, handle, **options)
