"""From the HTTP request to the Reset frame at the charger, beside Kafka, PostgreSQL, Kafka with nothing of ours."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from bench.floor import Floor
from bench.report import Distribution, print_latency
from ops.client import Portal
from ops.commands.common import OPERATOR_NAME
from ops.embedded.ports import HOST, next_free
from ops.embedded.progress import reporter
from ops.stack import Stack, StackOptions
from simulator import Charger, Fleet, Reset

GROUP = "bench"
PERSON = "bench-admin"
PASSWORD = "sixteen-or-more-characters"  # noqa: S105 of accounts that live as long as this run
WARM_UP = 50
PAUSE_S = 0.1
"""Before each measurement, for the floor as for ours: what the restart before left to do is not part of it."""
SPEED = 50.0
"""The aftermath of a restart is waited for, never measured: chargers are back within half a second."""
WINDOWS = {
    "RESTART_ORCHESTRATOR_DROP_WINDOW_S": "10",
    "RESTART_ORCHESTRATOR_BOOT_WINDOW_S": "20",
    "RESTART_ORCHESTRATOR_GRACE_WINDOW_S": "0.1",
}
ROW = "HTTP request -> Reset frame"
FLOOR = "floor: Kafka, PostgreSQL, Kafka"


@dataclass
class Bench:
    """A running stack with chargers, and what is needed to ask for restarts."""

    stack: Stack
    chargers: list[Charger]
    http: aiohttp.ClientSession
    headers: dict[str, str]

    async def restart(self, charger: Charger) -> float:
        """Milliseconds from sending the request to the Reset frame's arrival."""
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def note(_charger: Charger, _reset: Reset) -> None:
            if not arrived.done():
                arrived.set_result(time.perf_counter())

        charger.on_reset(note)
        url = f"{self.stack.portal_url}/api/v1/chargers/{charger.identity}/restarts"
        headers = self.headers | {"Idempotency-Key": str(uuid4())}
        sent = time.perf_counter()
        async with self.http.post(url, json={"when": "now"}, headers=headers) as response:
            body = await response.json()
            if response.status != 202:
                raise RuntimeError(f"{charger.identity}: {response.status} {body}")
            if body["already_restarting"]:
                raise RuntimeError(f"{charger.identity} is already restarting: {body}")
        attempt = f"{self.stack.portal_url}/api/v1/restarts/{body['attempt_id']}"
        try:
            took = (await asyncio.wait_for(arrived, 10) - sent) * 1000
        except TimeoutError as error:
            async with self.http.get(attempt, headers=self.headers) as response:
                raise RuntimeError(f"no Reset came to {charger.identity}: {await response.json()}") from error
        await self._until(attempt, lambda shown: bool(shown["ended"]))
        return took

    async def available(self, charger: Charger) -> None:
        """Returns when this charger may be restarted."""
        url = f"{self.stack.portal_url}/api/v1/chargers/{charger.identity}"
        await self._until(url, lambda shown: bool(shown["restart"]["available"]))

    async def _until(self, url: str, check: Callable[[dict[str, Any]], bool]) -> None:
        give_up = time.monotonic() + 30
        while True:
            async with self.http.get(url, headers=self.headers) as response:
                body: dict[str, Any] = await response.json()
            if response.status == 200 and check(body):
                return
            if time.monotonic() > give_up:
                raise RuntimeError(f"{url} did not come to it in 30 s: {body}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(chargers: int) -> AsyncIterator[Bench]:
    """The whole stack in a throw-away folder, with so many chargers connected and booted."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-bench-"))
    await asyncio.to_thread(folder.chmod, 0o711)
    ports: set[int] = set()
    for _ in range(2):
        ports.add(next_free(20_000, ports))
    portal, bridge = sorted(ports)
    options = StackOptions(
        data_dir=folder,
        ports={"portal": portal, "bridge": bridge},
        service_env={
            "auth": {"AUTH_OPERATOR_USERNAME": OPERATOR_NAME, "AUTH_OPERATOR_PASSWORD": PASSWORD},
            "restart-orchestrator": WINDOWS,
        },
        train=False,
    )
    try:
        async with Stack(options, reporter()) as stack:
            url, names = f"http://{HOST}:{portal}", [f"BENCH-{number:04}" for number in range(chargers)]
            token = await asyncio.to_thread(_seed, url, names)
            fleet = Fleet(
                [
                    Charger(name, f"ws://{HOST}:{bridge}/ocpp", PASSWORD, speed=SPEED, transcript_limit=0)
                    for name in names
                ]
            )
            async with fleet, aiohttp.ClientSession() as http:
                await fleet.booted()
                yield Bench(stack, list(fleet), http, {"Authorization": f"Bearer {token}"})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _seed(url: str, names: list[str]) -> str:
    with Portal.logged_in(url, OPERATOR_NAME, PASSWORD) as operator:
        operator.put(f"/api/v1/groups/{GROUP}", {"name": "Benchmark"})
        operator.put_once_known(f"/api/v1/groups/{GROUP}/plan", {"plan": "business"})
        operator.post("/api/v1/users", {"user_id": PERSON, "name": PERSON, "password": PASSWORD})
        operator.put(f"/api/v1/groups/{GROUP}/members/{PERSON}", {"role": "administrator"})
        rows = [
            {
                "charger_id": name,
                "group_id": GROUP,
                "model": "Commander 2",
                "label": name,
                "security_profile": 1,
                "password": PASSWORD,
            }
            for name in names
        ]
        operator.post("/api/v1/chargers:import", {"chargers": rows})
        with Portal(url) as anonymous:
            answer = anonymous.post("/api/v1/login", {"username": PERSON, "password": PASSWORD})
    return str(answer["access_token"])


async def measure(*, rounds: int, chargers: int) -> int:
    """Restarts one after the other, each to its verdict, with a hop of the floor before each, under the same load."""
    async with running(chargers) as bench:
        access = bench.stack.kafka_access("admin")
        kafka = {
            "bootstrap_servers": access.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": access.username,
            "sasl_plain_password": access.password,
        }
        assert bench.stack.postgres is not None
        async with Floor(kafka, bench.stack.postgres.url()).running() as floor:
            hops: list[float] = []
            ours: list[float] = []
            for number in range(WARM_UP + rounds):
                charger = bench.chargers[number % len(bench.chargers)]
                await bench.available(charger)
                await asyncio.sleep(PAUSE_S)
                hop = await floor.hop()
                await asyncio.sleep(PAUSE_S)
                took = await bench.restart(charger)
                if number >= WARM_UP:
                    hops.append(hop)
                    ours.append(took)
    rows = {ROW: Distribution.of(ours), FLOOR: Distribution.of(hops)}
    print_latency("restart-latency", "milliseconds", rows, figure=ROW, floor=FLOOR)
    return 0
