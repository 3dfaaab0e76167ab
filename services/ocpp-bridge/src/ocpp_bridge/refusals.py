"""Tells operators who was not let in: security events of the bridge's own, few of them however many knock."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from chassis.clock import Clock
from chassis.publisher import PublishFailedError
from chassis.tasks import cancel
from contracts.ocpp import ConnectionRefused
from ocpp_bridge.credentials import Fault
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publishing

log = structlog.stdlib.get_logger(__name__)

EVERY_S = 60.0
AT_MOST = 2000
"""So many kinds of refusals are told apart at a time; the rest are counted only."""
REMEMBERED = 500

Key = tuple[str, Fault, str]


@dataclass(slots=True)
class _Window:
    count: int
    last_at: datetime


class Refusals:
    """The first refusal of a charger, reason and address is told at once, the ones after it once in `every_s`."""

    def __init__(
        self, publishing: Publishing, clock: Clock, metrics: BridgeMetrics, *, every_s: float = EVERY_S
    ) -> None:
        self._publishing = publishing
        self._clock = clock
        self._metrics = metrics
        self._every = every_s
        self._windows: OrderedDict[Key, _Window] = OrderedDict()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._told: deque[ConnectionRefused] = deque(maxlen=REMEMBERED)

    def last(self) -> list[ConnectionRefused]:
        """What was told last, the newest first."""
        return list(reversed(self._told))

    def note(self, charger_id: str, fault: Fault, address: str) -> None:
        """Somebody who called himself this charger, which is known, was refused."""
        self._metrics.refused.labels(fault).inc()
        key = (charger_id, fault, address)
        now = self._clock.now()
        window = self._windows.get(key)
        if window is not None:
            window.count += 1
            window.last_at = now
            return
        if len(self._windows) >= AT_MOST:
            return
        log.warning("a charger was not let in", charger=charger_id, why=fault, address=address)
        self._open(key, now)
        self._tell(key, 1, now)

    async def stop(self) -> None:
        """Tells what was counted and not told yet, as far as Kafka takes it at once."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for key, window in self._windows.items():
            if window.count:
                self._tell(key, window.count, window.last_at)
        self._windows.clear()
        if self._telling:
            await asyncio.wait(self._telling, timeout=1.0)
        for task in list(self._telling):
            await cancel(task)

    def _open(self, key: Key, now: datetime) -> None:
        self._windows[key] = _Window(0, now)
        self._timers[key] = asyncio.get_running_loop().call_later(self._every, self._over, key)

    def _over(self, key: Key) -> None:
        window = self._windows.pop(key)
        del self._timers[key]
        if window.count:
            self._open(key, window.last_at)
            self._tell(key, window.count, window.last_at)

    def _tell(self, key: Key, count: int, last_at: datetime) -> None:
        charger_id, fault, address = key
        event = ConnectionRefused(charger_id=charger_id, why=fault, address=address, count=count, last_at=last_at)
        self._told.append(event)
        self._start(self._publish(key, event))

    async def _publish(self, key: Key, event: ConnectionRefused) -> None:
        try:
            await self._publishing.refusal(event)
        except PublishFailedError as error:
            log.warning("a refusal is told later", charger=event.charger_id, why=str(error))
            window = self._windows.get(key)
            if window is not None:
                window.count += event.count

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="refusal")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
