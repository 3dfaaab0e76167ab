"""Ports that were given a moment ago, to whichever stack of this user: free still, and about to be listened on."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from ops.embedded.places import cache_dir

_KEPT_S = 60.0
"""Longer than any part takes from the choice of its port to listening on it."""


@contextmanager
def given_ports() -> Iterator[MutableMapping[int, float]]:
    """The ports that others were given of late, each with when; what is added is kept for others to see.

    Nobody else looks meanwhile, so that two stacks that start at the same moment never choose the same port. Where the
    cache folder can't be written, each choice stands by itself.
    """
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(cache_dir() / "given-ports.json", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError:
        yield {}
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        now = time.time()
        try:
            known = json.load(file)
            given = {int(port): float(at) for port, at in known.items() if 0 <= now - at < _KEPT_S}
        except (ValueError, AttributeError, TypeError):
            given = {}
        yield given
        file.seek(0)
        file.truncate()
        json.dump(given, file)
