"""Puts the bridge together, and starts and stops its parts in their order. Nothing else wires."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from chassis.app import CannotStartError, Service
from chassis.clock import Clock
from chassis.table import CompactedTable
from chassis.tasks import background, cancel
from contracts import topics
from contracts.topics import Service as Name
from ocpp_bridge.calls import Calls
from ocpp_bridge.connectivity import Connectivity
from ocpp_bridge.credentials import Credentials
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.lease import Lease
from ocpp_bridge.ledger import Ledger
from ocpp_bridge.listener import CannotListenError, Listener
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publisher, Publishing
from ocpp_bridge.resets import Resets
from ocpp_bridge.sessions import Sessions, Watch
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import UNAVAILABLE, Store
from ocpp_bridge.succession import Succession
from ocpp_bridge.tables import metadata
from ocpp_bridge.transactions import StoredTransactions


class Bridge:
    """All parts of the bridge but Kafka itself: a publisher is given, records are handed in.

    Args:
        has_credentials: whether all of fleet.credentials.v1 has been read; until then nobody is let in.
        dsn: the database, as the driver reads it.
        instance_id: the name of this instance that people know.
    """

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        metrics: BridgeMetrics,
        *,
        has_credentials: Callable[[], bool],
        dsn: str,
        instance_id: str,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._has_credentials = has_credentials
        self._stopping = False
        self._background: list[asyncio.Task[None]] = []
        self.credentials = Credentials(
            wrong=settings.wrong_credentials,
            wrong_every_s=settings.wrong_credentials_every_s,
            on_revoked=self._revoke,
        )
        self.sessions = Sessions()
        self._store = Store(dsn, application_name=instance_id)
        self._lease = Lease(self._store, instance_id, lasts_s=settings.lease_s)
        publishing = Publishing(publisher, clock)
        epochs = Epochs(self._store, clock, lambda: self._lease.instance)
        ledger = Ledger(self._store, clock, lambda: self._lease.instance)
        self.watch = Watch(
            self.sessions,
            clock,
            idle_every_s=settings.ping_interval_s,
            watched_every_s=settings.watch_ping_interval_s,
            pong_within_s=settings.pong_timeout_s,
        )
        self.connectivity = Connectivity(publishing, epochs)
        self.resets = Resets(
            sessions=self.sessions,
            watch=self.watch,
            ledger=ledger,
            publishing=publishing,
            clock=clock,
            metrics=metrics,
            answer_within=settings.answer_timeout_s,
        )
        self.succession = Succession(
            lease=self._lease,
            sessions=self.sessions,
            epochs=epochs,
            ledger=ledger,
            resets=self.resets,
            publishing=publishing,
            clock=clock,
            lasts_s=settings.lease_s,
        )
        calls = Calls(
            publishing=publishing,
            credentials=self.credentials,
            epochs=epochs,
            transactions=StoredTransactions(self._store),
            clock=clock,
            settings=settings,
            metrics=metrics,
        )
        self.listener = Listener(
            settings,
            clock=clock,
            credentials=self.credentials,
            epochs=epochs,
            sessions=self.sessions,
            connectivity=self.connectivity,
            calls=calls,
            resets=self.resets,
            metrics=metrics,
            instance=lambda: self._lease.instance,
            not_ready=self.not_ready,
        )

    @property
    def instance(self) -> str:
        """The name under which this process holds sessions."""
        return self._lease.instance

    def not_ready(self) -> str | None:
        """Why no charger can be let in, in words; None when it can."""
        if self._stopping:
            return "this instance is stopping"
        return None if self._has_credentials() else "the chargers' credentials have not been read yet"

    async def start(self) -> None:
        """Takes the lease and what was left behind, then listens. Raises CannotListenError."""
        await self._store.start()
        await self.succession.begin()
        self._background = [
            background(self.succession.run(), "succession"),
            background(self.watch.run(), "watch"),
        ]
        await self.listener.start()

    async def stop(self) -> None:
        """Says goodbye: sessions are closed with 1001 and published as ended, unless that takes too long."""
        self._stopping = True
        for session in self.sessions:
            self.listener.dismiss(session, "bridge_stopped")
        within = self._settings.stop_within_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.connectivity.all_told()
                await self.listener.wait_until_empty()
        await self.connectivity.stop()
        await self.resets.finish(within=within)
        for task in self._background:
            await cancel(task)
        await self.listener.stop()
        with contextlib.suppress(*UNAVAILABLE):
            await self._lease.give_up()
        await self._store.stop()

    def _revoke(self, charger_id: str) -> None:
        session = self.sessions.get(charger_id)
        if session is not None:
            self.listener.dismiss(session, "refused")


def build(settings: Settings | None = None) -> Service:
    """The service, with Kafka: credentials and commands are read, what chargers say is published."""
    settings = settings or Settings()
    service = Service(Name.OCPP_BRIDGE.value, settings, metadata)
    metrics = BridgeMetrics(service.registry)
    bridge = Bridge(
        settings,
        service.publisher,
        metrics,
        has_credentials=lambda: all(table.is_caught_up for table in service.tables),
        dsn=service.database.dsn,
        instance_id=service.instance_id,
        clock=service.clock,
    )
    service.add_table(topics.FLEET_CREDENTIALS, bridge.credentials.apply)
    commands: list[CompactedTable] = []

    async def start() -> None:
        try:
            await bridge.start()
        except CannotListenError as error:
            raise CannotStartError(str(error)) from error
        since = service.clock.now() - timedelta(seconds=settings.commands_since_s)
        table = CompactedTable(service.kafka, topics.OCPP_COMMANDS, bridge.resets.take, service.metrics, start_at=since)
        commands.append(table)
        service.health.add_ready("commands", table.not_ready)
        await table.start()
        await table.caught_up()

    async def stop() -> None:
        await bridge.stop()
        for table in commands:
            await table.stop()

    service.on_start(start)
    service.on_stop(stop)
    service.health.add_ready("chargers", bridge.not_ready)
    return service
