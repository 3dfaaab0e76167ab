"""What happens to the records of a topic: decode, claim, handle, commit; or keep aside, or try again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import structlog
from aiokafka import ConsumerRecord
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import dead_letters, failpoints, inbox
from chassis.database import Database, Transaction, Work, fetch
from chassis.dead_letters import BadMessage, DlqGuard, DlqLimit, TooManyDeadLettersError
from chassis.metrics import Metrics
from chassis.tasks import delays, wait_for
from chassis.trace import span
from contracts.envelope import Envelope, Message, Position
from contracts.registry import Known, Undecodable, Unknown, decode
from contracts.topics import Topic

log = structlog.stdlib.get_logger(__name__)

Handle = Callable[[AsyncSession, Envelope[Any]], Awaitable[None]]
HandleBatch = Callable[[AsyncSession, Sequence[Envelope[Any]]], Awaitable[None]]
HandleByDriver = Callable[[Transaction, Sequence[Envelope[Any]]], Awaitable[None]]
"""The same for who needs no session, only the driver's statements."""
W = TypeVar("W", AsyncSession, Transaction)
Locks = Callable[[Sequence[Envelope[Any]]], Sequence[str]]
"""Names of what a batch is about: no two transactions that name the same run at the same time."""

LONGEST_S = 120.0
"""How long a batch may take before the rest of it is given back."""
PATIENCE_S = 60.0
"""How long a record is tried before its batch is given back to be read again. Both together are well below the five
minutes after which Kafka takes the partitions away from a member that does not poll."""

_MOVE_CHECKPOINTS = """
    with before as (
        select partition, next_offset from checkpoints
         where consumer = $1 and topic = $2 and partition = any($3::int[]) order by partition for update
    ), moved as (
        insert into checkpoints as checkpoint (consumer, topic, partition, next_offset)
        select $1, $2, partition, next_offset from unnest($3::int[], $4::bigint[]) as row (partition, next_offset)
         order by partition
            on conflict (consumer, topic, partition) do update
           set next_offset = greatest(checkpoint.next_offset, excluded.next_offset), updated_at = clock_timestamp()
    ), locked as materialized (
        select pg_advisory_xact_lock(lock) from (
            select distinct hashtextextended(name, 0) as lock from unnest($5::text[]) as name order by 1
        ) as locks
    )
    select array(select partition from before) as partitions, array(select next_offset from before) as offsets,
           (select count(*) from locked) as locks
"""
"""Moves them forward, tells where they were, and locks what the batch is about: one round trip before the handler,
in the handler's transaction. Locks are taken in one order, so that two batches never wait for each other; what is read
after this statement is what others had committed when the locks were ours."""


def _about_batch(consumer: str, batch: Sequence[Envelope[Any]]) -> str:
    return ", ".join(f"{consumer} {said.type} {said.data.key()}" for said in batch)


def _is_before(said: Envelope[Any], applied: dict[int, int]) -> bool:
    where = said.position
    return where is not None and where.offset < applied.get(where.partition, 0)


class GiveBackError(Exception):
    """The batch was not handled to its end and is to be read again; `reason` says why, in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_about_the_data(error: BaseException) -> bool:
    """Whether the database refused a value as such (a NUL in a text, a number out of range): the same at every try."""
    if not isinstance(error, exc.DBAPIError) or error.connection_invalidated:
        return False
    state = getattr(error.orig, "sqlstate", None)
    cause = getattr(error.orig, "__cause__", None)
    return (isinstance(state, str) and state.startswith("22")) or type(cause).__name__ == "DataError"


class Processor:
    """Handles the records of one topic for one consumer.

    Failures are of two kinds. The message is bad: the handler raises BadMessage, or the database refuses a value, or
    the record can't be decoded; then it is kept aside and the next one follows. The world is bad, which is everything
    else: then the same record is tried again, with growing pauses, and at last its batch is given back. An error in
    the handler's own code is of the second kind: it stops the partition, loudly, instead of emptying it.
    """

    def __init__(
        self,
        topic: Topic,
        consumer: str,
        database: Database,
        metrics: Metrics,
        *,
        handle: Handle | None = None,
        handle_batch: HandleBatch | None = None,
        handle_by_driver: HandleByDriver | None = None,
        locks: Locks | None = None,
        limit: DlqLimit | None = None,
        patience: float = PATIENCE_S,
        longest: float = LONGEST_S,
    ) -> None:
        self.topic = topic
        self.consumer = consumer
        self.moved_at = time.monotonic()
        """When something last went on: a record began, was handled, or was tried again."""
        self.trouble: str | None = None
        self._database = database
        self._metrics = metrics
        self._handle = handle
        self._handle_batch = handle_batch
        self._handle_by_driver = handle_by_driver
        self._locks = locks
        self._limit = limit or DlqLimit()
        self._patience = patience
        self._longest = longest
        self._guards: dict[int, DlqGuard] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Makes `process` give back what it has not begun, at once."""
        self._stopping.set()

    @property
    def takes_all(self) -> bool:
        """Whether `process` wants the records of all partitions at once; otherwise those of one at a time."""
        return self._handle is None

    async def process(self, records: Sequence[ConsumerRecord]) -> None:
        """Handles records, in order within each partition. Raises GiveBackError when they are to be read again."""
        self._metrics.consumed.labels(self.topic.name).inc(len(records))
        if self.takes_all:
            await self._process_together(records)
            return
        give_back_at = time.monotonic() + self._longest
        for record in records:
            if time.monotonic() > give_back_at:
                raise GiveBackError(f"the batch took more than {self._longest:g} s; what was handled stays handled")
            await self._with_patience(record, partial(self._one, record))
        self.trouble = None

    async def _one(self, record: ConsumerRecord) -> None:
        match self._decode(record):
            case Known(envelope):
                with self._about(envelope, record):
                    await self._handle_once(envelope, record)
            case Unknown(type=name):
                self._skip_unknown(name, record)
            case Undecodable(why):
                await self._keep_aside(record, "undecodable", why)

    async def _handle_once(self, envelope: Envelope[Message], record: ConsumerRecord) -> None:
        assert self._handle is not None  # noqa: S101 for the type checker; `process` chose the other way otherwise
        began = time.perf_counter()
        try:
            async with self._database.begin() as session:
                fresh = await inbox.claim(session, consumer=self.consumer, message_id=envelope.id)
                if fresh:
                    await self._handle(session, envelope)
        except BadMessage as error:
            await self._keep_aside(record, "refused", f"{envelope.type}: {error}")
            return
        except exc.DBAPIError as error:
            if not is_about_the_data(error):
                raise
            await self._keep_aside(record, "refused", f"{envelope.type}: the database refuses a value: {error.orig}")
            return
        self._metrics.handling.labels(self.topic.name).observe(time.perf_counter() - began)
        if fresh:
            self._metrics.handled.labels(self.topic.name, envelope.type).inc()
        else:
            self._metrics.duplicates.labels(self.topic.name).inc()
        self._guard(record).good(record.offset)

    async def _process_together(self, records: Sequence[ConsumerRecord]) -> None:
        """All records in one transaction with the checkpoints; one by one, where that fails, to find the bad one."""
        known: list[Envelope[Message]] = []
        clean = True
        for record in records:
            match self._decode(record):
                case Known(envelope):
                    known.append(envelope)
                case Unknown(type=name):
                    self._skip_unknown(name, record)
                case Undecodable():
                    clean = False
        if clean and not self._stopping.is_set():
            try:
                await self._apply(records, known)
            except Exception as error:  # noqa: BLE001 one by one says which record it is, and waits if it is none
                self._metrics.retried.labels(self.topic.name).inc()
                log.warning("a batch failed, its records are tried one by one", topic=self.topic.name, why=repr(error))
            else:
                for record in records:
                    self._guard(record).good(record.offset)
                self.trouble = None
                self.moved_at = time.monotonic()
                return
        partitions: dict[int, list[ConsumerRecord]] = {}
        for record in records:
            partitions.setdefault(record.partition, []).append(record)
        results = await asyncio.gather(*(self._one_by_one(run) for run in partitions.values()), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result
        self.trouble = None

    async def _one_by_one(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            await self._with_patience(record, partial(self._apply_one, record))

    async def _apply_one(self, record: ConsumerRecord) -> None:
        match self._decode(record):
            case Known(envelope):
                with self._about(envelope, record):
                    try:
                        await self._apply([record], [envelope])
                    except BadMessage as error:
                        await self._keep_aside(record, "refused", f"{envelope.type}: {error}", checkpoint=True)
                    except exc.DBAPIError as error:
                        if not is_about_the_data(error):
                            raise
                        why = f"{envelope.type}: the database refuses a value: {error.orig}"
                        await self._keep_aside(record, "refused", why, checkpoint=True)
                    else:
                        self._guard(record).good(record.offset)
            case Unknown():
                await self._apply([record], [])
            case Undecodable(why):
                await self._keep_aside(record, "undecodable", why, checkpoint=True)

    async def _apply(self, records: Sequence[ConsumerRecord], envelopes: list[Envelope[Message]]) -> None:
        began = time.perf_counter()
        if self._handle_by_driver is not None:
            async with self._database.transaction() as transaction:
                fresh = await self._apply_in(transaction, records, envelopes, self._handle_by_driver)
        else:
            assert self._handle_batch is not None  # noqa: S101 for the type checker; see `takes_all`
            async with self._database.begin() as session:
                fresh = await self._apply_in(session, records, envelopes, self._handle_batch)
        failpoints.reach(failpoints.COMMITTED, partial(_about_batch, self.consumer, fresh))
        self._metrics.handling.labels(self.topic.name).observe(time.perf_counter() - began)
        for envelope in fresh:
            self._metrics.handled.labels(self.topic.name, envelope.type).inc()

    async def _apply_in(
        self,
        work: W,
        records: Sequence[ConsumerRecord],
        envelopes: list[Envelope[Message]],
        handle: Callable[[W, Sequence[Envelope[Any]]], Awaitable[None]],
    ) -> list[Envelope[Message]]:
        """What is fresh of these, and was handled."""
        locks = list(self._locks(envelopes)) if self._locks is not None else []
        applied = await self._move_checkpoints(work, records, locks)
        fresh = [said for said in envelopes if not _is_before(said, applied)]
        self._metrics.duplicates.labels(self.topic.name).inc(len(envelopes) - len(fresh))
        if fresh:
            await handle(work, fresh)
        failpoints.reach(failpoints.HANDLED, partial(_about_batch, self.consumer, fresh))
        return fresh

    async def _move_checkpoints(
        self, session: Work, records: Sequence[ConsumerRecord], locks: Sequence[str]
    ) -> dict[int, int]:
        """Claims these records for the session's transaction; returns up to where their partitions were applied."""
        ends = {record.partition: record.offset + 1 for record in records}
        (row,) = await fetch(
            session, _MOVE_CHECKPOINTS, self.consumer, records[0].topic, list(ends), list(ends.values()), locks
        )
        return dict(zip(row["partitions"], row["offsets"], strict=True))

    async def _with_patience(self, record: ConsumerRecord, attempt: Callable[[], Awaitable[None]]) -> None:
        give_back_at = time.monotonic() + self._patience
        for delay in delays():
            if self._stopping.is_set():
                raise GiveBackError("the service is stopping")
            self.moved_at = time.monotonic()
            try:
                await attempt()
            except TooManyDeadLettersError as error:
                self.trouble = str(error)
                log.error("consuming has stopped", topic=self.topic.name, partition=record.partition, why=str(error))  # noqa: TRY400 the words say it all
                await wait_for(self._stopping, at_most=self._patience)
                raise GiveBackError(str(error)) from error
            except Exception as error:
                self._metrics.retried.labels(self.topic.name).inc()
                self.trouble = f"{self.topic.name}/{record.partition} at {record.offset}: {error!r}"
                log.warning(
                    "a record could not be handled, trying again",
                    topic=self.topic.name,
                    partition=record.partition,
                    offset=record.offset,
                    again_in_s=round(delay, 2),
                    exc_info=error,
                )
                if time.monotonic() + delay > give_back_at:
                    raise GiveBackError(self.trouble) from error
                await wait_for(self._stopping, at_most=delay)
            else:
                self.moved_at = time.monotonic()
                return

    async def _keep_aside(self, record: ConsumerRecord, kind: str, why: str, *, checkpoint: bool = False) -> None:
        self._guard(record).bad(record.offset, why)
        async with self._database.begin() as session:
            await dead_letters.add(session, consumer=self.consumer, record=record, reason=why)
            if checkpoint:
                await self._move_checkpoints(session, [record], [])
        self._metrics.dead_lettered.labels(self.topic.name, kind).inc()
        log.error(
            "a record is kept aside",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            consumer=self.consumer,
            why=why,
        )

    def _decode(self, record: ConsumerRecord) -> Known | Unknown | Undecodable:
        position = Position(record.topic, record.partition, record.offset)
        return decode(self.topic, record.key, record.value, record.headers, position)

    def _skip_unknown(self, name: str, record: ConsumerRecord) -> None:
        self._metrics.unknown.labels(self.topic.name).inc()
        self._guard(record).good(record.offset)
        log.debug("a message of unknown type is skipped", type=name, topic=record.topic, offset=record.offset)

    def _guard(self, record: ConsumerRecord) -> DlqGuard:
        guard = self._guards.get(record.partition)
        if guard is None:
            guard = self._guards[record.partition] = DlqGuard(self._limit)
        return guard

    @contextmanager
    def _about(self, envelope: Envelope[Message], record: ConsumerRecord) -> Iterator[None]:
        about: dict[str, Any] = {
            "message_id": str(envelope.id),
            "message_type": envelope.type,
            "at": f"{record.topic}/{record.partition}/{record.offset}",
        }
        for name in ("attempt_id", "charger_id"):
            value = getattr(envelope.data, name, None)
            if value is not None:
                about[name] = str(value)
        with span(envelope.traceparent), structlog.contextvars.bound_contextvars(**about):
            yield
