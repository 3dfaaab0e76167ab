"""Publishes what chargers say and what becomes of commands, with ids that a repetition repeats."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid5

import structlog

from chassis import failpoints
from chassis.clock import Clock
from chassis.publisher import WITHIN_S, PublishFailedError
from chassis.tasks import delays
from chassis.trace import current_traceparent
from contracts import topics
from contracts.calls import CallEnded, PasswordAccepted
from contracts.envelope import Envelope, Message, derived_id, service_source
from contracts.ocpp import Answer, ChargerConnected, ChargerDisconnected, ConnectionRefused, StrangerRefused
from contracts.topics import Topic
from ocpp_bridge.deadlines import Deadlines
from ocpp_bridge.handling import Said
from ocpp_bridge.redaction import shown

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
    """The topics that the bridge writes."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._deadlines = Deadlines(WITHIN_S, _too_late)

    def observations(self, said: Sequence[Said], frame: bytes) -> asyncio.Future[Any]:
        """Done when Kafka has all of it, so that the charger may be told that we have it.

        Ids derive from charger, epoch and frame, and so from its messageId; or from the fact, where that has a name.
        The future, or this call itself, raises PublishFailedError: then the charger must be left without an answer, and
        will say it again.
        """
        failpoints.reach(failpoints.OBSERVATION_HEARD, partial(about, said))
        sent = shown(frame)
        under_way = []
        for index, one in enumerate(said):
            observed = one.observation.model_copy(update={"frame": sent})
            name = one.fact or f"{observed.epoch} {index} {frame.decode(errors='replace')}"
            envelope = self._envelope(uuid5(NAMESPACE, f"{observed.charger_id} {name}"), observed)
            future = self._publisher.publish_nowait(topics.OCPP_OBSERVATIONS, envelope)
            self._deadlines.add(future)
            under_way.append(future)
        return under_way[0] if len(under_way) == 1 else asyncio.gather(*under_way)

    def connectivity_soon(self, event: ChargerConnected | ChargerDisconnected) -> asyncio.Future[None]:
        """Done when Kafka has it. The future, or this call itself, raises PublishFailedError."""
        future = self._publisher.publish_nowait(topics.OCPP_CONNECTIVITY, self._connectivity(event))
        self._deadlines.add(future)
        return future

    async def connectivity(self, event: ChargerConnected | ChargerDisconnected) -> None:
        """Returns when Kafka has it; tries until then. Repeated, it has the same id."""
        await self._until_published(topics.OCPP_CONNECTIVITY, self._connectivity(event))

    async def answer(self, answer: Answer) -> None:
        """Returns when Kafka has it; tries until then."""
        name = f"{answer.wire_type} {answer.escalation}" if answer.escalation else answer.wire_type
        envelope = self._envelope(derived_id(answer.attempt_id, name), answer)
        await self._until_published(topics.OCPP_ANSWERS, envelope)

    async def call_ended(self, ended: CallEnded) -> None:
        """Returns when Kafka has it; tries until then."""
        envelope = self._envelope(derived_id(ended.call_id, "ended"), ended)
        await self._until_published(topics.OCPP_CALL_RESULTS, envelope)

    async def refusal(self, event: ConnectionRefused | StrangerRefused) -> None:
        """Returns when Kafka has it. Raises PublishFailedError."""
        topic, named_by = topics.OCPP_STRANGERS, ""
        if isinstance(event, ConnectionRefused):
            topic, named_by = topics.OCPP_OBSERVATIONS, event.named_by
        what = f"{event.why} {event.cause} {named_by} {event.address} {event.last_at.isoformat()}"
        await self._publisher.publish(topic, self._envelope(uuid5(NAMESPACE, f"{event.key()} refused {what}"), event))

    async def password_accepted(self, event: PasswordAccepted) -> None:
        """Returns when Kafka has it. Raises PublishFailedError. Told again, it has the same id."""
        envelope = self._envelope(derived_id(event.call_id, f"accepted {event.replaces}"), event)
        await self._publisher.publish(topics.OCPP_CREDENTIAL_CHANGES, envelope)

    def _connectivity(self, event: ChargerConnected | ChargerDisconnected) -> Envelope[Message]:
        kind = "opened" if isinstance(event, ChargerConnected) else "ended"
        cause = uuid5(NAMESPACE, f"{event.charger_id} session {event.epoch}")
        return self._envelope(derived_id(cause, kind), event)

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


def _too_late() -> PublishFailedError:
    return PublishFailedError(f"Kafka has not acknowledged it within {WITHIN_S:g} s; it may still arrive")


def about(said: Iterable[Said]) -> str:
    """What is said, and of whom, in a line."""
    return ", ".join(f"{one.observation.wire_type} {one.observation.charger_id}" for one in said)
