"""Tells the others which chargers have a session, in an order that survives compaction: the last word is the truth."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from chassis.tasks import cancel, delays
from contracts.ocpp import ChargerConnected, ChargerDisconnected
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.session import Session, Why
from ocpp_bridge.store import UNAVAILABLE

log = structlog.stdlib.get_logger(__name__)


class Connectivity:
    """One piece of news of a charger at a time: the next waits until Kafka has the one before.

    The news that a session ended is kept back when another instance has opened a newer one: on the compacted topic it
    would stand as the last word about a charger that is here.
    """

    def __init__(self, publishing: Publishing, epochs: Epochs) -> None:
        self._publishing = publishing
        self._epochs = epochs
        self._last: dict[str, asyncio.Task[None]] = {}

    def opened(self, session: Session) -> None:
        """A session began on this instance."""
        event = ChargerConnected(
            charger_id=session.charger_id,
            epoch=session.epoch,
            protocol=session.dialect.protocol,
            bridge=session.instance,
            since=session.opened_at,
        )
        self._then(event.charger_id, lambda: self._publishing.connectivity(event))

    def ended(self, session: Session, *, since: datetime, why: Why) -> None:
        """A session of this instance ended."""
        event = ChargerDisconnected(
            charger_id=session.charger_id, epoch=session.epoch, bridge=session.instance, since=since, why=why
        )
        self._then(event.charger_id, lambda: self._end(event))

    async def all_told(self) -> None:
        """Returns when nothing waits to be published."""
        while self._last:
            await asyncio.wait(list(self._last.values()))

    async def stop(self) -> None:
        """Gives up what waits."""
        for task in list(self._last.values()):
            await cancel(task)

    async def _end(self, event: ChargerDisconnected) -> None:
        for delay in delays(0.2):
            try:
                ours = await self._epochs.close(event.charger_id, event.epoch)
            except UNAVAILABLE as error:
                log.warning("the end of a session is not recorded yet", charger=event.charger_id, why=repr(error))
                await asyncio.sleep(delay)
            else:
                if ours:
                    await self._publishing.connectivity(event)
                return

    def _then(self, charger_id: str, tell: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._after(self._last.get(charger_id), tell), name="connectivity")
        self._last[charger_id] = task
        task.add_done_callback(lambda done: self._forget(charger_id, done))

    async def _after(self, before: asyncio.Task[None] | None, tell: Callable[[], Awaitable[None]]) -> None:
        if before is not None:
            await asyncio.wait([before])
        await tell()

    def _forget(self, charger_id: str, done: asyncio.Task[None]) -> None:
        if self._last.get(charger_id) is done:
            del self._last[charger_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("news of a charger were not published", charger=charger_id, why=repr(error))
