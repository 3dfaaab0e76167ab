"""Programs of ours that start at once: forks of a process that has already imported what they share."""

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import BinaryIO

import orjson

from ops.embedded.forking import LENGTH, PID, READY, received
from ops.embedded.processes import Identity, Launch, Program, execute, tied_to

MODULES = (
    *("chassis.app", "chassis.http", "chassis.operations", "chassis.replay_command", "chassis.migrate_command"),
    *("contracts.topics", "chassis.effects", "chassis.memberships", "chassis.table", "chassis.tokens"),
    *("fastapi.openapi.models", "httpx2", "jinja2", "aiohttp", "pydantic.networks"),
)
"""What services import, from libraries and from ours. No service: none has the code of another in its process."""
_LOOK_S = 0.02
_GONE = "the process that it was to be forked from has ended"


class Forked:
    """A program that was forked; the part of `subprocess.Popen` that a `Process` needs."""

    def __init__(self, pid: int, ending: int, death_signal: signal.Signals) -> None:
        self.pid = pid
        self._ending: int | None = ending
        self._identity = Identity.of(pid)
        self._death_signal = death_signal
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self._ending is not None:
            try:
                told = os.read(self._ending, 32)
            except BlockingIOError:
                return None
            os.close(self._ending)
            self._ending = None
            # Nobody tells where the process that forked it died: then the kernel has asked it to end.
            self._code = int(told) if told else None
        if self._code is None and not (self._identity and self._identity.alive):
            self._code = -self._death_signal
        return self._code

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        while (code := self.poll()) is None:
            time.sleep(_LOOK_S)
        return code

    def __del__(self) -> None:
        if self._ending is not None:
            os.close(self._ending)


class Preloaded:
    """The process that forks, started when it is first needed and again when it died. Use it from the main thread."""

    def __init__(self, modules: tuple[str, ...] = MODULES) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._nursery: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._imported = False

    def prepare(self) -> None:
        """Has it started, without waiting until it has imported everything."""
        if self._nursery is not None and self._nursery.poll() is None:
            return
        self.close()
        ours, its = socket.socketpair()
        with its:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "ops.embedded.forking", str(its.fileno()), *self._modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                pass_fds=[its.fileno()],
                process_group=0,
                preexec_fn=tied_to(os.getpid(), signal.SIGTERM),  # noqa: PLW1509
            )
        self._socket, self._imported = ours, False

    def wait(self) -> None:
        """Returns when it has imported everything, or ended. From any thread."""
        with self._lock:
            if self._socket is not None and not self._imported:
                self._imported = received(self._socket, len(READY)) == READY

    def launch(self, program: Program, log: BinaryIO) -> Forked:
        """Forks a program whose `argv` is this Python, `-m`, a module and its arguments. Raises OSError."""
        self.prepare()
        self.wait()
        if self._socket is None or not self._imported:
            raise OSError(f"{_GONE}, and has said why")
        ending, tell = os.pipe()
        os.set_blocking(ending, False)
        try:
            body = orjson.dumps(
                {
                    "argv": program.argv[2:],
                    "env": dict(os.environ if program.env is None else program.env),
                    "cwd": str(program.cwd) if program.cwd else None,
                    "death_signal": int(program.stop_signal),
                }
            )
            socket.send_fds(self._socket, [LENGTH.pack(len(body))], [log.fileno(), tell])
            self._socket.sendall(body)
            answer = received(self._socket, PID.size)
            if len(answer) < PID.size:
                raise OSError(_GONE)
            (pid,) = PID.unpack(answer)
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
        except BaseException:
            os.close(ending)
            raise
        finally:
            os.close(tell)
        return Forked(pid, ending, program.stop_signal)

    def close(self) -> None:
        """Ends it, and with it all that it forked."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._nursery is not None:
            self._nursery.wait()
            self._nursery = None


def may_be_forked(argv: Sequence[str]) -> bool:
    """Whether this runs a module in the Python that runs us."""
    return tuple(argv[:2]) == (sys.executable, "-m")


@cache
def preloaded() -> Preloaded:
    """The one of this process: several stacks share it."""
    made = Preloaded()
    atexit.register(made.close)
    return made


async def launch_of(program: Program) -> Launch:
    """How to start a program: forked where that may be, else executed. Waits for the imports beside other tasks."""
    if not may_be_forked(program.argv):
        return execute
    preloaded().prepare()
    await asyncio.to_thread(preloaded().wait)
    return preloaded().launch
