"""The orchestrator with its own rights on a real Kafka and its own role in a real database: request, command, verdict."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from pydantic import Secret, SecretStr

from chassis import migrations
from chassis.app import Service
from chassis.clock import SystemClock
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.publisher import Publisher, PublishFailedError
from chassis.table import CompactedTable
from chassis.testing import eventually
from contracts import ocpp, topics
from contracts.auth import MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message
from contracts.fleet import ChargerRegistered
from contracts.restart import AttemptMoved, Cause, RequestRestart, Status
from contracts.topics import Topic
from contracts.words import REMOTE_RESTART, Plan, Role
from restart_orchestrator.app import build
from restart_orchestrator.hearing import EVIDENCE, KafkaEnds, are_read, partition_of
from restart_orchestrator.settings import Settings
from restart_orchestrator.tables import metadata

CLOCK = SystemClock()
PERSON, FEATURES = "ada", frozenset({REMOTE_RESTART})


class World:
    """The other services, each with its own rights in Kafka, and what they hear of the orchestrator."""

    def __init__(self, infrastructure: Any) -> None:
        self.charger = f"CHARGER-{uuid4().hex[:8]}"
        self.group = f"group-{uuid4().hex[:8]}"
        self.heard: list[Message] = []
        self._infrastructure = infrastructure
        self._metrics = Metrics("test", CollectorRegistry())
        self._publishers: dict[str, Publisher] = {}
        self._stack = AsyncExitStack()

    def connection(self, principal: str) -> KafkaConnection:
        access = self._infrastructure.kafka_access(principal)
        return KafkaConnection(access.bootstrap, access.username, access.password, client_id=principal)

    async def start(self) -> None:
        for reader, topic in (("portal", topics.RESTART_ATTEMPTS), ("ocpp-bridge", topics.OCPP_COMMANDS)):
            table = CompactedTable(self.connection(reader), topic, self._hear, self._metrics)
            await table.start()
            self._stack.push_async_callback(table.stop)

    async def stop(self) -> None:
        await self._stack.aclose()

    def _hear(self, envelope: Envelope[Message]) -> None:
        if getattr(envelope.data, "charger_id", None) == self.charger:
            self.heard.append(envelope.data)

    async def say(self, topic: Topic, message: Message) -> None:
        principal = topic.writer.value
        if principal not in self._publishers:
            publisher = Publisher(self.connection(principal), self._metrics)

            async def started() -> None:
                # A user that has just been made is known to the broker a moment later.
                try:
                    await publisher.start()
                except PublishFailedError as error:
                    raise AssertionError(str(error)) from error

            await eventually(started, within=30)
            self._stack.push_async_callback(publisher.stop)
            self._publishers[principal] = publisher
        await self._publishers[principal].publish(
            topic, Envelope(uuid4(), f"/services/{principal}", CLOCK.now(), message)
        )

    async def introduce(self) -> None:
        granted = MembershipGranted(group_id=self.group, user_id=PERSON, name="Ada", role=Role.ADMINISTRATOR, version=1)
        registered = ChargerRegistered(
            charger_id=self.charger, group_id=self.group, label="Quay", model="M", abilities=FEATURES, version=1
        )
        await self.say(topics.AUTH_MEMBERSHIPS, granted)
        await self.say(
            topics.BILLING_PLANS, PlanSet(group_id=self.group, plan=Plan.BUSINESS, features=FEATURES, version=1)
        )
        await self.say(topics.FLEET_CHARGERS, registered)
        await self.connect(1)

    async def connect(self, epoch: int) -> None:
        connected = ocpp.ChargerConnected(
            charger_id=self.charger, epoch=epoch, protocol="ocpp1.6", bridge="b", since=CLOCK.now()
        )
        await self.say(topics.OCPP_CONNECTIVITY, connected)

    def moves(self) -> list[AttemptMoved]:
        return [each for each in self.heard if isinstance(each, AttemptMoved)]

    def status(self) -> Status | None:
        return self.moves()[-1].status if self.moves() else None


@pytest.fixture
async def world(infrastructure: Any) -> AsyncIterator[World]:
    world = World(infrastructure)
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def service(infrastructure: Any, new_database: Any) -> AsyncIterator[Service]:
    """The service itself, in this process; quick to lose patience, and not before all of a test has been said."""
    roles = await infrastructure.provision_roles(await new_database())
    access = infrastructure.kafka_access("restart-orchestrator")
    settings = Settings(
        database_url=Secret(roles["restart_orchestrator"]),
        kafka_bootstrap_servers=access.bootstrap,
        kafka_username=access.username,
        kafka_password=SecretStr(access.password),
        drop_window_s=5,
        boot_window_s=60,
        grace_window_s=1,
    )
    service = build(settings)
    directory = migrations.directory_of("restart_orchestrator")
    await migrations.run("restart_orchestrator", metadata, directory, service.database.dsn)
    await service.start()
    yield service
    await service.shut_down()


async def known(service: Service, world: World) -> None:
    async def check() -> None:
        async with service.database.begin() as session:
            from restart_orchestrator import store

            standing = (await store.load_standings(session, [(world.charger, PERSON)]))[world.charger, PERSON]
        assert standing.situation.online
        assert standing.situation.role is Role.ADMINISTRATOR
        assert standing.situation.features
        assert standing.model

    await eventually(check, within=90)


async def ask(world: World) -> RequestRestart:
    request = RequestRestart(
        attempt_id=uuid4(), charger_id=world.charger, requested_by=PERSON, requested_at=CLOCK.now()
    )
    await world.say(topics.RESTART_REQUESTS, request)
    return request


async def test_a_request_becomes_a_command_and_what_is_seen_a_verdict(service: Service, world: World) -> None:
    await world.introduce()
    await known(service, world)
    request = await ask(world)

    def commanded() -> ocpp.ResetCharger:
        resets = [each for each in world.heard if isinstance(each, ocpp.ResetCharger)]
        assert len(resets) == 1
        return resets[0]

    reset = await eventually(commanded, within=60)
    assert (reset.attempt_id, reset.epoch) == (request.attempt_id, 1)
    accepted = ocpp.ResetAccepted(
        charger_id=world.charger,
        attempt_id=request.attempt_id,
        epoch=1,
        message_id="1",
        answer_epoch=1,
        answered_at=CLOCK.now(),
    )
    await world.say(topics.OCPP_ANSWERS, accepted)
    gone = ocpp.ChargerDisconnected(charger_id=world.charger, epoch=1, bridge="b", since=CLOCK.now(), why="lost")
    await world.say(topics.OCPP_CONNECTIVITY, gone)
    await world.connect(2)
    await world.say(topics.OCPP_OBSERVATIONS, ocpp.ChargerBooted(charger_id=world.charger, epoch=2))

    def restarted() -> None:
        assert world.status() is Status.RESTARTED

    await eventually(restarted, within=60)
    assert world.moves()[-1].verdict.missing == ()


async def test_a_charger_that_stays_has_ignored_it_once_all_that_was_said_is_read(
    service: Service, world: World
) -> None:
    await world.introduce()
    await known(service, world)
    request = await ask(world)
    sent = ocpp.ResetSent(
        charger_id=world.charger,
        attempt_id=request.attempt_id,
        epoch=1,
        message_id="1",
        sent_at=CLOCK.now(),
        frame="[2]",
    )
    await world.say(topics.OCPP_ANSWERS, sent)
    accepted = ocpp.ResetAccepted(
        charger_id=world.charger,
        attempt_id=request.attempt_id,
        epoch=1,
        message_id="1",
        answer_epoch=1,
        answered_at=CLOCK.now(),
    )
    await world.say(topics.OCPP_ANSWERS, accepted)

    def asked_for() -> ocpp.ProbeCharger:
        probes = [each for each in world.heard if isinstance(each, ocpp.ProbeCharger)]
        assert probes
        return probes[-1]

    def awaits_the_drop() -> None:
        assert world.status() is Status.AWAITING_DROP

    asked = await eventually(asked_for, within=60)
    await eventually(awaits_the_drop, within=60)  # it is told on another topic
    heard = ocpp.ChargerProbed(
        charger_id=world.charger, attempt_id=request.attempt_id, epoch=asked.epoch, heard_at=CLOCK.now()
    )
    await world.say(topics.OCPP_ANSWERS, heard)

    def ignored() -> None:
        assert world.status() is Status.NOT_RESTARTED

    await eventually(ignored, within=60)
    assert world.moves()[-1].verdict.cause is Cause.IGNORED


async def test_kafka_tells_how_far_there_is_to_read(infrastructure: Any, service: Service, world: World) -> None:
    await world.introduce()
    await known(service, world)
    partition = partition_of(world.charger)
    ends = KafkaEnds(world.connection("restart-orchestrator"))
    try:
        before = (await ends.ends([partition]))[partition]
        assert set(before) == {topic.name for topic in EVIDENCE}
        booted = ocpp.ChargerBooted(charger_id=world.charger, epoch=1)
        await world.say(topics.OCPP_OBSERVATIONS, booted)
        after = (await ends.ends([partition]))[partition]
        assert after[topics.OCPP_OBSERVATIONS.name] == before[topics.OCPP_OBSERVATIONS.name] + 1

        async def read() -> None:
            async with service.database.begin() as session:
                beyond = {topic: end + 1 for topic, end in after.items()}
                assert await are_read(session, ends, [(partition, after), (partition, beyond)]) == [True, False]

        await eventually(read, within=60)

        async def committed() -> None:
            assert await ends.committed(partition, after) == after

        await eventually(committed, within=60)
    finally:
        await ends.stop()
