"""Bridges as processes of their own, on a real Kafka and a real PostgreSQL, and what stands around them."""

import hmac
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from chassis import migrations
from chassis.clock import SystemClock
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.publisher import Publisher, PublishFailedError
from chassis.table import CompactedTable
from chassis.testing import eventually
from contracts import topics
from contracts.calls import CallCharger
from contracts.envelope import Envelope
from contracts.fleet import CredentialSet
from contracts.ocpp import ResetCharger, StrangerRefused
from ocpp_bridge.tables import metadata
from ops.embedded.preloaded import launch_of
from ops.embedded.processes import Process, Program

PASSWORD = b"0123456789abcdef0123"
SALT = b"some salt"
CLOCK = SystemClock()


class Bridge:
    """A bridge process; what it logged is shown when it does not do as it should."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def log(self) -> bytes:
        return self._process.program.log.read_bytes()

    def port(self, pattern: str) -> int:
        found = re.search(pattern.encode(), self.log)
        assert found, self.log.decode()
        return int(found[1])

    def kill(self) -> None:
        self._process.kill_now()

    async def end(self) -> int | None:
        await self._process.stop()
        return self._process.exit_code


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncIterator[Bridge]:
    with TemporaryDirectory(prefix="comeback-bridge-") as folder:
        argv = (sys.executable, "-m", "ocpp_bridge")
        program = Program("bridge", argv, Path(folder, "log"), env=os.environ | environment, stop_s=60)
        process = Process(program, await launch_of(program))
        process.start()
        try:
            yield Bridge(process)
        finally:
            await process.stop()


class Neighbours:
    """Fleet, orchestrator and portal, each with its own rights in Kafka, and what the latter two hear."""

    def __init__(self, infrastructure: Any, charger_id: str) -> None:
        self.charger_id = charger_id
        self.heard: list[Any] = []
        self._infrastructure = infrastructure
        self._metrics = Metrics("test", CollectorRegistry())
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        self.fleet, self.orchestrator = await self._publisher("fleet"), await self._publisher("restart-orchestrator")
        self.portal = await self._publisher("portal")
        for topic in (topics.OCPP_CALL_RESULTS, topics.OCPP_STRANGERS):
            table = CompactedTable(self._connection("portal"), topic, self._hear, self._metrics)
            await table.start()
            self._stack.push_async_callback(table.stop)
        for topic in (topics.OCPP_CONNECTIVITY, topics.OCPP_OBSERVATIONS, topics.OCPP_ANSWERS):
            table = CompactedTable(self._connection("restart-orchestrator"), topic, self._hear, self._metrics)
            await table.start()
            self._stack.push_async_callback(table.stop)

    async def stop(self) -> None:
        await self._stack.aclose()

    async def enroll(self) -> None:
        credential = CredentialSet(
            charger_id=self.charger_id,
            security_profile=1,
            salt=SALT.hex(),
            verifier=hmac.digest(SALT, PASSWORD, "sha256").hex(),
            version=1,
        )
        envelope = Envelope(uuid4(), "/services/fleet", CLOCK.now(), credential)
        await self.fleet.publish(topics.FLEET_CREDENTIALS, envelope)

    async def reset(self, epoch: int) -> ResetCharger:
        soon = CLOCK.now() + timedelta(seconds=60)
        command = ResetCharger(
            charger_id=self.charger_id, attempt_id=uuid4(), epoch=epoch, not_after=soon, watch_until=soon
        )
        envelope = Envelope(uuid4(), "/services/restart-orchestrator", CLOCK.now(), command)
        await self.orchestrator.publish(topics.OCPP_COMMANDS, envelope)
        return command

    async def call(self, action: str, payload: dict[str, Any]) -> CallCharger:
        asked = CallCharger(
            charger_id=self.charger_id,
            call_id=uuid4(),
            asked_by="operator",
            not_after=CLOCK.now() + timedelta(seconds=60),
            action=action,
            payload=payload,
        )
        await self.portal.publish(topics.OCPP_CALLS, Envelope(uuid4(), "/services/portal", CLOCK.now(), asked))
        return asked

    async def hears(self, kind: type) -> Any:
        def last() -> Any:
            found = [said for said in self.heard if isinstance(said, kind)]
            assert found, self.heard
            return found[-1]

        return await eventually(last, 60)

    def _hear(self, envelope: Envelope[Any]) -> None:
        if envelope.data.key() == self.charger_id or isinstance(envelope.data, StrangerRefused):
            self.heard.append(envelope.data)

    def _connection(self, principal: str) -> KafkaConnection:
        access = self._infrastructure.kafka_access(principal)
        return KafkaConnection(access.bootstrap, access.username, access.password)

    async def _publisher(self, principal: str) -> Publisher:
        publisher = Publisher(self._connection(principal), self._metrics)

        async def started() -> None:
            # A user that has just been made is known to the broker a moment later.
            try:
                await publisher.start()
            except PublishFailedError as error:
                raise AssertionError(str(error)) from error

        await eventually(started, 30)
        self._stack.push_async_callback(publisher.stop)
        return publisher


@pytest.fixture
async def neighbours(infrastructure) -> AsyncIterator[Neighbours]:
    made = Neighbours(infrastructure, f"charger-{uuid4().hex[:8]}")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def environment(infrastructure, new_database) -> dict[str, str]:
    roles = await infrastructure.provision_roles(await new_database())
    made = {
        **infrastructure.kafka_access("ocpp-bridge").environment(),
        "DATABASE_URL": roles["ocpp_bridge"],
        "HTTP_PORT": "0",
        "OCPP_BRIDGE_PORT": "0",
        "INSTANCE_ID": "bridge-under-test",
    }
    await migrations.run("ocpp_bridge", metadata, migrations.directory_of("ocpp_bridge"), roles["ocpp_bridge"])
    return made
