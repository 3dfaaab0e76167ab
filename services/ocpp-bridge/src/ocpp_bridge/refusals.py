"""Tells operators who was not let in: security events of the bridge's own, few of them however many knock."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog

from chassis.clock import Clock
from chassis.publisher import PublishFailedError
from chassis.tasks import cancel
from contracts.ocpp import ConnectionRefused, StrangerRefused
from ocpp_bridge.credentials import Fault
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publishing

log = structlog.stdlib.get_logger(__name__)

EVERY_S = 60.0
AT_MOST = 2000
"""So many kinds of refusals are told apart at a time; the rest are counted only."""
REMEMBERED = 500

Told = ConnectionRefused | StrangerRefused
NamedBy = Literal["request", "certificate"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A kind of refusal, which is told of together.

    Attributes:
        charger_id: the charger, which is known, that it is said to be; None where no such was named.
        cause: what was wrong with a certificate.
        named_by: where the name stood.
    """

    why: Fault
    address: str
    charger_id: str | None = None
    cause: str | None = None
    named_by: NamedBy = "request"


@dataclass(slots=True)
class _Window:
    count: int
    last_at: datetime
    claimed_name: str | None = None


class Refusals:
    """The first refusal of a kind is told at once, the ones after it once in `every_s`."""

    def __init__(
        self, publishing: Publishing, clock: Clock, metrics: BridgeMetrics, *, every_s: float = EVERY_S
    ) -> None:
        self._publishing = publishing
        self._clock = clock
        self._metrics = metrics
        self._every = every_s
        self._windows: OrderedDict[Refused, _Window] = OrderedDict()
        self._timers: dict[Refused, asyncio.TimerHandle] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._told: deque[Told] = deque(maxlen=REMEMBERED)

    def last(self) -> list[Told]:
        """What was told last, the newest first."""
        return list(reversed(self._told))

    def note(self, refused: Refused, *, claimed_name: str | None = None) -> None:
        """Somebody was refused. `claimed_name`: what a certificate said that was not accepted."""
        self._metrics.refused.labels(refused.why).inc()
        now = self._clock.now()
        window = self._windows.get(refused)
        if window is not None:
            window.count += 1
            window.last_at = now
            window.claimed_name = claimed_name
            return
        if len(self._windows) >= AT_MOST:
            return
        log.warning(
            "a charger was not let in",
            charger=refused.charger_id,
            why=refused.why,
            cause=refused.cause,
            address=refused.address,
            claimed=claimed_name,
        )
        self._open(refused, now)
        self._tell(refused, _Window(1, now, claimed_name))

    async def stop(self) -> None:
        """Tells what was counted and not told yet, as far as Kafka takes it at once."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for refused, window in self._windows.items():
            if window.count:
                self._tell(refused, window)
        self._windows.clear()
        if self._telling:
            await asyncio.wait(self._telling, timeout=1.0)
        for task in list(self._telling):
            await cancel(task)

    def _open(self, refused: Refused, now: datetime) -> None:
        self._windows[refused] = _Window(0, now)
        self._timers[refused] = asyncio.get_running_loop().call_later(self._every, self._over, refused)

    def _over(self, refused: Refused) -> None:
        window = self._windows.pop(refused)
        del self._timers[refused]
        if window.count:
            self._open(refused, window.last_at)
            self._tell(refused, window)

    def _tell(self, refused: Refused, window: _Window) -> None:
        event = _event(refused, window)
        self._told.append(event)
        self._start(self._publish(refused, event))

    async def _publish(self, refused: Refused, event: Told) -> None:
        try:
            await self._publishing.refusal(event)
        except PublishFailedError as error:
            log.warning("a refusal is told later", charger=refused.charger_id, why=str(error))
            window = self._windows.get(refused)
            if window is not None:
                window.count += event.count

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="refusal")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _event(refused: Refused, window: _Window) -> Told:
    count, last_at = window.count, window.last_at
    if refused.charger_id is not None:
        return ConnectionRefused(
            charger_id=refused.charger_id,
            why=refused.why,
            address=refused.address,
            count=count,
            last_at=last_at,
            cause=refused.cause,
            named_by=refused.named_by,
        )
    return StrangerRefused(
        why="too_many" if refused.why == "too_many" else "wrong_certificate",
        address=refused.address,
        count=count,
        last_at=last_at,
        cause=refused.cause,
        claimed_name=window.claimed_name,
    )
