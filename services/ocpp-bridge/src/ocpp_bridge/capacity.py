"""How many sockets the process may hold at once."""

import resource

FILES_KEPT_BACK = 200
"""For Kafka, PostgreSQL, metrics and handshakes that are being refused."""


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
