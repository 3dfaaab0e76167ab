"""What a start tells the person who waits for it: plain lines, or a live display on a terminal."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_SECONDS_BETWEEN_LINES = 2.0
_MIB = 1024 * 1024

FAILED = "failed"
"""The outcome of a step that was given up."""


class Reporter:
    """Says nothing; the others say it their way. Its methods may be called from any thread."""

    def began(self, step: str) -> None:
        """A step began; `step` names it until it ends."""

    def ended(self, step: str, outcome: str) -> None:
        """A step came to its end, and this is what came of it."""

    def downloaded(self, step: str, received: int, total: int, file: str) -> None:
        """So many bytes of a step's downloads have come, the latest belonging to `file`."""

    def note(self, text: str) -> None:
        """A line of its own, worth reading at any time (a service was started again)."""

    def close(self) -> None:
        """Nothing more will be said; a live display gives the terminal back."""


class PlainReporter(Reporter):
    """One line for each thing said: for pipes, files and CI."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._began_at = time.monotonic()
        self._said_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def began(self, step: str) -> None:
        self._say(f"{step} ...")

    def ended(self, step: str, outcome: str) -> None:
        self._say(f"{step}: {outcome}")

    def downloaded(self, step: str, received: int, total: int, file: str) -> None:
        now = time.monotonic()
        with self._lock:
            if received < total and now - self._said_at.get(step, 0.0) < _SECONDS_BETWEEN_LINES:
                return
            self._said_at[step] = now
        self._say(f"{step}: {received / _MIB:.1f} of {total / _MIB:.1f} MiB ({file})")

    def note(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began_at:6.1f} s  {text}", file=self._out, flush=True)


class LiveReporter(Reporter):
    """Spinners that turn into ticked lines: for a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("[dim]{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console or Console(),
            transient=True,
        )
        self._steps: dict[str, TaskID] = {}

    def began(self, step: str) -> None:
        self._progress.start()
        self._steps[step] = self._progress.add_task(step, total=None, detail="")

    def ended(self, step: str, outcome: str) -> None:
        if (task := self._steps.pop(step, None)) is not None:
            took = next(each.elapsed or 0.0 for each in self._progress.tasks if each.id == task)
            self._progress.remove_task(task)
            mark = "[red]\u2717[/]" if outcome == FAILED else "[green]\u2713[/]"
            words = f"{mark} {escape(step)} [dim]{escape(outcome)}, {took:.1f} s[/]"
            self._progress.console.print(words, highlight=False)
        if not self._steps:
            self._progress.stop()

    def downloaded(self, step: str, received: int, total: int, file: str) -> None:
        if (task := self._steps.get(step)) is not None:
            detail = f"{received / _MIB:.1f} of {total / _MIB:.1f} MiB  {escape(file)}"
            self._progress.update(task, detail=detail)

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        self._progress.stop()


def reporter(out: TextIO | None = None) -> Reporter:
    """The reporter that suits where the words go: live on a terminal, plain lines elsewhere."""
    out = out or sys.stdout
    return LiveReporter(Console(file=out)) if out.isatty() else PlainReporter(out)


class Step:
    """A step under way; `outcome` is what will be said at its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome = "done"


@contextmanager
def step(to: Reporter, name: str) -> Iterator[Step]:
    """Report the block as one step. A step that fails is said to have failed; why is the exception's to say."""
    to.began(name)
    under_way = Step(name)
    try:
        yield under_way
    except BaseException:
        to.ended(name, FAILED)
        raise
    to.ended(name, under_way.outcome)
