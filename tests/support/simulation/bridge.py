"""A bridge process: the bridge as `ocpp_bridge.app` wires it, on a database in memory and connections without sockets."""

import asyncio
from typing import Any, cast

from aiohttp import web
from prometheus_client import CollectorRegistry

from chassis.publisher import PublishFailedError
from contracts import topics
from contracts.envelope import Envelope
from contracts.fleet import CredentialSet
from ocpp_bridge import app
from ocpp_bridge.listener import Listener
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.opening import Opening, RefusedError
from ocpp_bridge.sessions import Sessions, Watch
from ocpp_bridge.settings import Settings
from ocpp_bridge.succession import Succession
from simulation.bridge_database import BridgeDatabase
from simulation.log import Log, ProcessPublisher
from simulation.loop import Process, ProcessClock, VirtualLoop
from simulation.sockets import BridgeEnd, Line

LEASE_S = 10.0
UNREST_S = 30.0
"""After something that instances have to sort out among themselves, they look after each other for so long."""
TICK_S = 1.0

_settings = Settings(instance_id="bridge", lease_s=LEASE_S, commands_since_s=60.0)
_metrics = BridgeMetrics(CollectorRegistry())


class Surroundings:
    """What bridges notice of the world, so that they need not look around when nothing can have happened.

    Attributes:
        trouble: a connection is dead, and nobody was told.
        restless_until: until then instances may have to give way to each other or inherit.
    """

    def __init__(self) -> None:
        self.trouble = asyncio.Event()
        self.unrest = asyncio.Event()
        self.restless_until = 0.0
        self.lines: list[Line] = []


_surroundings: list[Surroundings] = []


def use(surroundings: Surroundings) -> None:
    """Makes it that of the bridges that are started from now on."""
    _surroundings[:] = [surroundings]


class EventfulWatch(Watch):
    """Looks only while there is a connection that would not answer: the others would answer every ping."""

    def __init__(self, sessions: Sessions, clock: Any, **options: Any) -> None:
        super().__init__(sessions, clock, **options)
        self._around = _surroundings[-1]

    async def run(self) -> None:
        while True:
            if not any(line.needs_watching for line in self._around.lines):
                self._around.trouble.clear()
                await self._around.trouble.wait()
            await asyncio.sleep(TICK_S)
            self.look(asyncio.get_running_loop().time())


class EventfulSuccession(Succession):
    """Looks only in times of unrest; in between its lease is as fresh as if it had been renewed all the time."""

    async def _pause(self) -> None:
        around = _surroundings[-1]
        loop = asyncio.get_running_loop()
        if loop.time() > around.restless_until:
            around.unrest.clear()
            await around.unrest.wait()
            self._renewed_at = loop.time()
        await super()._pause()


class SilentListener(Listener):
    """Listens on no port: chargers are handed to it."""

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return


class LineOpening(Opening):
    """Opens sessions on connections of the simulation."""

    def _upgrade(self, request: Any, key: str, protocol: str | None, *, deflate: bool) -> Any:
        del key, protocol, deflate
        if request.transport.is_closing():
            raise ConnectionResetError("the charger is gone")
        return request.transport, b""

    def _session(self, wire: Any, charger_id: str, opened: Any, instance: str, dialect: Any) -> Any:
        end: BridgeEnd = wire
        end.line.epoch = opened.epoch
        return super()._session(wire, charger_id, opened, instance, dialect)


class Knock:
    """A handshake, as far as it is looked at."""

    def __init__(self, line: Line) -> None:
        self.transport = line.bridge


class NotLetInError(Exception):
    """The handshake was refused, with an HTTP status."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class BridgeProcess:
    """One life of one instance.

    Attributes:
        ready: it lets chargers in.
        leaving: it is being stopped in good order.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        log: Log,
        database: BridgeDatabase,
        name: str,
        partitions: tuple[int, ...],
        offset: float,
    ) -> None:
        self._loop = loop
        self._log = log
        self._database = database
        self._partitions = partitions
        self.name = name
        self.process = Process(name)
        self.process.offset = offset
        self.ready = False
        self.leaving = False
        self.bridge: app.Bridge | None = None

    def start(self, credentials: list[Envelope[CredentialSet]]) -> None:
        """Begins its life."""
        self._loop.spawn(self._live(credentials), self.process)

    def stop(self) -> None:
        """Ends it in good order."""
        self.leaving, self.ready = True, False
        self._loop.spawn(self._leave(), self.process)

    def refresh_lease(self) -> None:
        """Its lease, as if it had been renewed until now."""
        if self.bridge is not None and self.process.alive and not self.process.frozen:
            row = self._database.leases.get(self.bridge.instance)
            if row is not None and not row.given_up:
                row.renewed_at = self._database.clock()

    async def let_in(self, line: Line) -> None:
        """The handshake of a charger. Raises NotLetInError, or OSError when nobody answers."""
        answer: asyncio.Future[Exception | None] = self._loop.create_future()
        self._loop.spawn(self._open(line, answer), self.process)
        try:
            async with asyncio.timeout(20):
                refused = await answer
        except TimeoutError:
            raise OSError("nobody answers") from None
        if refused is not None:
            raise refused

    async def _open(self, line: Line, answer: "asyncio.Future[Exception | None]") -> None:
        refused: Exception | None = None
        try:
            if self.bridge is None or not self.ready:
                raise RefusedError(503, "not ready", retry_after=5)
            request = cast("web.Request", Knock(line))
            await self.bridge.opening.open(request, line.charger_id, [line.protocol])
        except RefusedError as error:
            refused = NotLetInError(error.status, error.retry_after)
        except OSError as error:
            refused = error
        if not answer.done():
            answer.set_result(refused)

    async def _live(self, credentials: list[Envelope[CredentialSet]]) -> None:
        publisher = ProcessPublisher(self._log, self.process)
        clock = ProcessClock(self.process)
        while self.bridge is None:
            bridge = app.Bridge(
                _settings,
                publisher,
                _metrics,
                has_credentials=lambda: True,
                dsn="",
                instance_id=self.name,
                clock=clock,
            )
            for credential in credentials:
                bridge.credentials.apply(credential)
            try:
                await bridge.start()
            except (OSError, PublishFailedError):
                await asyncio.sleep(1.0)  # the service would end, and be started again
            else:
                self.bridge = bridge
        self.ready = True
        since = self._loop.time() + self.process.offset - _settings.commands_since_s
        for partition in self._partitions:
            self._loop.spawn(self._read_commands(self.bridge, partition, since), self.process)

    async def _read_commands(self, bridge: app.Bridge, partition: int, since: float) -> None:
        records = self._log.records(topics.OCPP_COMMANDS.name, partition)
        position = next((at for at, record in enumerate(records) if record.at >= since), len(records))
        reader = self._log.reader(self.name, topics.OCPP_COMMANDS, partition, position=position)
        while True:
            for record in await reader.poll(at_most=10):
                bridge.take_command(record.envelope)

    async def _leave(self) -> None:
        if self.bridge is not None:
            await self.bridge.stop()
        self.process.die()
