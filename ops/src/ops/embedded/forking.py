"""`python -m ops.embedded.forking FD MODULE...`: a process that imports modules once and forks programs that use them.

It does what its starter says over the socket FD (`ops.embedded.preloaded` is the other side) and ends, with all that it
forked, when the starter closes it or dies. It has one thread and no event loop: a fork of it is a fresh interpreter.
"""

import errno
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from chassis.garbage import collect_rarely, keep_what_lives
from ops.embedded.processes import name_this, tied_to

READY = b"ready"
LENGTH = struct.Struct("!Q")
"""Before a request: its bytes. Two open files come with it: the log, and where the program's end is told."""
PID = struct.Struct("!q")
"""The answer: the program's process id, or an `errno` with a minus before it."""


class Nursery:
    """Forks programs and tells how each of them ended."""

    def __init__(self, starter: socket.socket) -> None:
        self._starter = starter
        self._endings: dict[int, int] = {}
        """Where the end of each program is told, by its process id."""
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # Without a handler of ours nothing is written to the pipe.
        signal.set_wakeup_fd(self._wake)

    def serve(self) -> dict[str, Any] | None:
        """Returns what to run in each process that it forks, and None here, when there is nobody to serve any more."""
        self._starter.sendall(READY)
        while True:
            readable, _, _ = select.select([self._starter.fileno(), self._woken], [], [])
            if self._woken in readable:
                os.read(self._woken, 4096)
                self._tell_endings()
            if self._starter.fileno() in readable:
                head, files, _, _ = socket.recv_fds(self._starter, LENGTH.size, 2)
                if not head:
                    return None
                request: dict[str, Any] = json.loads(received(self._starter, LENGTH.unpack(head)[0]))
                if self._fork(request, *files):
                    return request

    def _fork(self, request: dict[str, Any], log: int, ending: int) -> bool:
        """Whether this is now the forked process."""
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(log)
            os.close(ending)
            self._starter.sendall(PID.pack(-(error.errno or errno.EAGAIN)))
            return False
        if pid == 0:
            self._leave()
            os.close(ending)
            _become(nursery, request, log)
            return True
        os.close(log)
        self._endings[pid] = ending
        with suppress(OSError):  # It does so itself; but whoever hears of it may signal its group at once.
            os.setpgid(pid, pid)
        self._starter.sendall(PID.pack(pid))
        return False

    def _leave(self) -> None:
        """In the forked process: nothing of the nursery's stays open, least of all where others' ends are told."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._starter.close()
        for file in (self._woken, self._wake, *self._endings.values()):
            os.close(file)

    def _tell_endings(self) -> None:
        for pid, ending in list(self._endings.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self._endings[pid]
                with suppress(BrokenPipeError):  # The starter has lost interest.
                    os.write(ending, b"%d" % os.waitstatus_to_exitcode(status))
                os.close(ending)


def received(source: socket.socket, length: int) -> bytes:
    """So many bytes, or fewer where there are no more to come."""
    found = b""
    while len(found) < length and (more := source.recv(length - len(found))):
        found += more
    return found


def _become(nursery: int, request: dict[str, Any], log: int) -> None:
    """What `subprocess` does for what it executes: its group, its death with ours, its files, its environment."""
    os.setpgid(0, 0)
    tied_to(nursery, signal.Signals(request["death_signal"]))()
    name_this(request["argv"][0])
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["env"])
    if request["cwd"] is not None:
        os.chdir(request["cwd"])
    sys.argv[:] = request["argv"]


def main() -> None:
    """Imports, serves, and runs in each forked process what is asked for, as `python -m` would."""
    descriptor, *modules = sys.argv[1:]
    collect_rarely()
    for module in modules:
        importlib.import_module(module)
    keep_what_lives()
    request = Nursery(socket.socket(fileno=int(descriptor))).serve()
    if request is not None:
        runpy.run_module(request["argv"][0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
