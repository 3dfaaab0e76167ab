"""A service process: what it is composed of, and in which order it starts and stops."""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
import uvloop
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

from chassis import inbox, migrations
from chassis.clock import SystemClock, WakingClock
from chassis.command_line import START_WITHIN_S, CannotStartError, main
from chassis.consumer import Consumers
from chassis.database import Database, DatabaseUnavailableError
from chassis.garbage import keep_what_lives
from chassis.health import Health
from chassis.http import OPERATIONS, Problem, create_http, problem_response
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.operations import OperationsAccess, nothing_here
from chassis.outbox import Outbox
from chassis.publisher import Publisher, PublishFailedError
from chassis.relay import Relay
from chassis.server import AddressInUseError, HttpServer
from chassis.settings import ServiceSettings
from chassis.table import CompactedTable, OnRecord
from chassis.tasks import background, cancel, delays
from chassis.timers import Timers
from chassis.tokens import KeyRing
from contracts import topics
from contracts.topics import Topic

__all__ = ["CannotStartError", "Service", "main"]

log = structlog.stdlib.get_logger(__name__)

Step = Callable[[], Awaitable[None]]
PRUNE_EVERY_S = 600.0
STOPPING = "stopping"
STOP_WITHIN_S = 10.0
"""For each part; a handler at work has 8 s of them."""


class Service:
    """One service process, composed by its `build` function and then run.

    Parts that are asked for exist and are started; a service that never reads `service.outbox` has no relay. Publisher,
    consumers and key ring must be asked for before the start, because readiness waits for them.

    Args:
        name: the folder name, with hyphens; the import name and the schema have underscores.
        settings: of this process.
        metadata: the service's tables; None for a service without a database.
        public: its port is open to the world, to which health and metrics are then not shown.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        metadata: MetaData | None = None,
        *,
        clock: WakingClock | None = None,
        http_options: Mapping[str, Any] | None = None,
        public: bool = False,
    ) -> None:
        self.name = name
        self.import_name = name.replace("-", "_")
        self.settings = settings
        self.metadata = metadata
        self.clock: WakingClock = clock or SystemClock()
        self.instance_id = settings.instance_id or f"{name}-{secrets.token_hex(3)}"
        self.metrics = Metrics(name)
        self.registry = self.metrics.registry
        self.health = Health()
        self.kafka = KafkaConnection.from_settings(settings, self.instance_id)
        self.tables: list[CompactedTable] = []
        self._database: Database | None = None
        self._relay: Relay | None = None
        self._outbox: Outbox | None = None
        self._timers: Timers | None = None
        self._publisher: Publisher | None = None
        self._consumers: Consumers | None = None
        self._keyring: KeyRing | None = None
        self._http: FastAPI | None = None
        self._http_options = dict(http_options or {})
        self._on_start: list[Step] = []
        self._on_stop: list[Step] = []
        self._on_close: list[Step] = []
        self._pruning: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._running = False
        self._late: list[asyncio.Future[None]] = []
        self._phase: str | None = "starting"
        self.health.add_ready("start", lambda: self._phase)
        self.server = HttpServer(self._answer, settings.http_host, settings.http_port)
        self.operations = OperationsAccess(lambda: self.http, settings, public=public)

    @property
    def database(self) -> Database:
        """The service's schema. Raises CannotStartError when DATABASE_URL is not set."""
        if self._database is None:
            if self.settings.database_url is None:
                raise CannotStartError(f"DATABASE_URL is not set, and {self.name} needs its database")
            url = str(self.settings.database_url.get_secret_value())
            self._database = Database(url, self.import_name, application_name=self.instance_id)
        return self._database

    @property
    def relay(self) -> Relay:
        """Publishes the outbox."""
        if self._relay is None:
            self._relay = Relay(self.database, self.kafka, self.metrics)
            self.health.add_ready("relay", self._relay.trouble)
            self._start_late(self._relay.start)
        return self._relay

    @property
    def outbox(self) -> Outbox:
        """Where handlers leave what is to be published."""
        if self._outbox is None:
            relay = self.relay
            self._outbox = Outbox(self.import_name, wake=relay.wake, leading=lambda: relay.leading, offer=relay.offer)
        return self._outbox

    @property
    def timers(self) -> Timers:
        """Timers that survive crashes."""
        if self._timers is None:
            self._timers = Timers(self.database, self.clock, self.metrics)
            self.health.add_ready("timers", self._timers.trouble)
            self._start_late(self._timers.start)
        return self._timers

    @property
    def publisher(self) -> Publisher:
        """Publishes directly, for what has no state to be atomic with."""
        if self._publisher is None:
            self._refuse_late("publisher")
            self._publisher = Publisher(self.kafka, self.metrics)
            self.health.add_ready("publisher", self._publisher.trouble)
        return self._publisher

    @property
    def consumers(self) -> Consumers:
        """The service's subscriptions."""
        if self._consumers is None:
            self._refuse_late("consumers")
            self._consumers = Consumers(self.name, self.database, self.kafka, self.metrics, self.health)
        return self._consumers

    @property
    def keyring(self) -> KeyRing:
        """The keys of access tokens, kept up to date from their topic."""
        if self._keyring is None:
            self._refuse_late("keyring")
            self._keyring = KeyRing(self.clock)
            self.add_table(topics.AUTH_SIGNING_KEYS, self._keyring.apply)
        return self._keyring

    @property
    def http(self) -> FastAPI:
        """The service's HTTP API; routers can be included until the service runs."""
        if self._http is None:
            self._http = create_http(
                f"Comeback {self.name}", health=self.health, registry=self.registry, **self._http_options
            )
            self._http.state.service = self
        return self._http

    def _start_late(self, start: Step) -> None:
        """Starts a part that is asked for when the service runs already, in a handler perhaps."""
        if self._running:
            self._late.append(asyncio.ensure_future(start()))

    def _refuse_late(self, part: str) -> None:
        if self._running:
            raise RuntimeError(f"service.{part} is asked for after the start: ask for it where the service is built")

    def add_table(self, topic: Topic, on_record: OnRecord, **options: Any) -> CompactedTable:
        """Has the whole topic given to `on_record` at the start, before anything is consumed, and from then on."""
        table = CompactedTable(self.kafka, topic, on_record, self.metrics, **options)
        self.tables.append(table)
        self.health.add_ready(f"table {topic.name} {len(self.tables)}", table.not_ready)
        return table

    def on_start(self, step: Step) -> Step:
        """Adds a step after the tables are caught up and the relay runs, before anything is consumed."""
        self._on_start.append(step)
        return step

    def on_stop(self, step: Step) -> Step:
        """Adds a step after consuming has ended, before the relay stops; the last added runs first."""
        self._on_stop.append(step)
        return step

    def on_close(self, step: Step) -> Step:
        """Adds a step before the HTTP server stops: for streams, which do not end by themselves."""
        self._on_close.append(step)
        return step

    def stop(self) -> None:
        """Asks `serve` to end."""
        self._stop.set()

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT. Raises CannotStartError, in words, when it can't start."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """Starts, serves until `stop` or a signal, and stops in the reverse order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(RuntimeError, ValueError):
                loop.add_signal_handler(number, self._stop.set)
        started = asyncio.create_task(self.start(), name="start")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait([started, stopped], return_when=asyncio.FIRST_COMPLETED)
            if started.done():
                started.result()
                await stopped
        finally:
            await cancel(started)
            await cancel(stopped)
            await self.shut_down()

    async def start(self) -> None:
        """Starts every part, in order; the HTTP server first, so that the others' state can be asked for."""
        if self._keyring is not None:
            self.http.state.keyring = self._keyring
        log.info("starting")
        self._running = True
        try:
            await self.server.start()
            await self.operations.start()
            if self._database is not None or self.metadata is not None:
                await self._start_database()
            await self._start_tables()
            if self._publisher is not None:
                await self._patiently("Kafka", self._publisher.start)
            if self._relay is not None:
                await self._relay.start()
            for step in self._on_start:
                await step()
            if self._timers is not None:
                await self._timers.start()
            if self._consumers is not None:
                await self._patiently("Kafka", self._consumers.start)
        except (DatabaseUnavailableError, AddressInUseError) as error:
            raise CannotStartError(str(error)) from error
        keep_what_lives()
        self._phase = None
        log.info("started", http=f"{self.server.host}:{self.server.port}")

    async def shut_down(self) -> None:
        """Stops every part, in the reverse order of the start. Parts that have not started do no harm."""
        self._phase = STOPPING
        log.info("stopping")
        await asyncio.gather(*self._late, return_exceptions=True)
        await cancel(self._pruning)
        steps: list[tuple[str, Step]] = [(getattr(step, "__qualname__", "step"), step) for step in self._on_close]
        steps.append(("HTTP server", self.server.stop))
        steps.append(("operations server", self.operations.stop))
        if self._consumers is not None:
            steps.append(("consumers", self._consumers.stop))
        if self._timers is not None:
            steps.append(("timers", self._timers.stop))
        steps.extend((getattr(step, "__qualname__", "step"), step) for step in reversed(self._on_stop))
        if self._relay is not None:
            steps.append(("relay", self._relay.stop))
        if self._publisher is not None:
            steps.append(("publisher", self._publisher.stop))
        steps.extend((table.topic.name, table.stop) for table in self.tables)
        if self._database is not None:
            steps.append(("database", self._database.dispose))
        for name, step in steps:
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await step()
            except TimeoutError:
                log.warning("a part did not stop in time", part=name, within_s=STOP_WITHIN_S)
            except Exception:
                log.exception("a part did not stop cleanly", part=name)
        log.info("stopped")

    async def _start_database(self) -> None:
        self._phase = "the database has not answered yet"
        await self.database.wait_until_reachable(within=START_WITHIN_S)
        await self._wait_for_migrations()
        self._pruning = background(self._prune(), "inbox-pruning")

    async def _wait_for_migrations(self) -> None:
        wanted = migrations.head(migrations.directory_of(self.import_name)) if self.metadata is not None else None
        for delay in delays(0.2, longest=2.0):
            async with self.database.engine.connect() as connection:
                at = await migrations.current(connection, self.import_name)
            if wanted is None or (at is not None and at >= wanted):
                return
            hint = f"the database is at revision {at or 'none'}, {wanted} is needed"
            reason = f"{hint}: run `python -m {self.import_name} migrate`"
            if self._phase != reason:
                log.warning("waiting for migrations", why=reason)
            self._phase = reason
            await asyncio.sleep(delay)

    async def _start_tables(self) -> None:
        for table in self.tables:
            self._phase = f"{table.topic.name} is being read"
            await table.start()
        for table in self.tables:
            await table.caught_up()
        self._phase = "starting"

    async def _patiently(self, what: str, start: Step) -> None:
        """Tries again until it works: Kafka may come up after us, and readiness says what is missing."""
        for delay in delays(0.2):
            try:
                await start()
            except (PublishFailedError, KafkaError, OSError, TimeoutError) as error:
                why = str(error) if isinstance(error, PublishFailedError) else await self.kafka.explain(error)
                if why != self._phase:
                    log.warning("waiting", part=what, why=why)
                self._phase = why
                await asyncio.sleep(delay)
            else:
                self._phase = "starting"
                return

    async def _prune(self) -> None:
        if self.metadata is None:
            return
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
                async with self.database.begin() as session:
                    pruned = await inbox.prune(session, now=self.clock.now())
                if pruned:
                    log.info("old claims forgotten", rows=pruned)
                    await asyncio.sleep(1)
                    continue
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if self.operations.hides(scope):
            await nothing_here(scope, receive, send)
            return
        if self._phase in {None, STOPPING} or scope["type"] != "http" or scope["path"] in OPERATIONS:
            await self.http(scope, receive, send)
            return
        problem = Problem(503, f"{self.name} is starting: {self._phase}", headers={"retry-after": "1"})
        await problem_response(Request(scope), problem)(scope, receive, send)
