"""Named places at which a crash test has the process killed; nothing at all outside of such a test.

A place is armed by a file of its name in the folder that FAILPOINTS_DIR names. The process that reaches it takes the
file away and kills itself with SIGKILL, as the kernel would: once per file. What the file holds, if anything, must be
a part of what the place is told to be `about`, for instance a charger's identity. Without FAILPOINTS_DIR, which no
deployment sets, a place costs next to nothing.
"""

import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

HANDLED: Final = "handled-not-committed"
"""A batch of messages is handled, its transaction not yet committed."""
COMMITTED: Final = "committed-offset-not"
"""The transaction of a batch is committed, its Kafka offset is not."""
RELAY_READ: Final = "relay-not-published"
"""Rows of the outbox were read, and nothing of them is published."""
RELAY_PUBLISHED: Final = "relay-published-not-deleted"
"""Kafka has rows of the outbox that still stand there."""
RESET_CLAIMED: Final = "reset-claimed-not-sent"
"""The ledger has the claim of a Reset; the frame is not written."""
RESET_SENT: Final = "reset-sent-not-told"
"""The frame of a Reset is written, and nobody was told."""
RESET_WITHDRAWN: Final = "reset-withdrawn-not-told"
"""The ledger says that a Reset is taken back, or that it is too late for that; nobody was told."""
ANSWER_HEARD: Final = "answer-not-published"
"""The charger's answer to a Reset is read, and not published."""
ANSWER_PUBLISHED: Final = "answer-published-not-settled"
"""Kafka has the answer to a Reset; the ledger does not say so."""
OBSERVATION_HEARD: Final = "observation-not-published"
"""What a charger said of itself is read, and not published."""
OBSERVATION_PUBLISHED: Final = "observation-published-not-answered"
"""Kafka has what a charger said of itself, and the charger was not told so."""

ALL: Final = (
    HANDLED,
    COMMITTED,
    RELAY_READ,
    RELAY_PUBLISHED,
    RESET_CLAIMED,
    RESET_SENT,
    RESET_WITHDRAWN,
    ANSWER_HEARD,
    ANSWER_PUBLISHED,
    OBSERVATION_HEARD,
    OBSERVATION_PUBLISHED,
)


@cache
def _folder() -> str | None:
    """Asked for when the first place is reached, not at the import: a process may be told its environment after it."""
    return os.environ.get("FAILPOINTS_DIR")


def reach(name: str, about: Callable[[], str]) -> None:
    """Says that the process is at this place; a test may have armed it, and then it goes no further.

    Args:
        name: one of the constants above.
        about: what it is about at this moment; asked for in crash tests only.
    """
    folder = _folder()
    if folder is None:
        return
    armed = Path(folder, name)
    try:
        wanted = armed.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    if wanted in about():
        armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
