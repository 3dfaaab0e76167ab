"""What a charger knows about its own life: the truth that a test compares a verdict with."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Literal

Direction = Literal["sent", "received", "event"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the transcript.

    Attributes:
        at: monotonic seconds (`time.monotonic`).
        wall: the same moment in UTC.
        socket: the number of the charger's socket, 0 when there was none.
        direction: `sent` and `received` are frames as text, `event` is a sentence.
    """

    at: float
    wall: datetime
    socket: int
    direction: Direction
    text: str


@dataclass(frozen=True, slots=True)
class ResetSeen:
    """A Reset frame that reached the charger; `at` is `time.monotonic` when it was read."""

    at: float
    message_id: str
    kind: str
    evse_id: int | None
    socket: int


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """A connection that failed; `status` is the HTTP status, or None when nothing answered."""

    at: float
    status: int | None
    why: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A CALLERROR that the charger got for one of its own calls."""

    at: float
    message_id: str
    action: str
    code: str


@dataclass(slots=True)
class Facts:
    """Counters and lists that only grow.

    Attributes:
        restarts: times the software really started again, whether or not it told anyone.
        evse_restarts: restarts of one EVSE, during which the charger itself stayed up.
        resets: Reset frames read, in order.
        boots_sent: BootNotifications sent, repeats and triggered ones included.
        boots_accepted: BootNotifications answered Accepted.
        registration: the answer to the last BootNotification.
        sockets_opened: websockets opened.
        sockets_ended: websockets gone, whoever ended them; silently dead ones are counted when given up.
        handshakes_refused: connections that failed.
        heartbeats_sent: Heartbeats sent.
        calls_refused: CALLERRORs received for own calls.
        answers_unmatched: answers received to calls that were not waited for.
        unanswered: own calls that got no answer in time.
        errors: what went wrong inside the simulation itself; empty unless it has a bug.
        transcript: the newest entries, as many as the charger was asked to keep.
    """

    transcript: deque[Entry] = field(default_factory=lambda: deque(maxlen=1000))
    restarts: int = 0
    evse_restarts: int = 0
    resets: list[ResetSeen] = field(default_factory=list)
    boots_sent: int = 0
    boots_accepted: int = 0
    registration: str | None = None
    sockets_opened: int = 0
    sockets_ended: int = 0
    handshakes_refused: list[HandshakeRefused] = field(default_factory=list)
    heartbeats_sent: int = 0
    calls_refused: list[CallRefused] = field(default_factory=list)
    answers_unmatched: int = 0
    unanswered: int = 0
    errors: list[str] = field(default_factory=list)
    listeners: list[Callable[[Entry], None]] = field(default_factory=list)

    def note(self, socket: int, direction: Direction, text: str | bytes) -> None:
        """Add a line to the transcript and tell the listeners; costs next to nothing when nobody wants it."""
        if not self.transcript.maxlen and not self.listeners:
            return
        line = text if isinstance(text, str) else text.decode("utf-8", "replace")
        entry = Entry(monotonic(), datetime.now(UTC), socket, direction, line)
        self.transcript.append(entry)
        for listener in self.listeners:
            listener(entry)
