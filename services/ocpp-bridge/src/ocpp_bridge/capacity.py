"""What the process allows itself so that it can hold very many sockets: open files, and rarer garbage collections."""

import gc
import resource

FILES_KEPT_BACK = 200
"""For Kafka, PostgreSQL, metrics and handshakes that are being refused."""
YOUNG_OBJECTS = 20_000
COLLECTIONS = 50
"""A session's objects are freed as it ends. With Python's own thresholds a storm spends a fifth of its time in
collections that look through all sessions and find nothing."""


def collect_rarely() -> None:
    """Lets more objects come between two collections of garbage."""
    gc.set_threshold(YOUNG_OBJECTS, COLLECTIONS, COLLECTIONS)


def sockets_at_most() -> int:
    """How many sockets of chargers the process may hold; raises its limit of open files as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass  # some systems have no limit on paper and one in the kernel; the soft one is right then
    return max(1, (1 << 20 if soft == resource.RLIM_INFINITY else soft) - FILES_KEPT_BACK)
