"""The way of a restart with nothing of ours: the same processes, libraries and hand-overs, and nothing checked or said.

Between this and the floor lies what the way itself costs, between this and ours what we do on it.
`python -m bench.bare_way ROLE` is one of its processes.
"""

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.topics import PARTITIONS
from ops.embedded.ports import HOST

SCHEMA = "bench_bare_way"
TABLES = f"""
    create schema {SCHEMA};
    set search_path to {SCHEMA};
    create table keys (id uuid primary key);
    create table chargers (id text primary key, facts text);
    insert into chargers select n::text, repeat('x', 200) from generate_series(1, 100) n;
    create table checkpoints (partition int primary key, next_offset bigint);
    insert into checkpoints select n, 0 from generate_series(0, {PARTITIONS - 1}) n;
    create table outbox (id bigint generated always as identity primary key, body text);
    create table ledger (id uuid primary key);
"""  # noqa: S608 constants of ours
BODY = b"x" * 500
ROWS = ["x" * 700] * 4
FRAME = b"R" * 60
REQUEST = b"POST / HTTP/1.1\r\nhost: bare\r\ncontent-length: 2\r\n\r\n{}"
START_WITHIN_S = 30


class BareWay:
    """HTTP, a statement, Kafka, a transaction, Kafka, a statement, a socket: one request at a time."""

    def __init__(self, kafka: Mapping[str, Any], database_url: str) -> None:
        self._kafka = kafka
        self._database_url = database_url
        suffix = uuid4().hex[:8]
        self._topics = [f"bench.requests.{suffix}", f"bench.commands.{suffix}"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["BareWay"]:
        """Starts the processes on topics and tables of their own, which are removed afterwards."""
        admin = AIOKafkaAdminClient(**self._kafka)
        await admin.start()
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in self._topics])
        database = await asyncpg.connect(self._database_url)
        await database.execute(TABLES)
        plan = {"kafka": dict(self._kafka), "database_url": self._database_url, "topics": self._topics}
        processes: list[asyncio.subprocess.Process] = []
        ports: dict[str, int] = {}
        try:
            for role in ROLES:
                processes.append(await _started(role))
                ports[role] = await _port(processes[-1], plan)
            self._accepted, self._http = await asyncio.open_connection(HOST, ports["portal"])
            self._charger, self._socket = await asyncio.open_connection(HOST, ports["bridge"])
            yield self
        finally:
            for process in processes:
                process.kill()
                await process.wait()
            await database.execute(f"drop schema {SCHEMA} cascade")
            await database.close()
            await admin.delete_topics(self._topics)
            await admin.close()

    async def restart(self) -> float:
        """Milliseconds from sending the request to the frame's arrival."""
        sent = time.perf_counter()
        self._http.write(REQUEST)
        await self._charger.readexactly(len(FRAME))
        took = (time.perf_counter() - sent) * 1000
        await self._accepted.readuntil(b"\r\n\r\n")
        return took


async def _started(role: str) -> asyncio.subprocess.Process:
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.bare_way", role, stdin=pipe, stdout=pipe)


async def _port(process: asyncio.subprocess.Process, plan: Mapping[str, Any]) -> int:
    """Where it listens, when it is ready; 0 where it does not listen."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(orjson.dumps(plan) + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S)
    if not line:
        raise SystemExit("a process of the bare way could not start; what it said is above")
    return int(line)


async def _producer(plan: Mapping[str, Any]) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **plan["kafka"])
    await producer.start()
    return producer


async def _consumer(topic: str, plan: Mapping[str, Any]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        topic, group_id=topic, enable_auto_commit=False, auto_offset_reset="earliest", **plan["kafka"]
    )
    await consumer.start()
    return consumer


async def _database(plan: Mapping[str, Any]) -> asyncpg.Connection:
    return await asyncpg.connect(plan["database_url"], server_settings={"search_path": SCHEMA})


def _ready(port: int = 0) -> None:
    gc.collect()
    gc.freeze()
    print(port, flush=True)


async def portal(plan: Mapping[str, Any]) -> None:
    """Claims a key, hands the request to Kafka and accepts it."""
    producer, database = await _producer(plan), await _database(plan)
    key = "with known as (select from chargers where id = $2) insert into keys select $1 from known"

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await database.execute(key, uuid4(), "1")
        await producer.send_and_wait(plan["topics"][0], BODY, key=os.urandom(8))
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    await database.execute("set synchronous_commit to off")
    listener = socket.create_server((HOST, 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    _ready(listener.getsockname()[1])
    await server.serve(sockets=[listener])


async def orchestrator(plan: Mapping[str, Any]) -> None:
    """Moves a checkpoint, looks a charger up, writes what follows, commits, and hands it to Kafka."""
    requests, commands = plan["topics"]
    producer, database = await _producer(plan), await _database(plan)
    consumer = await _consumer(requests, plan)
    move = "update checkpoints set next_offset = $2 where partition = $1 returning next_offset"
    write = "with added as (insert into outbox (body) select unnest($1::text[]) returning id) select id from added"
    _ready()
    async for record in consumer:
        async with database.transaction():
            await database.fetch(move, record.partition, record.offset + 1)
            await database.fetch("select facts from chargers where id = $1", "1")
            await database.fetch(write, ROWS)
        await producer.send_and_wait(commands, BODY, key=record.key)


async def bridge(plan: Mapping[str, Any]) -> None:
    """Claims the command, and writes the frame to the one charger that is connected."""
    chargers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: chargers.append(writer), HOST, 0)
    database, consumer = await _database(plan), await _consumer(plan["topics"][1], plan)
    _ready(server.sockets[0].getsockname()[1])
    async for _ in consumer:
        await database.fetch("insert into ledger values ($1) returning id", uuid4())
        chargers[0].write(FRAME)


ROLES = {role.__name__: role for role in (portal, orchestrator, bridge)}


def _end_with_its_starter() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    plan_of_run = orjson.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_its_starter, daemon=True).start()
    uvloop.run(ROLES[sys.argv[1]](plan_of_run))
