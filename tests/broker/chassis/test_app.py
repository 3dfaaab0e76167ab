"""A whole service process: its start, its work, its end and its errors."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, ConnectError

from chassis.clock import SystemClock
from chassis.testing import eventually
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected
from contracts.registry import encode
from ops.embedded.ports import next_free

APP = """
import sys
from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import Column, Integer, Table, Text, insert

from chassis.app import Service, main
from chassis.database import service_metadata
from chassis.settings import ServiceSettings
from chassis.tables import chassis_tables
from contracts import registry, topics
from contracts.envelope import Envelope, derived_id, service_source
from contracts.ocpp import ChargerDisconnected


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_SERVICE_")

    source_topic: str = "a"
    target_topic: str = "b"


metadata = service_metadata("sample_service")
chassis_tables(metadata)
things = Table("things", metadata, Column("name", Text, primary_key=True))


def own(name):
    topic = replace(topics.OCPP_CONNECTIVITY, name=name)
    for model in topic.messages:
        registry._MODELS[name, model.wire_type] = model
    return topic


def build():
    settings = Settings()
    service = Service("sample-service", settings, metadata)
    target = own(settings.target_topic)
    router = APIRouter()

    async def handle(session, envelope):
        await session.execute(insert(things).values(name=str(envelope.id)))
        due = service.clock.now()
        await service.timers.arm(session, key=str(envelope.id), due=due, payload={"charger": envelope.data.charger_id})

    async def on_due(session, timer):
        now = service.clock.now()
        data = ChargerDisconnected(charger_id=timer.payload["charger"], epoch=1, bridge="b", since=now, why="lost")
        made = Envelope(id=derived_id(UUID(timer.key), "due"), source=service_source(service.name), time=now, data=data)
        await service.outbox.add(session, target, [made])

    @router.get("/hello")
    async def hello():
        return {"hello": service.instance_id}

    service.timers.on_due(on_due)
    service.consumers.subscribe(own(settings.source_topic), handle)
    service.http.include_router(router)
    return service


if __name__ == "__main__":
    main("sample_service", build)
"""

FIRST = """
import sqlalchemy as sa
from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op, "sample_service")
    op.create_table("things", sa.Column("name", sa.Text, primary_key=True), schema="sample_service")
"""


class Program:
    """The sample service, run as the stack runs one."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int) -> None:
        self.port = port
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(folder), "HTTP_PORT": str(port)}
        self.log = folder / "log"

    def call(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sample_service", *arguments],
            env=self._environment | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "sample_service"], env=self._environment, stderr=log)

    async def get(self, path: str) -> tuple[int, dict[str, object]]:
        async with AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)
            except ConnectError as error:
                raise AssertionError("it does not listen yet") from error
            return answer.status_code, answer.json()

    async def ready(self) -> None:
        status, body = await self.get("/health/ready")
        assert status == 200, body


@pytest.fixture
async def topic_pair(make_topic):
    return await make_topic(), await make_topic()


@pytest.fixture
async def program(tmp_path, new_database, kafka_bootstrap, topic_pair):
    source, target = topic_pair
    package = tmp_path / "sample_service"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(APP)
    (package / "migrations" / "0001_first.py").write_text(FIRST)
    environment = {
        "DATABASE_URL": await new_database(),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "SAMPLE_SERVICE_SOURCE_TOPIC": source.name,
        "SAMPLE_SERVICE_TARGET_TOPIC": target.name,
    }
    return Program(tmp_path, environment, next_free(30_000, set()))


@pytest.fixture
def started(program):
    running = []

    def start():
        running.append(program.start())
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


async def test_a_service_waits_for_its_migrations_then_works_and_stops_in_order(
    program, started, kafka, topic_pair, read
):
    source, target = topic_pair
    process = started()
    await eventually(lambda: _not_ready(program, "python -m sample_service migrate"), within=90)
    assert (await program.get("/health/live"))[0] == 200
    status, problem = await program.get("/hello")
    assert (status, problem["status"]) == (503, 503)
    migrated = await asyncio.to_thread(program.call, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    await eventually(program.ready, within=90)
    assert (await asyncio.to_thread(program.call, "check-migrations")).returncode == 0
    assert (await program.get("/hello"))[0] == 200

    records = await read(target)
    now = SystemClock().now()
    data = ChargerConnected(charger_id="CP9", epoch=1, protocol="p", bridge="b", since=now)
    record = encode(source, Envelope(id=uuid4(), source="/services/x", time=now, data=data))
    producer = kafka.idempotent_producer()
    await producer.start()
    await producer.send_and_wait(source.name, record.value, key=record.key, headers=list(record.headers))
    await producer.stop()
    await eventually(lambda: _equal([record.key for record in records], [b"CP9"]), within=60)

    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 30) == 0
    lines = [json.loads(line) for line in program.log.read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"
    assert not [line for line in lines if line["event"] == "a part did not stop in time"]
    assert not [line for line in lines if line["level"] == "error" and line["logger"].startswith("chassis")]
    assert not [line for line in lines if "Unclosed" in line["event"]]


async def test_a_service_can_be_stopped_while_it_still_waits_for_what_it_needs(program, started):
    process = started()
    await eventually(lambda: _not_ready(program, "migrate"), within=90)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 30) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SAMPLE_SERVICE_SOURCE_TOPICS": "x"}, "did you mean SAMPLE_SERVICE_SOURCE_TOPIC?"),
        ({"HTTP_PORT": "many"}, "HTTP_PORT: "),
        ({"DATABASE_URL": ""}, "DATABASE_URL: "),
    ],
)
async def test_wrong_settings_end_it_at_once_with_a_sentence(program, changes, says):
    ended = await asyncio.to_thread(lambda: program.call(**changes))
    assert ended.returncode == 1
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_port_that_is_taken_ends_it_with_a_sentence(program):
    with socket.create_server(("127.0.0.1", program.port)):
        ended = await asyncio.to_thread(program.call)
    assert ended.returncode == 1
    assert f"127.0.0.1:{program.port}" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_an_unknown_word_is_answered_with_the_known_ones(program):
    ended = await asyncio.to_thread(program.call, "migrat")
    assert ended.returncode == 1
    assert "migrate, check-migrations" in ended.stderr


async def _not_ready(program, words):
    status, body = await program.get("/health/ready")
    assert status == 503
    assert words in json.dumps(body)


def _equal(one, other):
    assert one == other
