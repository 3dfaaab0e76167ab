"""What the bridge is measured with: the bridge between a real Kafka and PostgreSQL, the bare floor, and their load."""

import asyncio
import hmac
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psutil
from aiokafka import AIOKafkaProducer

from bench.load import RESERVE, Plan, raise_file_limit
from chassis.clock import SystemClock
from contracts import topics
from contracts.envelope import Envelope, service_source
from contracts.fleet import CredentialSet
from contracts.registry import encode
from ops.embedded.ports import next_free
from ops.embedded.progress import reporter
from ops.embedded.services import BRIDGE, SERVICES
from ops.stack import Stack, StackOptions

PASSWORD = "sixteen-or-more-characters"  # noqa: S105 of chargers that live as long as this run
LINE_WITHIN_S = 180.0
LARGEST_LINE = 1 << 24


@dataclass(frozen=True)
class Cores:
    """Which core the server keeps to and which the load; -1 where there is only one or none can be chosen."""

    server: int
    load: int

    @classmethod
    def here(cls) -> "Cores":
        found = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return cls(found[0], found[1]) if len(found) > 1 else cls(-1, -1)

    def note(self) -> str:
        """For the table."""
        return "server and load on a core each" if self.server >= 0 else "server and load share their cores"


CORES = Cores.here()


@dataclass(frozen=True)
class Server:
    """A server under load."""

    port: int
    process: psutil.Process

    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def memory(self) -> int:
        """Bytes of memory that are its own."""
        return int(self.process.memory_info().rss)


class Loader:
    """The load's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self) -> dict[str, Any]:
        """Its next milestone."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), LINE_WITHIN_S)
        if not line:
            raise SystemExit("the load has ended before its time; what it said is above")
        found: dict[str, Any] = orjson.loads(line)
        return found

    def go_on(self) -> None:
        """Lets it begin its next phase."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def load(plan: Plan) -> AsyncIterator[Loader]:
    """A load that is ready to begin."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=pipe, stdout=pipe, limit=LARGEST_LINE
    )
    assert process.stdin is not None
    try:
        process.stdin.write(orjson.dumps(asdict(plan)) + b"\n")
        loader = Loader(process)
        await loader.hear()
        yield loader
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def plan(server: Server, names: list[str], **options: Any) -> Plan:
    """What these chargers do at this server."""
    return Plan(server.port, names, PASSWORD, core=CORES.load, **options)


def identities(count: int) -> list[str]:
    """So many identities."""
    return [f"BENCH-{number:05}" for number in range(count)]


def _pin(process: psutil.Process) -> None:
    if CORES.server >= 0:
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {CORES.server})


@asynccontextmanager
async def bare(count: int) -> AsyncIterator[Server]:
    """Aiohttp that only answers, ready for so many connections."""
    with subprocess.Popen(  # noqa: ASYNC220 it starts at once
        [sys.executable, "-m", "bench.bare", str(count + RESERVE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            if not line:
                raise SystemExit("the bare server could not start; what it said is above")
            server = Server(int(line), psutil.Process(process.pid))
            _pin(server.process)
            yield server
        finally:
            process.kill()


@asynccontextmanager
async def bridge(names: list[str], **settings: Any) -> AsyncIterator[tuple[Server, Stack]]:
    """The bridge with a Kafka and a PostgreSQL of its own, all these chargers known to it."""
    # The limit is inherited.
    raise_file_limit(len(names) + RESERVE)
    folder = Path(tempfile.mkdtemp(prefix="comeback-bench-"))
    await asyncio.to_thread(folder.chmod, 0o711)
    ports: dict[str, int] = {}
    first = random.randrange(20_000, 30_000)  # noqa: S311 other stacks may be starting at the same time
    for name in ("bridge", BRIDGE, "kafka", "kafka-controller", "postgres"):
        ports[name] = next_free(first, set(ports.values()))
    environment = {f"OCPP_BRIDGE_{name.upper()}": str(value) for name, value in settings.items()}
    options = StackOptions(
        data_dir=folder,
        ports=ports,
        services=tuple(service for service in SERVICES if service.name == BRIDGE),
        service_env={BRIDGE: {"LOG_LEVEL": "WARNING", **environment}},
        train=False,
    )
    try:
        async with Stack(options, reporter()) as stack:
            await _enroll(stack, names)
            pid = stack.processes[BRIDGE].pid
            assert pid is not None
            server = Server(ports["bridge"], psutil.Process(pid))
            _pin(server.process)
            await _known(server, names[-1])
            yield server, stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kafka_options(stack: Stack) -> Mapping[str, Any]:
    """How a client of ours reaches the stack's Kafka, with every right."""
    access = stack.kafka_access("admin")
    return {
        "bootstrap_servers": access.bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": access.username,
        "sasl_plain_password": access.password,
    }


async def _enroll(stack: Stack, names: list[str]) -> None:
    """Says what fleet says of chargers: all of them have the same password, each a salt of its own."""
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **kafka_options(stack))
    await producer.start()
    now = SystemClock().now()
    try:
        for name in names:
            salt = secrets.token_bytes(16)
            verifier = hmac.digest(salt, PASSWORD.encode(), "sha256").hex()
            credential = CredentialSet(
                charger_id=name, security_profile=1, salt=salt.hex(), verifier=verifier, version=1
            )
            envelope = Envelope(uuid4(), service_source("fleet"), now, credential)
            record = encode(topics.FLEET_CREDENTIALS, envelope)
            await producer.send(
                topics.FLEET_CREDENTIALS.name, record.value, key=record.key, headers=list(record.headers)
            )
        await producer.flush()
    finally:
        await producer.stop()


async def _known(server: Server, name: str) -> None:
    """Returns when the bridge knows the last of the chargers, and so, a moment later, all of them."""
    give_up = asyncio.get_running_loop().time() + LINE_WITHIN_S
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET /ocpp/{name} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()
        writer.close()
        if status[1:2] == [b"401"]:
            await asyncio.sleep(1.0)
            return
        if asyncio.get_running_loop().time() > give_up:
            raise SystemExit(f"the bridge does not know {name}: it answers {status}")
        await asyncio.sleep(0.1)
