"""An event loop on virtual time that knows processes: it jumps to the next timer, and drops what a dead process had."""

import asyncio
import heapq
import warnings
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from simulator.connection import SocketGoneError

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment 0 of every simulation."""


class Process:
    """A process of one of the services; what it runs, runs in `context`.

    Attributes:
        alive: a dead process does nothing any more; whatever it was doing is gone.
        frozen: it stands still, and goes on from there when it thaws.
        fuse: it dies after so many more steps; None for never.
        offset: how far its clock is ahead of the true time, in seconds.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.fuse: int | None = None
        self.offset = 0.0
        self.parked: list[Handle] = []
        self.on_death: list[Callable[[], None]] = []
        self.context = copy_context()
        self.context.run(_process.set, self)

    def die(self) -> None:
        """Ends at once, as kill -9 does."""
        if self.alive:
            self.alive = False
            self.parked.clear()
            for told in self.on_death:
                told()


_process: ContextVar[Process | None] = ContextVar("process", default=None)
OUTSIDE = Context()
"""Where the world around lives: what belongs to no process."""


def current_process() -> Process | None:
    """The process whose code runs; None for the world around: the network, Kafka, chargers, people."""
    return _process.get()


class Handle:
    """Something that the loop will call."""

    __slots__ = ("args", "callback", "context", "gone", "moment", "process")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None, moment: float
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context if context is not None else copy_context()
        self.process = self.context.get(_process)
        self.moment = moment
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self.moment


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, futures, locks and timeouts need.

    Attributes:
        random: the one source of chance for whatever runs in it.
        problems: exceptions that nobody took.
        charger_offset: how far the charger's clock is ahead of the true time, in seconds.
        steps: callbacks that were called.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(f"{seed}/loop")
        self.problems: list[str] = []
        self.charger_offset = 0.0
        self.steps = 0
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._number = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._over = False

    # -- what asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._over

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context, self._now)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context, when)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        if self._over:
            # Somebody's `finally`, long after the end: it must come to nothing.
            coro.close()
            raise RuntimeError("the simulation is over")
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        # Held to the end: what a dead process was doing must not be cleaned up by itself, half-way through.
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, SocketGoneError):
            return  # of a simulated charger that no longer waits for an answer
        self.problems.append(f"{context.get('message')}: {error!r}")

    # -- the simulation's own

    def spawn(self, work: Coroutine[Any, Any, Any], process: Process | None = None) -> asyncio.Task[Any]:
        """Starts something in a process, or in the world around them."""
        task = self.create_task(work, context=(process.context if process is not None else OUTSIDE).copy())
        task.add_done_callback(self._look_at)
        return task

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problems.append(f"{task.get_coro()!r}: {error!r}")

    def run(self, until: float) -> None:
        """Calls whatever is due up to that moment, in its order."""
        ready, timers = self._ready, self._timers
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            while True:
                while ready:
                    self._call(ready.popleft())
                if not timers or timers[0][0] > until:
                    self._now = max(self._now, until)
                    return
                moment, _, handle = heapq.heappop(timers)
                if not handle.gone:
                    self._now = max(self._now, moment)
                    ready.append(handle)
        finally:
            asyncio._set_running_loop(before)

    def thaw(self, process: Process) -> None:
        """Lets a frozen process go on, with all that came meanwhile."""
        process.frozen = False
        parked, process.parked = process.parked, []
        self._ready.extend(parked)

    def end(self) -> None:
        """Throws away whatever has not ended; none of its clean-up has any effect."""
        self._over = True
        self._ready.clear()
        self._timers.clear()
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what never began
                self._close_all()
        finally:
            asyncio._set_running_loop(before)
            self._tasks.clear()
            self._ready.clear()
            self._timers.clear()

    def _close_all(self) -> None:
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            if task.done():
                if not task.cancelled():
                    task.exception()
                continue
            coroutine = task.get_coro()
            try:
                coroutine.close()
            except BaseException:  # noqa: BLE001, S112 a `finally` that wants to wait can't
                continue

    def _call(self, handle: Handle) -> None:
        if handle.gone:
            return
        process = handle.process
        if process is not None:
            if not process.alive:
                return
            if process.frozen:
                process.parked.append(handle)
                return
            if process.fuse is not None:
                if process.fuse <= 0:
                    process.die()
                    return
                process.fuse -= 1
        self.steps += 1
        try:
            handle.context.run(handle.callback, *handle.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 as asyncio does
            self.problems.append(f"{handle.callback!r}: {error!r}")


def virtual_loop() -> VirtualLoop:
    """The loop of the simulation that runs. Raises RuntimeError outside of one."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("this needs a simulation to run in")
    return loop


def true_time() -> datetime:
    """The time as nobody's clock tells it."""
    return START + timedelta(seconds=virtual_loop().time())


class ProcessClock:
    """The clock of the machine that a process runs on, which may be wrong."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> datetime:
        return START + timedelta(seconds=virtual_loop().time() + self._process.offset)

    def monotonic(self) -> float:
        return virtual_loop().time()

    async def sleep_until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))
