"""Publishes what chargers say and what becomes of commands, with ids that a repetition repeats."""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID, uuid5

import structlog

from chassis.clock import Clock
from chassis.publisher import PublishFailedError
from chassis.tasks import delays
from chassis.trace import current_traceparent
from contracts import topics
from contracts.envelope import Envelope, Message, derived_id, service_source
from contracts.ocpp import Answer, ChargerConnected, ChargerDisconnected
from contracts.topics import Topic
from ocpp_bridge.handling import Said

log = structlog.stdlib.get_logger(__name__)

SOURCE = service_source(topics.Service.OCPP_BRIDGE.value)
NAMESPACE = UUID("6f0c7f0b-5d0e-4c43-9d0e-0d6a1b1f7a52")
"""Under which the ids of what this service observes are made."""


class Publisher(Protocol):
    """What is needed of `chassis.publisher.Publisher`."""

    def publish_nowait(self, topic: Topic, envelope: Envelope[Any]) -> asyncio.Future[None]:
        """Hands the message over; the future is done when Kafka has it, or raises PublishFailedError."""
        ...

    async def publish(self, topic: Topic, envelope: Envelope[Any]) -> None:
        """Returns when Kafka has the message. Raises PublishFailedError when it has not said so in time."""
        ...


class Publishing:
    """The three topics that the bridge writes."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock

    async def observations(self, said: Iterable[Said], frame: bytes) -> None:
        """Returns when Kafka has all of it, so that the charger may be told that we have it.

        Ids derive from charger, epoch and frame, and so from its messageId; or from the fact, where that has a name.
        Raises PublishFailedError: then the charger must be left without an answer, and will say it again.
        """
        under_way = []
        for index, one in enumerate(said):
            observed = one.observation
            name = one.fact or f"{observed.epoch} {index} {frame.decode(errors='replace')}"
            envelope = self._envelope(uuid5(NAMESPACE, f"{observed.charger_id} {name}"), observed)
            under_way.append(self._publisher.publish(topics.OCPP_OBSERVATIONS, envelope))
        if len(under_way) == 1:
            await under_way[0]
        else:
            await asyncio.gather(*under_way)

    async def connectivity(self, event: ChargerConnected | ChargerDisconnected) -> None:
        """Returns when Kafka has it; tries until then."""
        kind = "opened" if isinstance(event, ChargerConnected) else "ended"
        cause = uuid5(NAMESPACE, f"{event.charger_id} session {event.epoch}")
        await self._until_published(topics.OCPP_CONNECTIVITY, self._envelope(derived_id(cause, kind), event))

    async def answer(self, answer: Answer) -> None:
        """Returns when Kafka has it; tries until then."""
        envelope = self._envelope(derived_id(answer.attempt_id, answer.wire_type), answer)
        await self._until_published(topics.OCPP_ANSWERS, envelope)

    async def _until_published(self, topic: Topic, envelope: Envelope[Message]) -> None:
        for delay in delays(0.2):
            try:
                await self._publisher.publish(topic, envelope)
            except PublishFailedError as error:
                log.warning("not published yet", topic=topic.name, type=envelope.type, why=str(error))
                await asyncio.sleep(delay)
            else:
                return

    def _envelope(self, identity: UUID, data: Message) -> Envelope[Message]:
        return Envelope(
            id=identity, source=SOURCE, time=self._clock.now(), data=data, traceparent=current_traceparent()
        )
