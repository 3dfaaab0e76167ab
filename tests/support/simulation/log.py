"""Kafka as far as its readers notice: ordered partitions, lagging readers, acknowledgements that get lost."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from chassis.publisher import PublishFailedError
from contracts import topics
from contracts.envelope import Envelope, Position
from contracts.topics import Topic
from restart_orchestrator.hearing import partition_of
from simulation.loop import OUTSIDE, Process, VirtualLoop

PUBLISH_WITHIN_S = 8.0
"""After this time a publisher is told that Kafka has not taken a message, which may still be on its way."""

GIVEN_UP = 0.5
"""So many of those never arrive."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record, and the moment from which it was there."""

    envelope: Envelope[Any]
    at: float


Place = tuple[str, int]
"""A topic's name and a partition."""


class Log:
    """All partitions of all topics.

    Attributes:
        down_until: Kafka takes nothing and gives nothing until that moment.
        deaf: (reader, topic) to the moment until which that reader gets nothing of that topic.
        twice: so many of the next records are written twice, for instance because an acknowledgement was lost.
        heard: told of every record that is written.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._records: dict[Place, list[Record]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._last: dict[tuple[str, Place], float] = {}
        self.down_until = 0.0
        self.deaf: dict[tuple[str, str], float] = {}
        self.twice = 0
        self.heard: list[Callable[[Record], None]] = []

    def partition(self, topic: Topic, envelope: Envelope[Any]) -> int:
        """By the charger, where the topic is keyed by it; all others have one partition here."""
        return partition_of(envelope.subject) if topic in CHARGER_KEYED else 0

    def records(self, topic: str, partition: int) -> list[Record]:
        return self._records.setdefault((topic, partition), [])

    def all(self, topic: Topic) -> list[Record]:
        """Every record of a topic, partition by partition."""
        return [record for place, found in sorted(self._records.items()) if place[0] == topic.name for record in found]

    def append(self, topic: Topic, envelope: Envelope[Any]) -> None:
        """Writes a record, at once."""
        partition = self.partition(topic, envelope)
        records = self.records(topic.name, partition)
        position = Position(topic.name, partition, len(records))
        record = Record(replace(envelope, position=position), self._loop.time())
        records.append(record)
        for told in self.heard:
            told(record)
        self.wake()

    def wake(self) -> None:
        """Has all readers look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def changed(self) -> None:
        """Returns when there may be more to read."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        await future

    def publish(self, writer: str, topic: Topic, envelope: Envelope[Any]) -> asyncio.Future[None]:
        """Sends a record on its way; the future is done when the writer is told that Kafka has it.

        It arrives whatever becomes of the writer, after what the same writer sent before; unless the writer is told
        that it did not, which may be true or not.
        """
        random = self._loop.random
        told: asyncio.Future[None] = self._loop.create_future()
        place = (writer, (topic.name, self.partition(topic, envelope)))
        now = self._loop.time()
        arrives = max(now + random.uniform(0.0005, 0.004), self._last.get(place, 0.0))
        if arrives < self.down_until:
            arrives = self.down_until + random.uniform(0.0, 0.5)
        self._last[place] = arrives
        times = 1
        if self.twice > 0:
            self.twice -= 1
            times = 2

        if arrives - now > PUBLISH_WITHIN_S:
            self._loop.call_later(PUBLISH_WITHIN_S, _failed, told, context=OUTSIDE)
            if random.random() < GIVEN_UP:
                return told

        def arrive() -> None:
            for _ in range(times):
                self.append(topic, envelope)
            self._loop.call_later(random.uniform(0.0005, 0.003), _done, told, context=OUTSIDE)

        self._loop.call_at(arrives, arrive, context=OUTSIDE)
        return told

    def reader(self, name: str, topic: Topic, partition: int, *, position: int) -> "Reader":
        """A reader of one partition from there on."""
        return Reader(self, self._loop, name, topic, partition, position)


def _done(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


def _failed(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_exception(PublishFailedError("Kafka has not taken it in time"))
        told.exception()


CHARGER_KEYED = frozenset(
    {
        topics.OCPP_ANSWERS,
        topics.OCPP_COMMANDS,
        topics.OCPP_CONNECTIVITY,
        topics.OCPP_OBSERVATIONS,
        topics.RESTART_ATTEMPTS,
        topics.RESTART_REQUESTS,
    }
)


class Reader:
    """Reads one partition, a little late, and sometimes much."""

    def __init__(self, log: Log, loop: VirtualLoop, name: str, topic: Topic, partition: int, position: int) -> None:
        self._log = log
        self._loop = loop
        self._name = name
        self._topic = topic
        self._records = log.records(topic.name, partition)
        self.position = position

    async def poll(self, *, at_most: int) -> list[Record]:
        """The next records; waits until there are some."""
        while True:
            until = max(self._log.down_until, self._log.deaf.get((self._name, self._topic.name), 0.0))
            if until > self._loop.time():
                await asyncio.sleep(until - self._loop.time())
            elif self.position < len(self._records):
                await asyncio.sleep(self._loop.random.uniform(0.0005, 0.01))
                until = max(self._log.down_until, self._log.deaf.get((self._name, self._topic.name), 0.0))
                if until <= self._loop.time():
                    found = self._records[self.position : self.position + at_most]
                    self.position += len(found)
                    return found
            else:
                await self._log.changed()


class ProcessPublisher:
    """What a bridge publishes with."""

    def __init__(self, log: Log, process: Process) -> None:
        self._log = log
        self._process = process

    def publish_nowait(self, topic: Topic, envelope: Envelope[Any]) -> asyncio.Future[None]:
        return self._log.publish(self._process.name, topic, envelope)

    async def publish(self, topic: Topic, envelope: Envelope[Any]) -> None:
        await self._log.publish(self._process.name, topic, envelope)
