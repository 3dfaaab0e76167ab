"""The portal's pages in a real Chromium, over a line that a test can cut, slow down or answer on.

One browser serves all tests, so they and their asynchronous fixtures share its event loop: such a fixture is one of
`pytest_asyncio.fixture(loop_scope="session")`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from chromium_switches import SWITCHES
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from chassis.testing import eventually
from contracts.restart import (
    Confidence,
    Evidence,
    EvidenceKind,
    Expected,
    Health,
    Outcome,
    Spread,
    Status,
    Step,
    Verdict,
)
from portal.settings import PortalSettings

STEPS = (Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK, Step.HEALTHY)
STATUS_OF = {
    Step.REQUESTED: Status.REQUESTED,
    Step.SENT: Status.DISPATCHING,
    Step.ACCEPTED: Status.AWAITING_DROP,
    Step.GONE: Status.RESTARTING,
    Step.BACK: Status.CHECKING,
    Step.HEALTHY: Status.RESTARTED,
}
EXPECTED = Expected(
    samples=124, basis="model", drop=Spread(p50_s=2, p95_s=5), away=Spread(p50_s=100, p95_s=180)
)  # fmt: skip


PATIENCE_MS = 60_000
"""Nothing here takes so long; a loaded machine may be late."""
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share the browser, and so the event loop that it belongs to."""
    in_one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("asyncio") is not None:
            item.add_marker(in_one_loop, append=False)  # Before the mark of the auto mode: the first one counts.


class Line:
    """What lies between the browser and the portal: a proxy that can be cut, or fall silent, or answer by itself."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._answer: bytes | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        # Bound all along and never listened on: while the line is cut, its port is given to nobody else.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port = self._reserved.getsockname()[1]
        self.streams = 0
        self.accepted = 0

    async def open(self) -> None:
        """Listens, on the same port each time."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Ends every connection and takes no new one."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        """Cuts it for good."""
        await self.cut()
        self._reserved.close()

    def stall(self) -> None:
        """Everything stays open and nothing comes through."""
        self._flowing.clear()

    async def answer(self, status: str) -> None:
        """Ends every connection and answers every new request so."""
        self._answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Passes on again, and lets what was held back go."""
        self._answer = None
        self._flowing.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.accepted += 1
        try:
            if self._answer is not None:
                await reader.read(1)
                writer.write(self._answer)
                await writer.drain()
                return
            from_portal, to_portal = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(to_portal)
            try:
                await asyncio.gather(self._copy(reader, to_portal, up=True), self._copy(from_portal, writer))
            finally:
                to_portal.transport.abort()
                self._writers.discard(to_portal)
        except (ConnectionError, OSError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool = False) -> None:
        with suppress(ConnectionError, OSError):
            while data := await reader.read(65536):
                if up and b"GET /api/v1/events" in data:
                    self.streams += 1
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, OSError):
            writer.write_eof()


@dataclass
class Desk:
    """A person's browser: pages that are signed in, and what went wrong in them."""

    browser: Browser
    world: Any
    line: Line
    troubles: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.line.port}"

    async def context(self, user: str | None = "administrator", **options: Any) -> BrowserContext:
        context = await self.browser.new_context(base_url=self.url, **{"locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE_MS)
        if user is not None:
            await context.add_cookies(
                [{"name": "comeback_session", "value": self.world.token(user), "url": self.url, "httpOnly": True}]
            )
        self.contexts.append(context)
        return context

    async def page(self, path: str = "/chargers/CP-1", user: str | None = "administrator", **options: Any) -> Page:
        return await self.tab(await self.context(user, **options), path)

    async def tab(self, context: BrowserContext, path: str) -> Page:
        page = await context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("console", lambda said: self._listen(said.type, said.text))
        await page.goto(path)
        if await page.locator("[data-live]").count():
            await expect(page.locator("body")).to_have_attribute("data-live", "live")
        return page

    def _listen(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text and "net::ERR" not in text:
            self.troubles.append(text)


class Restarting:
    """Moves an attempt as the orchestrator would. `requested`: the attempt that the page asked for, if it did."""

    def __init__(self, world: Any, *, by: str = "administrator", started: datetime | None = None) -> None:
        self.world = world
        self.by = by
        self.attempt_id: UUID = uuid4()
        self.requested_at = started or datetime.now(UTC)
        self.version = 0
        self.steps: dict[Step, datetime] = {}

    async def asked(self) -> None:
        """Takes over the request that the page has sent, once it is there."""
        await eventually(self._sent)
        request = self.world.publisher.messages[-1]
        self.attempt_id, self.requested_at, self.by = request.attempt_id, request.requested_at, request.requested_by

    def _sent(self) -> None:
        assert self.world.publisher.messages

    async def reach(self, step: Step, *, after: float | None = None, **options: Any) -> None:
        """Reaches a step, `after` seconds from the request, or now."""
        at = datetime.now(UTC) if after is None else self.requested_at + timedelta(seconds=after)
        self.steps[step] = at
        await self.say(STATUS_OF[step], moved_at=at, **options)

    async def say(self, status: Status, **options: Any) -> None:
        self.version += 1
        values: dict[str, Any] = {
            "requested_by": self.by,
            "requested_at": self.requested_at,
            "steps": dict(self.steps),
            "expected": EXPECTED if Step.SENT in self.steps else None,
            "new_evidence": (),
        }
        await self.world.say(self.world.make.moved(self.attempt_id, self.version, status, **(values | options)))

    async def through(self, *steps: Step) -> None:
        for step in steps:
            await self.reach(step, new_evidence=(seen(EvidenceKind.SENT),) if step is Step.SENT else ())

    async def succeed(self, **options: Any) -> None:
        """All steps, and the verdict that it restarted."""
        await self.through(*(step for step in STEPS[:-1] if step not in self.steps))
        verdict = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)
        boot = seen(EvidenceKind.BOOT, params={"reason": "RemoteReset"}, frame='[2,"17","BootNotification",{}]')
        await self.reach(Step.HEALTHY, **({"verdict": verdict, "new_evidence": (boot,)} | options))


def seen(kind: EvidenceKind, **options: Any) -> Evidence:
    values = {"position": "ocpp.observations.v1/3/4711", "epoch": 2, "at": datetime.now(UTC)}
    return Evidence(kind=kind, event_id=uuid4(), **(values | options))


@pytest.fixture
def settings() -> PortalSettings:
    # A beat that is late by two and a half is a line that is dead to the page: not so few that a busy machine is late.
    return PortalSettings(beat_s=2.0, streams_per_person=12, stream_queue=256, embed_origins="http://127.0.0.1:1")


@pytest.fixture
def transport() -> Any:
    """What stands for auth, billing and fleet; nothing does."""
    return None


@pytest_asyncio.fixture(loop_scope="session")
async def world(
    new_database: Callable[..., Awaitable[str]], settings: PortalSettings, portal_running: Any, transport: Any
) -> AsyncIterator[Any]:
    async with portal_running(await new_database("portal"), settings, transport) as made:
        await made.seed(site="Pier 3")
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One for all: to start it takes longer than most tests. Each test has contexts of its own in it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Browser, world: Any) -> AsyncIterator[Desk]:
    """Fails a test in whose pages a script failed or the content policy was broken."""
    line = Line(int(world.url.rpartition(":")[2]))
    await line.open()
    desk = Desk(browser, world, line)
    yield desk
    for context in desk.contexts:
        await context.close()
    await line.close()
    assert desk.troubles == []


@pytest.fixture
def restarting(world: Any) -> Restarting:
    return Restarting(world)


@pytest.fixture
def another_restart() -> type[Restarting]:
    return Restarting


@pytest.fixture
def observed() -> Callable[..., Evidence]:
    return seen
