"""A running stack, and people and chargers that use it: what the journey tests hold in their hands."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import asyncpg
import httpx2

from chassis.testing import eventually
from contracts.topics import Service, Topic
from ops.client import Portal
from ops.commands.common import ops_kafka, service_environment
from ops.commands.events import as_event
from ops.embedded.places import DataDir
from ops.embedded.ports import HOST, next_free
from ops.embedded.services import SERVICES, environment
from ops.embedded.state import RunningProcess, StackState, find
from ops.log_reader import records
from simulator import Charger
from simulator.personalities import Personality

PASSWORD = "sixteen-or-more-characters"
SPEED = 20.0
DELICATE = "Delicate One"
"""A model that is left alone after a boot: its Resets wait until they are void."""
_BOOTED = """
    select from restart_orchestrator.chargers join restart_orchestrator.connectivity as k using (charger_id)
           join restart_orchestrator.boots as b using (charger_id)
     where charger_id = $1 and k.online and b.epoch >= k.epoch
"""
TOKEN_KEPT_S = 1800.0
VERDICT_WITHIN_S = 120.0
HEARD_WITHIN_S = 60.0
"""Until what was said has reached everybody: each reads it by itself, on a machine that is busy with other tests."""


def comeback(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the `comeback` command against a data folder."""
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        env=os.environ | {"COMEBACK_DATA_DIR": str(data_dir)} | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@dataclass
class System:
    """A running stack, seeded with a Business group and a Basic group."""

    data_dir: Path
    state: StackState
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the environment tells every service of it."""
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Access tokens by user, and when each was given: to check a password is slow on purpose."""

    @property
    def url(self) -> str:
        assert self.state.portal_url is not None
        return self.state.portal_url

    @property
    def bridge(self) -> str:
        assert self.state.bridge_url is not None
        return self.state.bridge_url.rstrip("/")

    def operator(self) -> Portal:
        return Portal(self.url, self._token("operator", DataDir(self.data_dir).secret("operator-password")))

    def _token(self, user: str, password: str = PASSWORD, *, signs_in_again: bool = False) -> str:
        token, since = self._tokens.get(user, ("", 0.0))
        if signs_in_again or not token or time.monotonic() - since > TOKEN_KEPT_S:
            with Portal.logged_in(self.url, user, password) as portal:
                assert portal.token is not None
                token = portal.token
            self._tokens[user] = token, time.monotonic()
        return token

    async def add_charger(self, group: str = "harbour", model: str = "Commander 2") -> str:
        """A charger that fleet knows; its id is new in every test."""
        charger_id = f"CH-{uuid4().hex[:10]}"

        def add() -> None:
            with self.operator() as operator:
                body = {
                    "group_id": group,
                    "model": model,
                    "label": f"Bay {charger_id}",
                    "security_profile": 1,
                    "password": PASSWORD,
                }
                operator.put_once_known(f"/api/v1/chargers/{charger_id}", body)

        await asyncio.to_thread(add)
        return charger_id

    @asynccontextmanager
    async def charger(
        self,
        personality: str | Personality = "healthy",
        protocol: str = "ocpp1.6",
        group: str = "harbour",
        model: str = "Commander 2",
        speed: float = SPEED,
    ) -> AsyncIterator[Charger]:
        """A simulated charger, connected and booted."""
        charger_id = await self.add_charger(group, model)
        charger = Charger(charger_id, self.bridge, PASSWORD, protocol, personality, model=model, speed=speed)
        async with charger:
            await asyncio.wait_for(charger.booted(), HEARD_WITHIN_S)
            await self.orchestrator_heard(_BOOTED, charger_id)
            yield charger

    async def orchestrator_heard(self, query: str, *arguments: Any) -> None:
        """Waits until a query in the orchestrator's tables finds something. It hears by itself, perhaps after the portal."""

        async def heard() -> None:
            assert await self.orchestrator_knows(query, *arguments), f"the orchestrator has not heard of {arguments}"

        await eventually(heard, within=HEARD_WITHIN_S)

    async def orchestrator_knows(self, query: str, *arguments: Any) -> bool:
        """Whether a query in the orchestrator's tables finds something."""
        url = service_environment(self.data_dir, Service.RESTART_ORCHESTRATOR)["DATABASE_URL"]
        connection = await asyncpg.connect(url)
        try:
            return bool(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    @asynccontextmanager
    async def person(self, user: str = "harbour-admin", *, signs_in_again: bool = False) -> AsyncIterator["Person"]:
        """A person who is signed in."""
        token = await asyncio.to_thread(self._token, user, signs_in_again=signs_in_again)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=90) as http:
            yield Person(http)

    def process_of(self, service: str) -> RunningProcess:
        """The service's process as it is now; an AssertionError while there is none."""
        state = find(self.data_dir)
        assert state is not None
        found = [process for process in state.processes if process.name == service]
        assert found, f"{service} does not run"
        return found[0]

    async def replaced(self, name: str, old_pid: int) -> None:
        """Returns when the supervisor has started another process in the place of one that died."""

        async def other() -> None:
            assert self.process_of(name).pid != old_pid

        await eventually(other, within=120)

    async def events(self, topic: Topic, charger_id: str, attempt_id: str) -> list[dict[str, Any]]:
        """What stands on a topic about an attempt, in order."""
        on_it = records(ops_kafka(self.data_dir), [topic], key=charger_id)
        data = [as_event(record)["data"] async for record in on_it]
        return [each for each in data if each and each.get("attempt_id") == attempt_id]

    async def started(self, service: str, log: BinaryIO, **its_own: str) -> asyncio.subprocess.Process:
        """A process of a service beside the stack's, told the same but for what is its own."""
        (told,) = [each for each in SERVICES if each.name == service]
        return await asyncio.create_subprocess_exec(
            *told.command(),
            env={
                **service_environment(self.data_dir, Service(service)),
                **environment(told, self.state.ports, HOST),
                **self.settings,
                **its_own,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    @asynccontextmanager
    async def another(self, service: str) -> AsyncIterator[None]:
        """A second process of a service, with the settings of the first; returns when it is ready."""
        port = next_free(25_000, set(self.state.ports.values()))
        with (self.data_dir / f"{service}-another.log").open("wb") as log:
            process = await self.started(service, log, HTTP_PORT=str(port), INSTANCE_ID=f"{service}-another")
        try:
            await eventually(lambda: _ready(f"http://127.0.0.1:{port}"), within=120)
            yield
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 60)

    async def restarted(self, service: str, old_pid: int) -> None:
        """Returns when the supervisor has started the service again and it is ready."""

        async def ready() -> None:
            process = self.process_of(service)
            assert process.pid != old_pid
            await _ready(process.url)

        await eventually(ready, within=120)


async def _ready(url: str | None) -> None:
    async with httpx2.AsyncClient() as http:
        try:
            answer = await http.get(f"{url}/health/ready", timeout=30)
        except httpx2.TransportError as error:
            raise AssertionError(f"{url} does not answer") from error
        assert answer.is_success, answer.text


@dataclass
class Person:
    """The portal's API, as one person."""

    http: httpx2.AsyncClient

    async def charger(self, charger_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/chargers/{charger_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def available(self, charger_id: str) -> dict[str, Any]:
        async def green() -> dict[str, Any]:
            shown = await self.charger(charger_id)
            assert shown["restart"]["available"], shown["restart"]
            return shown

        return await eventually(green, within=HEARD_WITHIN_S)

    async def ask(self, charger_id: str, key: str | None = None, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(
            f"/api/v1/chargers/{charger_id}/restarts",
            json={"when": "now"} | body,
            headers={"Idempotency-Key": key or str(uuid4())},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def attempt(self, attempt_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v1/restarts/{attempt_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, attempt_id: str) -> dict[str, Any]:
        async def over() -> dict[str, Any]:
            attempt = await self.attempt(attempt_id)
            assert attempt["ended"], f"still {attempt['status']}"
            return attempt

        return await eventually(over, within=VERDICT_WITHIN_S)

    async def take_back(self, attempt_id: str) -> httpx2.Response:
        """Asks to take a restart back; the answer says whether that came in time."""
        return await self.http.delete(f"/api/v1/restarts/{attempt_id}")

    async def restart(self, charger_id: str, **body: Any) -> dict[str, Any]:
        """Asks, and waits for the verdict."""
        return await self.ended((await self.ask(charger_id, **body))["attempt_id"])
