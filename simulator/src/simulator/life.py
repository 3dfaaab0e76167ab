"""A charger's life: power, network, sockets, boots and restarts; what it does while it lives is the subclass's."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any, Self

from aiohttp import ClientSession

from simulator.connection import CallRefusedError, Connection, Ending, UnansweredError
from simulator.dialing import Backoff, Endpoint, HandshakeRefusedError, open_session
from simulator.facts import Facts, HandshakeRefused
from simulator.frames import Incoming, Json
from simulator.scripts import Scripts

DEFAULT_HEARTBEAT_S = 300.0
DEFAULT_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Outage:
    """Why there is no socket and what follows; `until` is monotonic, None means that nothing does."""

    until: float | None
    restart: bool = False
    boot: bool = True
    reason: str | None = "PowerUp"


class Life(ABC):
    """Keeps a charger connected and registered, unless it was told not to be."""

    def __init__(
        self, endpoint: Endpoint, facts: Facts, *, speed: float, random: Random, answer_timeout: float
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed is {speed}: it must be above 0 (1 is real time, 10 is ten times as fast)")
        self.endpoint = endpoint
        self.facts = facts
        self.speed = speed
        self.random = random
        self.backoff = Backoff()
        self.heartbeat_interval = DEFAULT_HEARTBEAT_S
        self.answer_timeout = answer_timeout
        self.boot_reason: str | None = "PowerUp"
        self._session: ClientSession | None = None
        self._connection: Connection | None = None
        self._abandoned: list[Connection] = []
        self._outage: Outage | None = None
        self._network = True
        self._redial_pause = 0.0
        self._wake = asyncio.Event()
        self._connected = asyncio.Event()
        self._registered = asyncio.Event()
        self._boot_now = asyncio.Event()
        self._ready = asyncio.Event()
        self._heartbeat_timer: asyncio.TimerHandle | None = None
        self._background = Scripts(endpoint.identity, facts)
        self._scripts = Scripts(endpoint.identity, facts)
        self._running: asyncio.Task[None] | None = None

    @abstractmethod
    def boot_payload(self, reason: str | None) -> Json: ...

    @abstractmethod
    async def before_boot(self, connection: Connection) -> None:
        """Called on a new socket before the BootNotification."""

    @abstractmethod
    async def after_boot(self, connection: Connection) -> None:
        """Called when a BootNotification was accepted."""

    @abstractmethod
    async def after_return(self, connection: Connection) -> None:
        """Called on a new socket of a charger that need not boot."""

    @abstractmethod
    def software_started(self) -> None:
        """Called at every real restart."""

    @abstractmethod
    def take_call(self, connection: Connection, frame: Incoming) -> None:
        """Called for every CALL from the server; must not wait."""

    # -- running

    def start(self, session: ClientSession | None = None) -> None:
        """Run in the background; `session` may be shared and is not closed (see `open_session`)."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self.run(session), name=f"charger {self.endpoint.identity}")

    async def stop(self) -> None:
        """Close the socket with code 1000 and end everything."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def run(self, session: ClientSession | None = None) -> None:
        """Live until cancelled."""
        self._session = session or open_session()
        try:
            while True:
                await self._step(self._session)
        finally:
            await self._scripts.stop()
            await self._background.stop()
            for connection in self._abandoned:
                await connection.discard()
            self._abandoned.clear()
            if session is None:
                await self._session.close()

    async def _step(self, session: ClientSession) -> None:
        if self._outage is not None:
            await self._sit_out(self._outage)
        elif not self._network:
            await self._nap(None)
        elif self._redial_pause > 0:
            pause, self._redial_pause = self._redial_pause, 0.0
            await self._nap(pause / self.speed)
        else:
            try:
                websocket = await self.endpoint.dial(session)
            except HandshakeRefusedError as refused:
                self.facts.handshakes_refused.append(HandshakeRefused(monotonic(), refused.status, str(refused)))
                self.facts.note(0, "event", f"could not connect: {refused}")
                self._redial_pause = refused.retry_after or self.backoff.next_pause(self.random)
                return
            self.facts.sockets_opened += 1
            await self._serve(Connection(websocket, self.facts.sockets_opened, self.facts, self.take_call))

    async def _sit_out(self, outage: Outage) -> None:
        left = None if outage.until is None else outage.until - monotonic()
        if left is None or left > 0:
            await self._nap(left)
            return
        self._outage = None
        if outage.restart:
            self.facts.restarts += 1
            self.facts.note(0, "event", "restarted")
            self.boot_reason = outage.reason
            self.software_started()
            if not outage.boot:
                self._registered.set()

    async def _nap(self, seconds: float | None) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _serve(self, connection: Connection) -> None:
        self._connection = connection
        self.facts.note(connection.number, "event", "connected")
        if self._outage is not None or not self._network:
            await connection.end(Ending.ABRUPT)
            return
        self._connected.set()
        greeting = self.run_in_background(self._greet(connection))
        try:
            await connection.ended()
        finally:
            greeting.cancel()
            self._connected.clear()
            self._ready.clear()
            self._connection = None
            self._cancel_heartbeat()
            await connection.end(Ending.NORMAL)
            if connection.abandoned:
                self._abandoned.append(connection)
        if self._outage is None:
            self._redial_pause = self.backoff.next_pause(self.random)

    # -- registration and heartbeats

    async def _greet(self, connection: Connection) -> None:
        returning = self._registered.is_set()
        if not returning:
            await self.before_boot(connection)
            await self._register(connection)
            self._registered.set()
        self.backoff.succeeded()
        self._schedule_heartbeat()
        await (self.after_return(connection) if returning else self.after_boot(connection))
        self._ready.set()

    async def _register(self, connection: Connection) -> None:
        reason = self.boot_reason
        while True:
            self._boot_now.clear()
            try:
                status, interval = await self.send_boot(connection, reason)
            except UnansweredError:
                continue
            except CallRefusedError:
                status, interval = "Rejected", 0.0
            if status == "Accepted":
                self.heartbeat_interval = interval or DEFAULT_HEARTBEAT_S
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((interval or DEFAULT_RETRY_S) / self.speed):
                    await self._boot_now.wait()
                    reason = "Triggered"

    async def send_boot(self, connection: Connection, reason: str | None) -> tuple[str, float]:
        """Send a BootNotification and return the server's status and interval (seconds)."""
        self.facts.boots_sent += 1
        answer = await connection.call("BootNotification", self.boot_payload(reason), self.answer_timeout)
        status, interval = str(answer.get("status")), float(answer.get("interval") or 0)
        self.facts.registration = status
        self.facts.boots_accepted += status == "Accepted"
        self.facts.note(connection.number, "event", f"boot {status}, interval {interval:g} s")
        return status, interval

    async def boot_again(self) -> None:
        """Send a BootNotification on the present socket, as after a TriggerMessage."""
        if not self._registered.is_set():
            self._boot_now.set()
        elif self._connection is not None:
            await self.send_boot(self._connection, "Triggered")

    async def send_heartbeat(self) -> None:
        """Send a Heartbeat; a server that doesn't answer it is given up, and connected to anew."""
        connection = self._connection
        if connection is None:
            return
        self.facts.heartbeats_sent += 1
        try:
            await connection.call("Heartbeat", {}, self.answer_timeout)
        except UnansweredError:
            await connection.end(Ending.ABRUPT)
        except CallRefusedError:
            return

    def _schedule_heartbeat(self) -> None:
        self._cancel_heartbeat()
        delay = self.heartbeat_interval / self.speed
        self._heartbeat_timer = asyncio.get_running_loop().call_later(delay, self._beat)

    def _cancel_heartbeat(self) -> None:
        if self._heartbeat_timer is not None:
            self._heartbeat_timer.cancel()
            self._heartbeat_timer = None

    def _beat(self) -> None:
        self._schedule_heartbeat()
        self.run_in_background(self.send_heartbeat())

    # -- what personalities and commands are made of

    @property
    def connection(self) -> Connection | None:
        """The present socket."""
        return self._connection

    @property
    def is_registered(self) -> bool:
        """Whether a BootNotification was accepted since the software last started."""
        return self._registered.is_set()

    async def connected(self) -> Connection:
        """Wait for a socket and return it."""
        while self._connection is None or not self._connection.open:
            await self._connected.wait()
            await asyncio.sleep(0)
        return self._connection

    async def booted(self) -> None:
        """Wait until the charger is registered: at once when it is."""
        await self._registered.wait()

    async def ready(self) -> None:
        """Wait until the present socket is registered and all that was waiting to be said on it is said."""
        await self._ready.wait()

    async def pause(self, seconds: float) -> None:
        """Let so many of the charger's own seconds pass."""
        await asyncio.sleep(seconds / self.speed)

    async def drop(self, ending: Ending = Ending.ABRUPT) -> None:
        """End the socket; the charger connects again when its back-off says so."""
        if self._connection is not None:
            await self._connection.end(ending)

    async def blink(self, away: float, ending: Ending = Ending.ABRUPT) -> None:
        """End the socket and be back after `away` of its own seconds, without a restart."""
        if self._outage is None:
            self._outage = Outage(monotonic() + away / self.speed)
            self._wake.set()
        await self.drop(ending)

    async def restart(
        self, *, away: float, ending: Ending = Ending.ABRUPT, reason: str | None = "PowerUp", boot: bool = True
    ) -> None:
        """Really restart.

        Args:
            away: the charger's own seconds from the socket's end to the next connection.
            ending: how the socket ends.
            reason: in the BootNotification (2.x).
            boot: whether it sends one.
        """
        self.software_ended()
        self._outage = Outage(monotonic() + away / self.speed, restart=True, boot=boot, reason=reason)
        self._wake.set()
        await self.drop(ending)

    async def vanish(self, ending: Ending = Ending.ABRUPT) -> None:
        """Go down and stay down, until somebody switches the power off and on."""
        self.software_ended()
        self._outage = Outage(None)
        self._wake.set()
        await self.drop(ending)

    async def unplug_network(self, ending: Ending = Ending.SILENT) -> None:
        """Lose the network: by default without a word to the other side, as a pulled cable does."""
        self._network = False
        await self.drop(ending)

    def plug_network(self) -> None:
        """Have the network back; the charger connects at once."""
        self._network = True
        self._redial_pause = 0.0
        self._wake.set()

    def software_ended(self) -> None:
        """Forget what a process forgets when it ends: registration, and scripts other than the present one."""
        self._registered.clear()
        self._scripts.cancel_others()

    def run_script(self, script: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something in the background until it is done or the software ends."""
        return self._scripts.run(script)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something in the background until it is done or the charger is stopped."""
        return self._background.run(work)
