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
from contracts.envelope import Envelope, Message
from contracts.topics import Service as Name
from ocpp_bridge import inspection, refusals_api
from ocpp_bridge.admission import Admission
from ocpp_bridge.approach import BadProxiesError
from ocpp_bridge.black_box import BlackBoxes
from ocpp_bridge.boots import Boots
from ocpp_bridge.calling import Calling
from ocpp_bridge.calls import Calls
from ocpp_bridge.connectivity import Connectivity
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.frames import CallError, CallResult
from ocpp_bridge.holders import Holders
from ocpp_bridge.lease import Lease
from ocpp_bridge.ledger import Ledger
from ocpp_bridge.listener import CannotListenError, Listener
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.open_attempts import OpenAttempts
from ocpp_bridge.opening import Opening
from ocpp_bridge.operator_calls import OperatorCalls
from ocpp_bridge.probes import Probes
from ocpp_bridge.protected_settings import forbids
from ocpp_bridge.publishing import Publisher, Publishing
from ocpp_bridge.quiet import Quiet
from ocpp_bridge.resets import Resets
from ocpp_bridge.session import Session
from ocpp_bridge.sessions import Sessions, Watch
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import UNAVAILABLE, Store
from ocpp_bridge.succession import Succession
from ocpp_bridge.tables import metadata
from ocpp_bridge.transactions import StoredTransactions
from ocpp_bridge.trust import Trust


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
        self.open_attempts = OpenAttempts()
        self.boxes = BlackBoxes(metrics)
        self.sessions = Sessions()
        self._store = Store(dsn, application_name=instance_id)
        self._lease = Lease(self._store, instance_id, lasts_s=settings.lease_s)
        publishing = Publishing(publisher, clock)
        self.trust = Trust(
            settings,
            store=self._store,
            publishing=publishing,
            sessions=self.sessions,
            open_attempts=self.open_attempts,
            clock=clock,
            metrics=metrics,
            has_credentials=has_credentials,
            dismiss=self._revoke,
        )
        self.credentials = self.trust.credentials
        self.epochs = Epochs(self._store, lambda: self._lease.instance)
        ledger = Ledger(self._store, clock, lambda: self._lease.instance)
        self.watch = Watch(
            self.sessions,
            clock,
            idle_every_s=settings.ping_interval_s,
            watched_every_s=settings.watch_ping_interval_s,
            pong_within_s=settings.pong_timeout_s,
        )
        self.connectivity = Connectivity(publishing, self.epochs)
        self.holders = Holders(self._store, lambda: self._lease.instance)
        quiet = Quiet(settings.quiet_after_boot_s, settings.quiet_after_boot_s_by_model)
        calling = Calling(holders=self.holders, quiet=quiet, clock=clock, on_call=self.trust.registrations.asked)
        self.resets = Resets(
            sessions=self.sessions,
            watch=self.watch,
            ledger=ledger,
            publishing=publishing,
            clock=clock,
            metrics=metrics,
            answer_within=settings.answer_timeout_s,
            quiet=quiet,
            calling=calling,
            boxes=self.boxes,
        )
        self.probes = Probes(sessions=self.sessions, publishing=publishing, clock=clock)
        self.operator_calls = OperatorCalls(
            sessions=self.sessions,
            calling=calling,
            holders=self.holders,
            credentials=self.credentials,
            open_attempts=self.open_attempts,
            forbids=forbids,
            rotate=self.trust.rotation(calling).rotate,
            publishing=publishing,
            clock=clock,
            metrics=metrics,
            boxes=self.boxes,
        )
        self.inspection = inspection.Inspection(
            sessions=self.sessions,
            boxes=self.boxes,
            holders=self.holders,
            restarting=self.open_attempts,
            instance=lambda: self._lease.instance,
            clock=clock,
        )
        self.succession = Succession(
            lease=self._lease,
            sessions=self.sessions,
            epochs=self.epochs,
            ledger=ledger,
            resets=self.resets,
            publishing=publishing,
            clock=clock,
            lasts_s=settings.lease_s,
        )
        self.boots = Boots(
            at_once=settings.boots_at_once,
            patience_s=settings.boot_patience_s,
            interval_s=settings.boot_put_off_s,
            first=self.open_attempts,
            metrics=metrics,
        )
        calls = Calls(
            publishing=publishing,
            trust=self.trust,
            epochs=self.epochs,
            transactions=StoredTransactions(self._store),
            clock=clock,
            settings=settings,
            metrics=metrics,
            boxes=self.boxes,
            boots=self.boots,
        )
        self.admission = Admission(
            at_once=settings.handshakes_at_once,
            waiting=settings.handshakes_waiting,
            patience_s=settings.handshake_patience_s,
            first=self.open_attempts,
        )
        metrics.pending_now.set_function(lambda: self.trust.registrations.pending)
        metrics.handshakes_now.labels("in progress").set_function(lambda: self.admission.in_progress)
        metrics.handshakes_now.labels("waiting").set_function(lambda: self.admission.waiting)
        metrics.boots_now.set_function(lambda: self.boots.in_progress)
        self.opening = Opening(
            settings,
            clock=clock,
            epochs=self.epochs,
            sessions=self.sessions,
            connectivity=self.connectivity,
            calls=calls,
            stray=self._stray,
            metrics=metrics,
            boxes=self.boxes,
            admission=self.admission,
            instance=lambda: self._lease.instance,
            is_known=lambda charger_id: self.credentials.of(charger_id) is not None,
            began=self.trust.session_began,
        )
        self.listener = Listener(
            settings,
            trust=self.trust,
            opening=self.opening,
            metrics=metrics,
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
        await self.trust.start()
        self._background = [
            background(self.succession.run(), "succession"),
            background(self.watch.run(), "watch"),
        ]
        await self.listener.start()

    async def stop(self) -> None:
        """Says goodbye: sessions are closed with 1001 and published as ended, unless that takes too long."""
        self._stopping = True
        self.opening.stop()
        within = self._settings.stop_within_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.opening.wait_until_empty()
                await self.connectivity.all_told()
        await self.connectivity.stop()
        await self.resets.finish(within=within)
        await self.probes.stop()
        await self.operator_calls.finish(within=within)
        await self.trust.stop()
        for task in self._background:
            await cancel(task)
        await self.listener.stop()
        with contextlib.suppress(*UNAVAILABLE):
            await self._lease.give_up()
        await self._store.stop()

    def take_command(self, envelope: Envelope[Message]) -> None:
        """Takes a record of ocpp.commands.v1 in."""
        self.resets.take(envelope)
        self.probes.take(envelope)

    def _stray(self, session: Session, frame: CallResult | CallError) -> None:
        self.resets.stray_answer(session, frame)
        self.trust.late_answer(session, frame)

    def _revoke(self, charger_id: str) -> None:
        self.boots.forget(charger_id)
        session = self.sessions.get(charger_id)
        if session is not None:
            self.opening.dismiss(session, "refused")


def build(settings: Settings | None = None) -> Service:
    """The service, with Kafka: credentials and commands are read, what chargers say is published."""
    settings = settings or Settings()
    service = Service(Name.OCPP_BRIDGE.value, settings, metadata)
    metrics = BridgeMetrics(service.registry)
    try:
        bridge = _bridge(settings, service, metrics)
    except BadProxiesError as error:
        raise CannotStartError(str(error)) from error
    service.add_table(topics.FLEET_CREDENTIALS, bridge.credentials.apply)
    read: list[CompactedTable] = []

    async def start() -> None:
        # Chargers need not wait for it: until it is read, the ones that are being restarted have no precedence.
        since = service.clock.now() - timedelta(seconds=settings.attempts_since_s)
        attempts = CompactedTable(
            service.kafka, topics.RESTART_ATTEMPTS, bridge.open_attempts.apply, service.metrics, start_at=since
        )
        read.append(attempts)
        await attempts.start()
        try:
            await bridge.start()
        except CannotListenError as error:
            raise CannotStartError(str(error)) from error
        since = service.clock.now() - timedelta(seconds=settings.commands_since_s)
        table = CompactedTable(
            service.kafka, topics.OCPP_COMMANDS, bridge.take_command, service.metrics, start_at=since
        )
        read.append(table)
        service.health.add_ready("commands", table.not_ready)
        await table.start()
        await table.caught_up()
        # Only what is asked from now on: no charger was here before.
        calls = CompactedTable(
            service.kafka,
            topics.OCPP_CALLS,
            bridge.operator_calls.take,
            service.metrics,
            start_at=service.clock.now(),
        )
        read.append(calls)
        service.health.add_ready("calls", calls.not_ready)
        await calls.start()

    async def stop() -> None:
        await bridge.stop()
        for table in read:
            await table.stop()

    service.http.state.keyring = service.keyring
    service.http.state.inspection = bridge.inspection
    service.http.include_router(inspection.router)
    service.http.state.refusals = bridge.trust.refusals
    service.http.include_router(refusals_api.router)
    service.on_start(start)
    service.on_stop(stop)
    service.health.add_ready("chargers", bridge.not_ready)
    return service


def _bridge(settings: Settings, service: Service, metrics: BridgeMetrics) -> Bridge:
    return Bridge(
        settings,
        service.publisher,
        metrics,
        has_credentials=lambda: all(table.is_caught_up for table in service.tables),
        dsn=service.database.dsn,
        instance_id=service.instance_id,
        clock=service.clock,
    )
