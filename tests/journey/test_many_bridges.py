"""Two bridges behind one address: one is killed, both are replaced one after the other, and every verdict is true."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx2
import pytest
from running_system import PASSWORD, SPEED, System

from chassis.testing import eventually
from ops.embedded.ports import next_free
from simulator import Charger

BRIDGE = "ocpp-bridge"
PERSONALITIES = ("healthy", "never-answers-but-restarts", "accepts-and-ignores")


class Balancer:
    """One address in front of several: each connection goes to the next one that takes it."""

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self._server: asyncio.Server | None = None
        self._next = 0
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ocpp"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for pipe in list(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        for writer in self._writers:  # A pipe that was cancelled before its first step has closed nothing.
            writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        for _ in self.ports:
            self._next = (self._next + 1) % len(self.ports)
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self.ports[self._next])
                self._writers.add(back)
                for pair in ((reader, back), (there, writer)):
                    pipe = asyncio.create_task(self._pipe(*pair))
                    self._pipes.add(pipe)
                    pipe.add_done_callback(self._pipes.discard)
                return
        writer.close()

    @staticmethod
    async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def second_bridge(system: System, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another bridge, with the settings of the stack's own; returns when it is ready."""
    http = next_free(25_000, {port, *system.state.ports.values()})
    with (system.data_dir / "bridge-two.log").open("ab") as log:
        process = await system.started(
            BRIDGE, log, HTTP_PORT=str(http), OCPP_BRIDGE_PORT=str(port), INSTANCE_ID="bridge-two"
        )

    async def ready() -> None:
        async with httpx2.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{http}/health/ready", timeout=30)
            except httpx2.TransportError as error:
                raise AssertionError("the second bridge does not answer") from error
            assert answer.is_success, answer.text

    try:
        await eventually(ready, within=120)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)


@pytest.fixture
async def balancer(system) -> AsyncIterator[Balancer]:
    made = Balancer(system.state.ports["bridge"])
    yield made
    await made.stop()


async def chargers(system: System, stack: AsyncExitStack, url: str) -> list[Charger]:
    """Two of each personality, connected and booted."""
    made = []
    for personality in PERSONALITIES * 2:
        identity = await system.add_charger()
        charger = Charger(identity, url, PASSWORD, "ocpp1.6", personality, model="Commander 2", speed=SPEED)
        await stack.enter_async_context(charger)
        made.append(charger)
    for charger in made:
        await asyncio.wait_for(charger.booted(), 60)
    return made


async def ask_all(admin, made: list[Charger]) -> list[str]:
    """Restarts of all of them; returns the attempts once every charger has its Reset."""
    for charger in made:
        await admin.available(charger.identity)
    asked = [(await admin.ask(charger.identity))["attempt_id"] for charger in made]

    def all_reset() -> None:
        assert all(charger.facts.resets for charger in made), [len(charger.facts.resets) for charger in made]

    await eventually(all_reset, within=60)
    return asked


async def judge(admin, made: list[Charger], asked: list[str]) -> None:
    """Every verdict is what the charger knows of itself, and nobody was reset twice."""
    for charger, attempt_id in zip(made, asked, strict=True):
        attempt = await admin.ended(attempt_id)
        told, truth = attempt["verdict"]["verdict"], charger.facts.restarts
        assert (told == "restarted") == (truth == 1), (charger.personality.name, truth, attempt["verdict"])
        assert len(charger.facts.resets) == 1


async def test_open_attempts_go_on_when_a_bridge_is_killed(system, balancer):
    port = next_free(31_000, set(system.state.ports.values()))
    async with AsyncExitStack() as stack, system.person() as admin:
        two = await stack.enter_async_context(second_bridge(system, port))
        balancer.ports.append(port)
        made = await chargers(system, stack, await balancer.start())
        asked = await ask_all(admin, made)
        two.kill()
        await judge(admin, made, asked)


async def test_bridges_that_are_replaced_one_after_the_other_cause_no_wrong_verdict(system, balancer):
    port = next_free(31_000, set(system.state.ports.values()))
    async with AsyncExitStack() as stack, system.person() as admin:
        two = await stack.enter_async_context(second_bridge(system, port))
        balancer.ports.append(port)
        made = await chargers(system, stack, await balancer.start())
        asked = await ask_all(admin, made)
        first = system.process_of(BRIDGE).pid
        os.kill(first, signal.SIGTERM)
        await system.restarted(BRIDGE, first)
        two.terminate()
        await asyncio.wait_for(two.wait(), 60)
        await stack.enter_async_context(second_bridge(system, port))
        await judge(admin, made, asked)
