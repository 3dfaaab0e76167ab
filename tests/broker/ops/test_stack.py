"""The real stack under stand-in services: provisioned as the contracts say, kept running, gone when it is stopped."""

import asyncio
import dataclasses
import http.client
import json
import os
import signal
import stat
from collections.abc import AsyncIterator

import asyncpg
import psutil
import pytest
import pytest_asyncio
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from chassis.testing import eventually
from contracts import topics
from ops.embedded.cluster import KafkaAccess
from ops.embedded.progress import Reporter
from ops.embedded.readiness import service_ready
from ops.embedded.services import SERVICES
from ops.stack import Problem, Stack, StackOptions, find

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(480)]


class Told(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(stub_options: StackOptions, told: Told) -> AsyncIterator[Stack]:
    options = dataclasses.replace(stub_options, service_env={"portal": {"GREETING": "hello"}})
    async with Stack(options, told) as running:
        yield running


def heard(stack: Stack, service: str) -> dict[str, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.ports[service], timeout=60)
    connection.request("GET", "/health/ready")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def client(access: KafkaAccess, **more) -> dict[str, object]:
    return {
        "bootstrap.servers": access.bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": access.username,
        "sasl.password": access.password,
        "log_level": 0,
        **more,
    }


def produced(access: KafkaAccess, topic: str, *, idempotent: bool = True) -> KafkaError | None:
    outcome: list[KafkaError | None] = []
    producer = Producer(client(access, **{"enable.idempotence": idempotent}))
    producer.produce(topic, b"{}", b"key", on_delivery=lambda error, _: outcome.append(error))
    producer.flush(60)
    return outcome[0]


def consumed(access: KafkaAccess, topic: str, group: str) -> object:
    """A message, or the error that came in its place."""
    consumer = Consumer(client(access, **{"group.id": group, "auto.offset.reset": "earliest"}))
    try:
        consumer.subscribe([topic])
        message = consumer.poll(60)
        return None if message is None else message.error() or message.value()
    finally:
        consumer.close()


async def test_each_service_is_told_its_own_credentials_and_what_was_passed_through(stack):
    portal = heard(stack, "portal")
    assert portal["KAFKA_USERNAME"] == "portal"
    assert portal["DATABASE_URL"] == stack.database_url("portal")
    assert portal["GREETING"] == "hello"
    assert portal["PORTAL_AUTH_URL"] == f"http://127.0.0.1:{stack.ports['auth']}"
    auth = heard(stack, "auth")
    assert (auth["KAFKA_USERNAME"], auth["GREETING"]) == ("auth", None)
    assert auth["KAFKA_PASSWORD"] != portal["KAFKA_PASSWORD"]


async def test_each_service_has_a_name_that_stays_with_the_folder_and_is_nobody_elses(folder, stack):
    """By it, the next process of one that was killed takes its place."""
    of_the_folder = (folder / "secrets" / "instance").read_text()[:8]
    named = {service.name: heard(stack, service.name)["INSTANCE_ID"] for service in SERVICES}
    assert named == {service.name: f"{service.name}-{of_the_folder}" for service in SERVICES}


async def test_every_service_was_migrated_before_it_was_started(folder, stack):
    assert {file.stem for file in folder.glob("*.migrated")} == {service.name for service in SERVICES}


async def test_topics_are_as_the_contracts_say(stack):
    from confluent_kafka.admin import AdminClient

    there = AdminClient(client(stack.kafka_access("admin"))).list_topics(timeout=60).topics
    assert {name: len(topic.partitions) for name, topic in there.items() if not name.startswith("__")} == {
        topic.name: topic.partitions for topic in topics.ALL
    }


async def test_a_writer_may_write_its_topic_and_nobody_else_may(stack):
    assert await asyncio.to_thread(produced, stack.kafka_access("auth"), "auth.groups.v1") is None
    refused = await asyncio.to_thread(produced, stack.kafka_access("portal"), "auth.groups.v1")
    assert refused is not None
    assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


async def test_a_reader_reads_with_its_own_groups_only(stack):
    await asyncio.to_thread(produced, stack.kafka_access("auth"), "auth.groups.v1")
    fleet = stack.kafka_access("fleet")
    assert await asyncio.to_thread(consumed, fleet, "auth.groups.v1", "fleet.auth.groups.v1") == b"{}"
    foreign = await asyncio.to_thread(consumed, fleet, "auth.groups.v1", "portal.auth.groups.v1")
    assert isinstance(foreign, KafkaError)
    assert foreign.code() == KafkaError.GROUP_AUTHORIZATION_FAILED


async def test_only_readers_may_read_a_topic_not_even_the_operator_one_that_is_confidential(stack):
    assert await asyncio.to_thread(produced, stack.kafka_access("fleet"), "fleet.credentials.v1") is None
    for other in ("portal", "ops"):
        refused = await asyncio.to_thread(consumed, stack.kafka_access(other), "fleet.credentials.v1", f"{other}.x")
        assert isinstance(refused, KafkaError), other
        assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    bridge = await asyncio.to_thread(
        consumed, stack.kafka_access("ocpp-bridge"), "fleet.credentials.v1", "ocpp-bridge.x"
    )
    assert bridge == b"{}"


async def test_the_operator_writes_nothing(stack):
    refused = await asyncio.to_thread(produced, stack.kafka_access("ops"), "auth.groups.v1", idempotent=False)
    assert refused is not None
    assert refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


async def test_a_wrong_password_is_refused(stack):
    from confluent_kafka.admin import AdminClient

    wrong = dataclasses.replace(stack.kafka_access("portal"), password="wrong")
    with pytest.raises(KafkaException):
        AdminClient(client(wrong)).list_topics(timeout=2)


async def test_a_role_sees_its_own_schema_and_no_other_and_the_operator_sees_all(stack):
    fleet = await asyncpg.connect(stack.database_url("fleet"))
    await fleet.execute("CREATE TABLE charger (id text)")
    await fleet.close()
    portal = await asyncpg.connect(stack.database_url("portal"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await portal.fetch("SELECT * FROM fleet.charger")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await portal.execute("CREATE TABLE public.anything (id text)")
    await portal.close()
    operator = await asyncpg.connect(stack.database_url("ops"))
    assert await operator.fetch("SELECT * FROM fleet.charger") == []
    await operator.execute("CREATE SCHEMA fleet_rebuilt AUTHORIZATION fleet")
    await operator.close()


async def test_what_runs_is_written_down_for_its_owner_only(folder, stack):
    state = find(folder)
    assert state is not None
    assert state.up
    assert {process.name for process in state.processes} == {"kafka", "postgres", *(each.name for each in SERVICES)}
    assert (state.portal_url, state.bridge_url) == (stack.portal_url, stack.bridge_url)
    assert state.kafka == stack.kafka_access("ops")
    assert stat.S_IMODE((folder / "stack.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "secrets" / "kafka-auth").stat().st_mode) == 0o600


async def test_a_second_stack_in_the_same_folder_is_told_who_is_there(folder, stack, stub_options):
    with pytest.raises(Problem, match=f"A stack already runs in {folder} \\(process {os.getpid()}\\)"):
        await Stack(stub_options).start()
    assert heard(stack, "portal")


async def test_a_service_that_dies_is_started_again_and_found_again(folder, stack, told):
    first = stack.processes["billing"].pid
    os.kill(first, signal.SIGKILL)

    async def again() -> None:
        state = find(folder)
        assert state is not None
        pids = {process.name: process.pid for process in state.processes}
        assert pids["billing"] not in (None, first)
        assert psutil.pid_exists(pids["billing"])
        assert await service_ready("127.0.0.1", stack.ports["billing"]) is None

    await eventually(again, within=90)
    assert any(note.startswith("billing stopped (ended by SIGKILL) and is started again") for note in told.notes)


async def test_kafka_and_postgres_come_back_from_a_crash_with_their_data_and_ports(stack):
    await asyncio.to_thread(produced, stack.kafka_access("auth"), "auth.groups.v1")
    assert stack.kafka is not None
    assert stack.postgres is not None
    await asyncio.gather(stack.kafka.kill(), stack.postgres.kill())
    await asyncio.gather(stack.kafka.start(), stack.postgres.start())
    assert await asyncio.to_thread(consumed, stack.kafka_access("ops"), "auth.groups.v1", "ops.crash") == b"{}"
    connection = await asyncpg.connect(stack.database_url("portal"))
    await connection.close()
