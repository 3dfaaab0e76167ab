"""Ports that were given a moment ago, to whichever stack of this user: free still, and about to be listened on."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.embedded.places import cache_dir

_KEPT_S = 300.0
"""Longer than any part takes from the choice of its port to listening on it, on however slow a machine."""


class GivenPorts:
    """The ports that were given of late, each with when and to whom."""

    def __init__(self, known: dict[int, tuple[float, str]] | None = None) -> None:
        self.known = known or {}

    def may_have(self, port: int, whose: str = "") -> bool:
        """Whether nobody was given it, or the one who asks. The nameless are never each other."""
        return port not in self.known or (bool(whose) and self.known[port][1] == whose)

    def give(self, port: int, whose: str = "") -> None:
        """From now on others leave it alone."""
        self.known[port] = (time.time(), whose)


@contextmanager
def given_ports() -> Iterator[GivenPorts]:
    """What was given of late; what is given meanwhile is kept for others to see.

    Nobody else looks meanwhile, so that two stacks that start at the same moment never choose the same port. Where the
    cache folder can't be written, each choice stands by itself.
    """
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(cache_dir() / "given-ports.json", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError:
        yield GivenPorts()
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        now = time.time()
        try:
            noted = {int(port): (float(at), str(whose)) for port, (at, whose) in json.load(file).items()}
        except (ValueError, AttributeError, TypeError):
            noted = {}
        given = GivenPorts({port: note for port, note in noted.items() if 0 <= now - note[0] < _KEPT_S})
        yield given
        file.seek(0)
        file.truncate()
        json.dump(given.known, file)
