"""The whole service on real Kafka, with no more rights than its own: what it reads, shows, asks for, and how it stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from chassis import migrations
from chassis.app import Service
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.publisher import Publisher
from chassis.table import CompactedTable
from chassis.testing import eventually
from contracts import topics
from contracts.envelope import Envelope, Message
from contracts.restart import RequestRestart, Status
from contracts.words import Role
from portal.app import build
from portal.settings import PortalSettings
from portal.tables import metadata

Write = Callable[..., Awaitable[None]]


@pytest.fixture
async def kafka(infrastructure: Any) -> KafkaConnection:
    """Kafka, as someone who may do everything."""
    access = infrastructure.kafka_access()
    return KafkaConnection(access.bootstrap, access.username, access.password)


@pytest.fixture
async def write(kafka: KafkaConnection) -> AsyncIterator[Write]:
    """Writes messages to their topics, in the place of other services."""
    publisher = Publisher(kafka, Metrics("test", CollectorRegistry()))
    await publisher.start()

    async def send(*messages: Message) -> None:
        for message in messages:
            topic = next(topic for topic in topics.ALL if type(message) in topic.messages)
            await publisher.publish(topic, Envelope(uuid4(), "/services/test", datetime.now(UTC), message))

    yield send
    await publisher.stop()


@pytest.fixture
async def database_url(infrastructure: Any, new_database: Callable[..., Awaitable[str]]) -> str:
    """A fresh database, as the portal's own role."""
    address: str = (await infrastructure.provision_roles(await new_database()))["portal"]
    await migrations.run("portal", metadata, migrations.directory_of("portal"), address)
    return address


@asynccontextmanager
async def portal(infrastructure: Any, database_url: str) -> AsyncIterator[tuple[Service, httpx2.AsyncClient]]:
    access = infrastructure.kafka_access("portal")
    service = build(
        PortalSettings(
            database_url=database_url,
            kafka_bootstrap_servers=access.bootstrap,
            kafka_username=access.username,
            kafka_password=access.password,
            beat_s=1,
        )
    )
    try:
        await service.start()
        url = f"http://127.0.0.1:{service.server.port}"
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:

            async def ready() -> None:
                answer = await http.get("/health/ready")
                assert answer.status_code == 200, answer.text

            await eventually(ready, within=60)
            yield service, http
    finally:
        await service.shut_down()


async def test_a_click_goes_through_the_real_service(infrastructure, database_url, kafka, write, make_and_sign):
    make, token, key = make_and_sign
    charger_id, group = f"CP-{uuid4().hex[:8]}", f"g-{uuid4().hex[:8]}"
    asked: list[RequestRestart] = []
    bearer = {"authorization": f"Bearer {token('kim')}"}
    await write(key, make.plan(group), make.member("kim", group, Role.ADMINISTRATOR))
    await write(make.charger(charger_id, group), make.connected(charger_id), make.connector(charger_id))
    requests = CompactedTable(
        kafka, topics.RESTART_REQUESTS, lambda said: asked.append(said.data), Metrics("test", CollectorRegistry())
    )
    await requests.start()
    async with portal(infrastructure, database_url) as (service, http):

        async def shown() -> dict[str, Any]:
            answer = await http.get(f"/api/v1/chargers/{charger_id}", headers=bearer)
            assert answer.status_code == 200, answer.text
            # Charger, session, connector, role and plan come by different topics, in any order.
            assert answer.json()["state"] == "available"
            assert answer.json()["restart"]["available"] is True, answer.json()["restart"]
            return answer.json()

        await eventually(shown, within=60)
        answer = await http.post(f"/api/v1/chargers/{charger_id}/restarts", headers=bearer)
        attempt_id = answer.json()["attempt_id"]

        def arrived() -> RequestRestart:
            found = [request for request in asked if str(request.attempt_id) == attempt_id]
            assert len(found) == 1
            return found[0]

        request = await eventually(arrived, within=60)
        async with http.stream("GET", f"/api/v1/restarts/{attempt_id}/events", headers=bearer) as stream:
            lines = stream.aiter_lines()
            move = make.moved(request.attempt_id, 1, Status.DISPATCHING, charger_id=charger_id, group_id=group)
            await write(move)
            async with asyncio.timeout(60):
                async for line in lines:
                    if '"status":"dispatching"' in line:
                        break
                stopping = asyncio.create_task(service.shut_down())
                # It ends by itself: one that holds up the stop is cut in the end, without a goodbye and with an error.
                farewell = [line async for line in lines]
            assert "event: bye" in farewell
            await stopping
    await requests.stop()

    async with portal(infrastructure, database_url) as (_, http):
        again = await http.get(f"/api/v1/restarts/{attempt_id}", headers=bearer)
        assert (again.status_code, again.json()["status"]) == (200, "dispatching")
