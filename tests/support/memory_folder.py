"""Where tests keep what they throw away: databases, logs and profiles of browsers."""

import os
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108 that it is everybody's is what it is for
ROOM = 8 * 1024**3


def keep_in_memory() -> None:
    """Has temporary files lie in memory where there is room, unless TMPDIR says where they should.

    Each test has a database of its own, of some hundred files, which a disk is slow to make and to remove.
    """
    if "TMPDIR" not in os.environ and _usable():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # Asked for again.


def _usable() -> bool:
    try:
        there = os.statvfs(MEMORY)
    except OSError:
        return False
    free = min(there.f_bavail * there.f_frsize, psutil.virtual_memory().available)
    return free > ROOM and not there.f_flag & os.ST_NOEXEC  # PostgreSQL's programs may be copied to it.
