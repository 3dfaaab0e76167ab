"""What happens at a charger's connectors: cables, transactions, faults, and the reports about them."""

import asyncio
from collections.abc import Iterable
from random import Random

from simulator.connection import CallRefusedError, SocketGoneError, UnansweredError
from simulator.delivery import Delivery, Letter
from simulator.dialects import Dialect
from simulator.dialing import Endpoint
from simulator.facts import Facts
from simulator.frames import Json
from simulator.life import Life
from simulator.station import Connector, Transaction

DEFAULT_SAMPLE_S = 60.0


class Charging(Life):
    """Connectors and transactions; statuses that could not be sent are sent when the charger can."""

    def __init__(
        self,
        endpoint: Endpoint,
        facts: Facts,
        *,
        dialect: Dialect,
        connectors: int,
        speed: float,
        random: Random,
        answer_timeout: float,
    ) -> None:
        super().__init__(endpoint, facts, speed=speed, random=random, answer_timeout=answer_timeout)
        if connectors < 1:
            raise ValueError(f"connectors is {connectors}: a charger has at least one")
        self.dialect = dialect
        self.connectors = {number: Connector(number) for number in range(1, connectors + 1)}
        self.delivery = Delivery(answer_timeout)
        self.sample_interval = DEFAULT_SAMPLE_S
        self._sampler: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def has_undelivered(self) -> bool:
        """Whether messages that must arrive are still waiting."""
        return bool(self.delivery.letters)

    def running(self) -> list[Connector]:
        """Connectors with a transaction."""
        return [connector for connector in self.connectors.values() if connector.transaction]

    def free_connector(self, wanted: int | None) -> Connector | None:
        """A connector on which a transaction can start."""
        for connector in self.connectors.values():
            free = connector.transaction is None and connector.fault is None and connector.operative
            if free and wanted in (None, connector.id):
                return connector
        return None

    # -- commands

    async def start_transaction(
        self, connector: int = 1, id_tag: str = "DRIVER-1", remote_start_id: int | None = None
    ) -> Transaction:
        """Plug in and charge.

        Raises:
            ValueError: there is no such connector, or it is in use.
        """
        place = self._connector(connector)
        if place.transaction is not None:
            raise ValueError(f"connector {connector} has a transaction already: stop it first")
        place.plugged_in, place.finishing = True, False
        await self.report_changes()
        transaction = Transaction(connector, id_tag, place.meter_wh, remote_start_id=remote_start_id)
        place.transaction = transaction
        self._idle.clear()
        await self.mail(self.dialect.started(transaction))
        await self.report_changes()
        self.sample_periodically()
        return transaction

    async def stop_transaction(self, connector: int = 1, reason: str = "Local", *, unplug: bool = True) -> None:
        """End the transaction and, unless told otherwise, unplug."""
        place = self._connector(connector)
        await self.end_transaction(place, reason)
        if unplug:
            place.plugged_in = place.finishing = False
            await self.report_changes()

    async def set_faulted(self, connector: int = 1, error_code: str = "GroundFailure") -> None:
        """Let a connector be faulted; `error_code` is one of OCPP 1.6's, and 2.x says Faulted only."""
        self._connector(connector).fault = error_code
        await self.report_changes()

    async def clear_fault(self, connector: int = 1) -> None:
        self._connector(connector).fault = None
        await self.report_changes()

    async def send_status(self, connector: int | None, status: str, error_code: str | None = None) -> None:
        """Send a status, true or not; None is the whole charger (1.6 connector 0)."""
        place = None if connector is None else self._connector(connector)
        action, payload = self.dialect.status(place, status)
        if error_code is not None and "errorCode" in payload:
            payload["errorCode"] = error_code
        await (await self.connected()).call(action, payload, self.answer_timeout)

    def set_availability(self, chosen: Iterable[Connector], *, operative: bool) -> bool:
        """Obey ChangeAvailability; True when a transaction delays it."""
        busy = False
        for connector in chosen:
            connector.operative = operative
            busy |= connector.transaction is not None
        return busy

    # -- what personalities are made of

    async def end_transaction(self, connector: Connector, reason: str) -> None:
        """End the transaction, tell, and leave the cable plugged in."""
        if self.end_silently(connector, reason):
            await self._deliver()
            await self.report_changes()

    def end_silently(self, connector: Connector, reason: str) -> bool:
        """End the transaction and tell only when messages that must arrive are next delivered; False without one."""
        transaction = self.forget_transaction(connector)
        if transaction is None:
            return False
        self.delivery.put(self.dialect.ended(transaction, connector.meter_wh, reason))
        return True

    def forget_transaction(self, connector: Connector) -> Transaction | None:
        """End the transaction without ever telling, and return it."""
        transaction = connector.transaction
        if transaction is not None:
            connector.meter_wh = transaction.meter(self.speed)
            connector.transaction = None
            connector.finishing = True
            if not self.running():
                self._idle.set()
                self.stop_sampling()
        return transaction

    async def until_idle(self) -> None:
        """Wait until no transaction runs."""
        await self._idle.wait()

    async def mail(self, letter: Letter) -> None:
        """Send a message that must arrive, now or as soon as possible."""
        self.delivery.put(letter)
        await self._deliver()

    async def security_event(self, kind: str, tech_info: str = "") -> None:
        """Send a SecurityEventNotification; its delivery is guaranteed (A04.FR.02)."""
        await self.mail(self.dialect.security_event(kind, tech_info))

    async def set_resetting(self) -> None:
        """Report each connector Unavailable because a restart is near."""
        for connector in self.connectors.values():
            connector.resetting = True
        await self.report_changes()

    async def report(self, connector: int | None = None) -> None:
        """Report the status of one connector, or of the charger and all of them."""
        for place in self.connectors.values():
            if connector in (None, 0, place.id):
                place.reported = None
        await self.report_changes(whole=connector in (None, 0))

    async def report_changes(self, *, whole: bool = False) -> None:
        """Report what changed since it was last reported; without a registered socket, later."""
        connection = self.connection
        if connection is None or not self.is_registered:
            return
        if whole and self.dialect.has_whole_status():
            await self._tell(*self.dialect.status(None))
        for connector in self.connectors.values():
            status = self.dialect.word_for(connector)
            if connector.reported != status:
                connector.reported = status
                if not await self._tell(*self.dialect.status(connector)):
                    connector.reported = None

    async def _tell(self, action: str, payload: Json) -> bool:
        """Send a message that may get lost; False when it did."""
        connection = self.connection
        if connection is None:
            return False
        try:
            await connection.call(action, payload, self.answer_timeout)
        except (SocketGoneError, UnansweredError):
            return False
        except CallRefusedError:
            return True
        return True

    async def _deliver(self) -> None:
        if self.connection is not None and self.is_registered:
            await self.delivery.deliver(self.connection)

    def _connector(self, number: int) -> Connector:
        if number not in self.connectors:
            raise ValueError(f"there is no connector {number}: this charger has {len(self.connectors)}")
        return self.connectors[number]

    # -- meters

    async def sample_meters(self) -> None:
        """Send a meter sample of each running transaction."""
        for connector in self.running():
            if transaction := connector.transaction:
                await self.mail(self.dialect.sampled(transaction, transaction.meter(self.speed)))

    def sample_periodically(self) -> None:
        """Send samples while a transaction runs, every `sample_interval` of the charger's own seconds."""
        self.stop_sampling()
        if self.running() and self.sample_interval > 0:
            delay = self.sample_interval / self.speed
            self._sampler = asyncio.get_running_loop().call_later(delay, self._sample)

    def stop_sampling(self) -> None:
        if self._sampler is not None:
            self._sampler.cancel()
            self._sampler = None

    def _sample(self) -> None:
        self.sample_periodically()
        self.run_in_background(self.sample_meters())
