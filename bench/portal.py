"""The portal: an event on 1,000 live streams of one process, and the list of 10,000 chargers, beside a bare server."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import aiohttp
from aiokafka import AIOKafkaProducer
from joserfc import jwt
from joserfc.jwk import ECKey

from bench.load import RESERVE, raise_file_limit
from bench.report import Distribution, print_figure
from bench.rig import kafka_options
from chassis.clock import SystemClock
from chassis.tokens import ALGORITHM, AUDIENCE, ISSUER
from contracts import topics
from contracts.auth import GroupDefined, MembershipGranted, SigningKeyPublished
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message, service_source
from contracts.fleet import ChargerRegistered
from contracts.ocpp import ChargerConnected, ConnectorState, ConnectorStatusReported
from contracts.registry import encode
from contracts.restart import AttemptMoved, Confidence, Health, Outcome, Status, Strength, Verdict, When
from contracts.words import Plan, Role
from ops.embedded.ports import HOST, next_free
from ops.embedded.progress import reporter
from ops.embedded.services import PORTAL, SERVICES
from ops.stack import Stack, StackOptions

STREAMS = 1000
PEOPLE = 50
GROUPS = 20
OPEN_WITHIN_S = 60.0
WITHIN_S = 10.0
PAUSE_S = 0.1
WARM_UP = 3
KNOWN_WITHIN_S = 180.0
EVENT_TARGET_MS = 250.0
LIST_TARGET_MS = 200.0
KEY = ECKey.generate_key("P-256", {"kid": "bench"})
TOPIC_OF = {message: topic for topic in topics.ALL for message in topic.messages}


def token(user_id: str) -> str:
    """An access token, signed with the key that the benchmark publishes in auth's place."""
    now = SystemClock().now()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user_id,
        "name": user_id,
        "operator": False,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(hours=1)).timestamp()),
        "jti": uuid4().hex,
    }
    return jwt.encode({"alg": ALGORITHM, "kid": "bench"}, claims, KEY)


class Listener(asyncio.Protocol):
    """One open stream: says when it is open, and when an event of a charger has come."""

    def __init__(self, request: bytes, opened: Callable[[], None], arrived: Callable[[], None]) -> None:
        self._request = request
        self._opened = opened
        self._arrived = arrived

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if b"event: charger" in data:
            self._arrived()
        elif b"event: hello" in data:
            self._opened()


class Listeners:
    """All the open streams of one server."""

    def __init__(self) -> None:
        self._open = 0
        self._arrivals: list[float] = []
        self._changed = asyncio.Event()

    async def listen(self, port: int, requests: Iterable[bytes]) -> None:
        """Opens a stream for each request, and returns when all of them have greeted."""
        loop = asyncio.get_running_loop()
        wanted = list(requests)
        for request in wanted:
            await loop.create_connection(partial(Listener, request, self._greet, self._note), HOST, port)
        await self._until(lambda: self._open >= len(wanted), OPEN_WITHIN_S)

    async def hear(self, cause: Callable[[], Awaitable[Any]]) -> list[float]:
        """Milliseconds from the cause to its arrival on each of the streams."""
        self._arrivals = []
        started = time.perf_counter()
        await cause()
        await self._until(lambda: len(self._arrivals) >= self._open, WITHIN_S)
        return [(at - started) * 1000 for at in self._arrivals]

    def _greet(self) -> None:
        self._open += 1
        self._changed.set()

    def _note(self) -> None:
        self._arrivals.append(time.perf_counter())
        if len(self._arrivals) >= self._open:
            self._changed.set()

    async def _until(self, enough: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not enough():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Rig:
    """A portal, the bare server, and what the benchmark says in other services' place."""

    portal: int
    bare: int
    producer: AIOKafkaProducer
    http: aiohttp.ClientSession

    async def say(self, messages: Sequence[Message]) -> None:
        """Publishes the messages; returns when Kafka has all of them."""
        now, sent = SystemClock().now(), []
        for message in messages:
            topic = TOPIC_OF[type(message)]
            record = encode(topic, Envelope(uuid4(), service_source(topic.writer.value), now, message))
            sent.append(
                await self.producer.send(topic.name, record.value, key=record.key, headers=list(record.headers))
            )
        await asyncio.gather(*sent)

    async def get(self, path: str) -> tuple[float, bytes]:
        """Milliseconds to the last byte of the answer, and the answer, as one of the people."""
        bearer = token("person-00")
        headers = {"authorization": f"Bearer {bearer}", "cookie": f"comeback_session={bearer}"}
        started = time.perf_counter()
        async with self.http.get(f"http://{HOST}:{self.portal}{path}", headers=headers) as response:
            body = await response.read()
            took = (time.perf_counter() - started) * 1000
            if response.status != 200:
                raise RuntimeError(f"{path}: {response.status} {body[:300]!r}")
        return took, body


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """One portal process with a Kafka and a PostgreSQL of its own, and the bare server."""
    raise_file_limit(2 * STREAMS + RESERVE)
    folder = Path(tempfile.mkdtemp(prefix="comeback-bench-"))
    await asyncio.to_thread(folder.chmod, 0o711)
    port = next_free(20_000, set())
    told = {"LOG_LEVEL": "WARNING", "PORTAL_STREAMS_PER_PERSON": str(STREAMS), "PORTAL_REQUESTS_PER_MINUTE": "1000000"}
    options = StackOptions(
        data_dir=folder,
        ports={PORTAL: port},
        services=tuple(service for service in SERVICES if service.name == PORTAL),
        service_env={PORTAL: told},
        train=False,
    )
    try:
        async with Stack(options, reporter()) as stack, _bare() as bare, aiohttp.ClientSession() as http:
            producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **kafka_options(stack))
            await producer.start()
            try:
                yield Rig(port, bare, producer, http)
            finally:
                await producer.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _bare() -> AsyncIterator[int]:
    with subprocess.Popen(  # noqa: ASYNC220 it starts at once
        [sys.executable, "-m", "bench.bare_http", str(STREAMS + RESERVE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            yield int(await asyncio.to_thread(process.stdout.readline))
        finally:
            process.kill()


def people_and_groups() -> list[Message]:
    """Everyone is in every group, so that each stream is told of each charger."""
    now = SystemClock().now()
    jwk = {name: str(value) for name, value in KEY.as_dict(private=False).items()}
    said: list[Message] = [SigningKeyPublished(kid="bench", algorithm=ALGORITHM, public_jwk=jwk, published_at=now)]
    for number in range(GROUPS):
        group, features = f"group-{number:02}", frozenset({"remote_restart"})
        said.append(GroupDefined(group_id=group, name=f"Group {number}"))
        said.append(PlanSet(group_id=group, plan=Plan.BUSINESS, features=features, version=1))
        for person in range(PEOPLE):
            user, role = f"person-{person:02}", Role.ADMINISTRATOR
            said.append(MembershipGranted(group_id=group, user_id=user, name=user, role=role, version=1))
    return said


def known_chargers(count: int) -> list[Message]:
    """Chargers that are online and free, each of which was restarted once."""
    now = SystemClock().now()
    verdict = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.PROVEN, health=Health.OK)
    said: list[Message] = []
    for number in range(count):
        name, group = f"BENCH-{number:05}", f"group-{number % GROUPS:02}"
        said += [
            ChargerRegistered(
                charger_id=name,
                group_id=group,
                label=f"Charger {number}",
                site=f"Site {number % 97}",
                model=f"Model {number % 7}",
                abilities=frozenset({"remote_restart"}),
                version=1,
            ),
            ChargerConnected(charger_id=name, epoch=1, protocol="ocpp2.0.1", bridge="bench", since=now),
            available(name),
            AttemptMoved(
                attempt_id=uuid5(NAMESPACE_URL, name),
                charger_id=name,
                group_id=group,
                version=1,
                status=Status.RESTARTED,
                moved_at=now,
                requested_by="person-00",
                requested_at=now,
                when=When.NOW,
                strength=Strength.AUTO,
                model="Model",
                verdict=verdict,
            ),
        ]
    return said


def available(charger_id: str) -> ConnectorStatusReported:
    """A word of a charger, which says nothing new and is an event all the same."""
    state = ConnectorState.AVAILABLE
    return ConnectorStatusReported(
        charger_id=charger_id, epoch=1, evse_id=1, connector_id=1, state=state, raw_status="Available"
    )


async def known(bench: Rig, count: int) -> None:
    """Returns when the portal shows all that was said."""
    give_up = time.monotonic() + KNOWN_WITHIN_S
    last = uuid5(NAMESPACE_URL, f"BENCH-{count - 1:05}")
    while True:
        try:
            _, body = await bench.get("/api/v1/chargers?state=available&limit=1")
            await bench.get(f"/api/v1/restarts/{last}")
        except (RuntimeError, aiohttp.ClientError) as error:
            why = str(error)
        else:
            if f'"total":{count},'.encode() in body:
                return
            why = f"not all are known: {body[-80:]!r}"
        if time.monotonic() > give_up:
            raise SystemExit(f"the portal did not take in what was said within {KNOWN_WITHIN_S:.0f} s: {why}")
        await asyncio.sleep(0.5)


async def streams(bench: Rig, rounds: int, count: int) -> tuple[list[float], list[float]]:
    """The arrivals of our events on every stream, and of the same bytes through the bare server, in turn."""
    ours, floor = Listeners(), Listeners()
    tokens = [token(f"person-{number:02}") for number in range(PEOPLE)]
    await ours.listen(
        bench.portal,
        (
            f"GET /api/v1/events HTTP/1.1\r\nHost: {HOST}\r\n"
            f"Authorization: Bearer {tokens[number % PEOPLE]}\r\n\r\n".encode()
            for number in range(STREAMS)
        ),
    )
    await floor.listen(bench.bare, (f"GET /events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() for _ in range(STREAMS)))
    _, shown = await bench.get("/api/v1/chargers?limit=1")
    event = b"id: 1\r\nevent: charger\r\ndata: " + shown + b"\r\n\r\n"

    async def tell() -> None:
        async with bench.http.post(f"http://{HOST}:{bench.bare}/events", data=event):
            pass

    told: list[float] = []
    bare: list[float] = []
    for number in range(rounds + WARM_UP):
        await asyncio.sleep(PAUSE_S)
        below = await floor.hear(tell)
        await asyncio.sleep(PAUSE_S)
        above = await ours.hear(partial(bench.say, [available(f"BENCH-{number % count:05}")]))
        if number >= WARM_UP:
            told += above
            bare += below
    return told, bare


LISTS = {
    "API, 50 of them": "/api/v1/chargers?limit=50",
    "API, 200 of them": "/api/v1/chargers",
    "API, by need of attention": "/api/v1/chargers?sort=attention&limit=50",
    "API, of one state": "/api/v1/chargers?state=offline&state=available&limit=50",
    "API, searched": "/api/v1/chargers?q=site%2042&limit=50",
    "page": "/chargers",
    "API, restarts of all of them": "/api/v1/restarts?limit=50",
}


async def lists(bench: Rig, rounds: int) -> tuple[dict[str, Distribution], Distribution]:
    """How long each list takes, and the bare server with an answer as long as the first's."""
    rows: dict[str, Distribution] = {}
    floor: list[float] = []
    _, body = await bench.get(LISTS["API, 50 of them"])
    address = f"http://{HOST}:{bench.bare}/list"
    async with bench.http.put(address, data=body):
        pass
    for label, path in LISTS.items():
        took = []
        for _ in range(rounds):
            took.append((await bench.get(path))[0])
            started = time.perf_counter()
            async with bench.http.get(address) as response:
                await response.read()
            floor.append((time.perf_counter() - started) * 1000)
        rows[label] = Distribution.of(took)
    return rows, Distribution.of(floor)


def _cells(row: Distribution) -> list[str]:
    return [str(row.count), *(f"{value:.1f}" for value in (row.p50, row.p95, row.p99, row.worst))]


async def measure(*, rounds: int = 50, chargers: int = 10_000) -> int:
    """So many events one after the other on all the streams, and each list as often, with the floor in between."""
    async with rig() as bench:
        await bench.say(people_and_groups())
        await bench.say(known_chargers(chargers))
        await known(bench, chargers)
        told, bare = await streams(bench, rounds, chargers)
        listed, floor = await lists(bench, rounds)
    events, below = Distribution.of(told), Distribution.of(bare)
    rows = {
        f"event on {STREAMS} streams": events,
        "floor: the same bytes, bare": below,
        **{f"{chargers} chargers: {label}": row for label, row in listed.items()},
        "floor: a list's bytes, bare": floor,
    }
    slowest = max(row.p99 for row in listed.values())
    print_figure(
        "portal",
        "milliseconds; an event from Kafka's producer to each stream, a list to its last byte",
        ("n", "p50", "p95", "p99", "worst"),
        {label: _cells(row) for label, row in rows.items()},
        figure=events.p99,
        floor=below.p99,
        unit="milliseconds, p99 of all streams",
        target=f"event p99 under {EVENT_TARGET_MS:.0f} ms, every list under {LIST_TARGET_MS:.0f} ms",
        met=events.p99 < EVENT_TARGET_MS and slowest < LIST_TARGET_MS,
        remark=f"slowest list: p99 {slowest:.1f} ms",
    )
    return 0
