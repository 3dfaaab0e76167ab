"""Tells the others which chargers have a session, in an order that survives compaction: the last word is the truth."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any

import structlog

from chassis.publisher import PublishFailedError
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
        self._last: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, session: Session) -> None:
        """A session began on this instance."""
        event = ChargerConnected(
            charger_id=session.charger_id,
            epoch=session.epoch,
            protocol=session.dialect.protocol,
            bridge=session.instance,
            since=session.opened_at,
        )
        if event.charger_id in self._last:
            self._then(event.charger_id, lambda: self._publishing.connectivity(event))
            return
        # In a storm there are thousands of these: they need no task, unless Kafka refuses.
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._remember(event.charger_id, news)
        try:
            told = self._publishing.connectivity_soon(event)
        except PublishFailedError:
            self._tell_patiently(news, event)
            return

        def judge(told: asyncio.Future[None]) -> None:
            if told.cancelled() or told.exception() is not None:
                self._tell_patiently(news, event)
            elif not news.done():
                news.set_result(None)

        told.add_done_callback(judge)

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
        for news in list(self._last.values()):
            news.cancel()
        for task in list(self._tasks):
            await cancel(task)

    def _tell_patiently(self, news: asyncio.Future[None], event: ChargerConnected) -> None:
        if news.done():
            return
        task = self._start(self._publishing.connectivity(event))
        task.add_done_callback(lambda _: None if news.done() else news.set_result(None))

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
        self._remember(charger_id, self._start(self._after(self._last.get(charger_id), tell)))

    def _remember(self, charger_id: str, news: asyncio.Future[None]) -> None:
        self._last[charger_id] = news
        news.add_done_callback(lambda done: self._forget(charger_id, done))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="connectivity")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _after(self, before: asyncio.Future[None] | None, tell: Callable[[], Awaitable[None]]) -> None:
        if before is not None:
            await asyncio.wait([before])
        await tell()

    def _forget(self, charger_id: str, done: asyncio.Future[None]) -> None:
        if self._last.get(charger_id) is done:
            del self._last[charger_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("news of a charger were not published", charger=charger_id, why=repr(error))
