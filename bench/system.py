"""A whole stack with connected chargers, and the people, requests and views that benchmarks of it share."""

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from bench.asker import Asker, connected
from ops.client import Portal
from ops.commands.common import OPERATOR_NAME
from ops.embedded.ports import HOST, next_free
from ops.embedded.progress import reporter
from ops.stack import DATABASE, Stack, StackOptions
from simulator import Charger, Fleet, Reset

PORTS = ("portal", "bridge", "kafka", "kafka-controller", "postgres")
GROUP = "bench"
PERSON = "bench-admin"
PASSWORD = "sixteen-or-more-characters"  # noqa: S105 of accounts that live as long as this run
LIMITS = {
    "PORTAL_REQUESTS_PER_MINUTE": "1000000",
    "PORTAL_RESTARTS_PER_MINUTE": "1000000",
    "PORTAL_GROUP_RESTARTS_PER_MINUTE": "1000000",
}
"""One person here does what thousands do elsewhere."""
SPEED = 50.0
"""What a charger does by itself is no part of any measurement: it is back within half a second."""
WINDOWS = {
    "RESTART_ORCHESTRATOR_DROP_WINDOW_S": "10",
    "RESTART_ORCHESTRATOR_BOOT_WINDOW_S": "20",
    "RESTART_ORCHESTRATOR_GRACE_WINDOW_S": "0.1",
}


@dataclass
class Bench:
    """A running stack with chargers, and what is needed to ask for restarts."""

    stack: Stack
    chargers: list[Charger]
    http: aiohttp.ClientSession
    asker: Asker
    headers: dict[str, str]

    @property
    def database_url(self) -> str:
        """The services' database, as its administrator."""
        assert self.stack.postgres is not None
        return self.stack.postgres.url(DATABASE)

    def kafka(self) -> dict[str, Any]:
        """How a client of the benchmark's own reaches Kafka, as its administrator."""
        access = self.stack.kafka_access("admin")
        return {
            "bootstrap_servers": access.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": access.username,
            "sasl_plain_password": access.password,
        }

    async def ask(self, charger_id: str, **how: object) -> UUID | None:
        """Asks for a restart; the attempt, or None where another one is still open."""
        url = f"{self.stack.portal_url}/api/v1/chargers/{charger_id}/restarts"
        headers = self.headers | {"Idempotency-Key": str(uuid4())}
        async with self.http.post(url, json={"when": "now"} | how, headers=headers) as response:
            body = await response.json()
            if response.status != 202:
                raise RuntimeError(f"{charger_id}: {response.status} {body}")
        return None if body["already_restarting"] else UUID(body["attempt_id"])

    async def restart(self, charger: Charger) -> float:
        """Restarts to the verdict; milliseconds from sending the request to the Reset frame's arrival."""
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def note(_charger: Charger, _reset: Reset) -> None:
            if not arrived.done():
                arrived.set_result(time.perf_counter())

        charger.on_reset(note)
        headers = self.headers | {"Idempotency-Key": str(uuid4())}
        request = self.asker.post(f"/api/v1/chargers/{charger.identity}/restarts", headers, {"when": "now"})
        sent = time.perf_counter()
        self.asker.send(request)
        status, body = await self.asker.answer()
        if status != 202 or body["already_restarting"]:
            raise RuntimeError(f"{charger.identity}: {status} {body}")
        attempt_id = body["attempt_id"]
        attempt = f"{self.stack.portal_url}/api/v1/restarts/{attempt_id}"
        try:
            took = (await asyncio.wait_for(arrived, 10) - sent) * 1000
        except TimeoutError as error:
            async with self.http.get(attempt, headers=self.headers) as response:
                raise RuntimeError(f"no Reset came to {charger.identity}: {await response.json()}") from error
        await self.until(attempt, lambda shown: bool(shown["ended"]))
        return took

    async def available(self, charger: Charger) -> None:
        """Returns when this charger may be restarted."""
        url = f"{self.stack.portal_url}/api/v1/chargers/{charger.identity}"
        await self.until(url, lambda shown: bool(shown["restart"]["available"]))

    async def until(self, url: str, check: Callable[[dict[str, Any]], bool]) -> None:
        """Asks for the URL until the answer is so. Raises RuntimeError after half a minute."""
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
async def running(
    chargers: int, *, starts_per_second: float | None = None, absent: Sequence[str] = ()
) -> AsyncIterator[Bench]:
    """The whole stack in a throw-away folder, with so many chargers connected and booted.

    Args:
        chargers: how many.
        starts_per_second: how many of them connect in a second; None has all connect at once.
        absent: identities of chargers that are registered and never connect.
    """
    folder = Path(tempfile.mkdtemp(prefix="comeback-bench-"))
    await asyncio.to_thread(folder.chmod, 0o711)
    ports: dict[str, int] = {}
    for name in PORTS:
        # Anywhere, so that another stack that starts at this moment does not want the same.
        ports[name] = next_free(20_000 + random.randrange(10_000), set(ports.values()))  # noqa: S311 not a secret
    portal, bridge = ports["portal"], ports["bridge"]
    options = StackOptions(
        data_dir=folder,
        ports=ports,
        service_env={
            "auth": {"AUTH_OPERATOR_USERNAME": OPERATOR_NAME, "AUTH_OPERATOR_PASSWORD": PASSWORD},
            "restart-orchestrator": WINDOWS,
            "portal": LIMITS,
        },
        train=False,
    )
    try:
        async with Stack(options, reporter()) as stack:
            url, names = f"http://{HOST}:{portal}", [f"BENCH-{number:04}" for number in range(chargers)]
            token = await asyncio.to_thread(_seed, url, [*names, *absent])
            fleet = Fleet(
                [
                    Charger(name, f"ws://{HOST}:{bridge}/ocpp", PASSWORD, speed=SPEED, transcript_limit=0)
                    for name in names
                ],
                starts_per_second=starts_per_second,
            )
            connector = aiohttp.TCPConnector(limit=0)
            async with fleet, aiohttp.ClientSession(connector=connector) as http, connected(HOST, portal) as asker:
                await fleet.booted()
                yield Bench(stack, list(fleet), http, asker, {"Authorization": f"Bearer {token}"})
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
