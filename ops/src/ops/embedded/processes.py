"""One child process: in a group of its own, tied to our life, stopped gently and then firmly."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import psutil

from ops.embedded.problems import Problem, explain

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_POLL_S = 0.03
_LARGEST_LOG = 20 * 1024 * 1024

# Loaded before any fork: a child may call no more than what is already there.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Check = Callable[[], Awaitable[str | None]]
"""Tells why a process is not ready yet; None when it is."""


@dataclass(frozen=True)
class Account:
    """An account of the system that a child runs as, instead of ours."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """What to run and how to end it.

    Attributes:
        title: its name in sentences ("Kafka", "restart-orchestrator").
        stop_signal: asks it to end; also sent by the kernel when we die without having done so (Linux only, and only
            while the thread that started it lives: start processes from the main thread).
        stop_s: seconds it is given to end, before it is killed.
        niceness: how much it gives way to other processes.
    """

    title: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 15.0
    niceness: int = 0


class Child(Protocol):
    """A program that was started: what we need of `subprocess.Popen`."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...


Launch = Callable[[Program, BinaryIO], Child]
"""Starts a program that writes to this log. Raises OSError or SubprocessError when it cannot be started."""


def execute(program: Program, log: BinaryIO) -> Child:
    """Starts any program."""
    account = program.account
    return subprocess.Popen(
        program.argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=program.env,
        cwd=program.cwd,
        process_group=0,
        preexec_fn=tied_to(os.getpid(), program.stop_signal, program.niceness),  # noqa: PLW1509
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=() if account else None,
    )


class Process:
    """A program that can be started, stopped, killed and started again. Independent of any event loop."""

    def __init__(self, program: Program, launch: Launch = execute) -> None:
        self.program = program
        self._launch = launch
        self.wanted = False
        """Whether it should be running: False before its start and after `stop` and `kill`."""
        self.started_at = 0.0
        self.log_offset = 0
        """Where in its log the latest start begins."""
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the latest start."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As `subprocess` has it: negative for a signal; None while it runs."""
        return self._child.poll() if self._child else None

    def start(self) -> None:
        """Start it; `Problem` when it cannot even be executed."""
        program = self.program
        try:
            program.log.parent.mkdir(parents=True, exist_ok=True)
            if program.log.exists() and program.log.stat().st_size > _LARGEST_LOG:
                program.log.replace(program.log.with_suffix(".log.1"))
            with program.log.open("ab") as log:
                self.log_offset = log.seek(0, os.SEEK_END)
                self._child = self._launch(program, log)
        except (OSError, subprocess.SubprocessError) as error:
            raise Problem(f"{program.title} cannot be started: {error}", where=program.log) from error
        self.started_at = time.monotonic()
        self.wanted = True

    async def stop(self) -> None:
        """Ask it to end, kill it when it does not in time, and return when it is gone."""
        self.wanted = False
        if not self.running:
            return
        self.send(self.program.stop_signal)
        try:
            await asyncio.wait_for(self.gone(), self.program.stop_s)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL)."""
        self.wanted = False
        self.send(signal.SIGKILL)
        await self.gone()

    def kill_now(self) -> None:
        """End it at once and wait for that without the event loop, so that no cancellation can come between."""
        self.wanted = False
        self.send(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to whatever it started in its group."""
        if self._child is not None and self.running:
            try:
                os.killpg(self._child.pid, number)
            except ProcessLookupError:
                self._child.poll()

    async def gone(self) -> None:
        """Return when it no longer runs."""
        while self.running:  # noqa: ASYNC110 - polled, for an event could not outlive the loop it was made in
            await asyncio.sleep(_POLL_S)

    async def ready(self, check: Check, within_s: float) -> None:
        """Return when `check` finds it ready; a `Problem` when it ends before, or is not ready in time."""
        deadline = time.monotonic() + within_s
        while True:
            why = await check()
            if why is None:
                return
            if not self.running:
                ending = f"stopped before it was ready ({self.ending()})"
                raise explain(self.program.title, ending, self.program.log, self.log_offset)
            if time.monotonic() > deadline:
                raise Problem(
                    f"{self.program.title} is not ready after {within_s:.0f} s: {why}",
                    where=self.program.log,
                    todo="Read the end of its log; on a slow machine starting again may be enough",
                )
            await asyncio.sleep(_POLL_S)

    def ending(self) -> str:
        """How it ended, in words."""
        code = self.exit_code
        if code is None:
            return "still running"
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return f"exit code {code}"


async def run(program: Program, failed: str, launch: Launch = execute) -> None:
    """Run a program to its end; a `Problem` saying that it `failed` when that end is not a success."""
    process = Process(program, launch)
    process.start()
    try:
        await process.gone()
    finally:
        if process.running:
            process.kill_now()
    if process.exit_code != 0:
        raise explain(program.title, f"{failed} ({process.ending()})", program.log, process.log_offset)


async def port_open(host: str, port: int) -> str | None:
    """The `Check` of a server that is ready as soon as it accepts connections."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
    except (OSError, TimeoutError):
        return f"nothing listens on {host}:{port} yet"
    writer.close()
    return None


@dataclass(frozen=True)
class Identity:
    """A process told apart from a later one with the same id."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The identity of a running process; None when it does not run."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    @property
    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            # Clocks of the boot time are adjusted now and then; a process id does not come round within a second.
            same = abs(float(process.create_time()) - self.created) < 1.0
            return same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def runs(self, program: str) -> bool:
        """Whether it is alive and was started as this program."""
        try:
            command = psutil.Process(self.pid).cmdline()
        except psutil.Error:
            return False
        return self.alive and bool(command) and command[0] == program


async def end_leftover(identity: Identity, within_s: float, ask: signal.Signals = signal.SIGTERM) -> bool:
    """See a process of an earlier run off: wait for it, ask it to end, kill it. True if it still ran."""
    if not identity.alive:
        return False
    third = within_s / 3
    for number in (None, ask, signal.SIGKILL):
        if number is not None and identity.alive:
            os.kill(identity.pid, number)
        deadline = time.monotonic() + third
        while identity.alive and time.monotonic() < deadline:  # noqa: ASYNC110 - not our child: nothing tells us
            await asyncio.sleep(_POLL_S)
    return True


def tied_to(parent: int, death_signal: signal.Signals, niceness: int = 0) -> Callable[[], None]:
    """What a child does before it becomes the program: ask the kernel to end it when its parent dies."""

    def tie() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                os._exit(1)  # The parent died in between.
        if niceness:
            os.nice(niceness)

    return tie


def name_this(name: str) -> None:
    """Has `ps` and `top` show this process by a name, of which they take 15 bytes."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode()[:15])
