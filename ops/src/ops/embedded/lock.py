"""One stack at a time in a data folder, held by a lock that ends with its holder however that ends."""

import fcntl
import os
from pathlib import Path
from typing import IO

from ops.embedded.problems import Problem


def try_lock(file: Path) -> IO[str] | None:
    """An exclusive lock on a file, held until what is returned is closed; None when someone else has it."""
    opened = file.open("a+")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.close()
        return None
    return opened


class FolderLock:
    """An flock on a file that also names its holder. Not inherited by child processes, so never left behind."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._held: IO[str] | None = None

    def take(self) -> None:
        """Take the lock, or raise a `Problem` that names who has it."""
        opened = try_lock(self.file)
        if opened is None:
            raise Problem(
                f"A stack already runs in {self.file.parent} (process {self.holder() or 'unknown'})",
                todo="Use it, stop it with `comeback down`, or choose another folder with --data-dir",
            )
        opened.truncate(0)
        opened.write(f"{os.getpid()}\n")
        opened.flush()
        self._held = opened

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._held is not None

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def holder(self) -> int | None:
        """The process that holds the lock now, whoever that is; None when nobody does."""
        try:
            with self.file.open("r+") as opened:
                try:
                    fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    written = opened.read().strip()
                    return int(written) if written.isdigit() else None
        except OSError:
            return None
        return None
