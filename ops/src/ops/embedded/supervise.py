"""Keeps processes running: started in order, started again when they die, stopped in reverse order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from ops.embedded.problems import Problem, explain, tail, telling_line
from ops.embedded.processes import Check, Process
from ops.embedded.progress import Reporter

_POLL_S = 0.05


@dataclass(frozen=True)
class Backoff:
    """How eagerly a process that died is started again.

    Attributes:
        first_s, longest_s: the pause before the first new start, doubled for each death in a row up to the longest.
        stable_s: a process that ran so long is forgiven its earlier deaths.
        deaths_at_start: so many deaths before it was ever ready end the attempt to start it.
        deaths_to_complain: after so many in a row its log is quoted.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    stable_s: float = 30.0
    deaths_at_start: int = 3
    deaths_to_complain: int = 4

    def pause(self, deaths: int) -> float:
        """Seconds to wait after so many deaths in a row."""
        return float(min(self.longest_s, self.first_s * 2 ** min(deaths - 1, 16)))


_BACKOFF = Backoff()


class Supervisor:
    """The processes of one stack, in layers: a layer is stopped before the ones that were started before it."""

    def __init__(
        self, reporter: Reporter, *, backoff: Backoff = _BACKOFF, changed: Callable[[], None] | None = None
    ) -> None:
        self.processes: dict[str, Process] = {}
        self._reporter = reporter
        self._backoff = backoff
        self._changed = changed or (lambda: None)
        self._layers: list[list[Process]] = [[]]
        self._watches: list[asyncio.Task[None]] = []

    def layer(self) -> None:
        """What is owned from now on is stopped before everything owned so far."""
        self._layers.append([])

    def own(self, name: str, process: Process) -> None:
        """From now on this process is stopped with the others."""
        self._layers[-1].append(process)
        self.processes[name] = process

    def keep(self, name: str) -> None:
        """From now on this process, which runs, is started again whenever it dies unasked."""
        self._watches.append(asyncio.create_task(self._watch(self.processes[name]), name=f"watch {name}"))
        self._changed()

    async def start(self, name: str, process: Process, check: Check, within_s: float) -> None:
        """Start a process, wait until it is ready, then keep it running.

        Raises:
            Problem: it died too often before it was ready, or is not ready in time.
        """
        self.own(name, process)
        deadline = time.monotonic() + within_s
        deaths = 0
        process.start()
        while True:
            try:
                await process.ready(check, deadline - time.monotonic())
                break
            except Problem:
                if process.running:
                    raise
            deaths += 1
            if deaths >= self._backoff.deaths_at_start:
                happened = f"keeps stopping at its start ({process.ending()})"
                raise explain(process.program.title, happened, process.program.log, process.log_offset)
            await asyncio.sleep(self._backoff.pause(deaths))
            process.start()
        self.keep(name)

    async def stop(self) -> None:
        """Stop everything, the last layer first, the processes of one layer together."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches.clear()
        for layer in reversed(self._layers):
            await asyncio.gather(*(process.stop() for process in layer))
        self._layers = [[]]

    async def _watch(self, process: Process) -> None:
        deaths = 0
        while True:
            await asyncio.sleep(_POLL_S)
            if process.running or not process.wanted:
                continue
            program = process.program
            deaths = 1 if time.monotonic() - process.started_at > self._backoff.stable_s else deaths + 1
            pause = self._backoff.pause(deaths)
            again = f"{program.title} stopped ({process.ending()}) and is started again in {pause:g} s"
            if deaths == self._backoff.deaths_to_complain:
                line = telling_line(tail(program.log, process.log_offset))
                again = f"{program.title} has stopped {deaths} times in a row; its last word was: {line}"
            self._reporter.note(f"{again}. Log: {program.log}")
            await asyncio.sleep(pause)
            if process.wanted:
                try:
                    process.start()
                except Problem as problem:
                    self._reporter.note(str(problem))
                self._changed()
