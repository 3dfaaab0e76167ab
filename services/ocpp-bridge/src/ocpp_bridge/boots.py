"""Which boots are carried out now, and which are put off with Pending: the legal valve in a storm (OCPP 2.x B02)."""

import asyncio
from collections.abc import Container, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from ocpp_bridge.admission import jittered
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.session import Session


class Boots:
    """Bounds the boots in progress, from the frame to Kafka's acknowledgement and the answer.

    A charger whose boot is put off keeps its socket and says it again after the interval. What it says then is the same
    boot, whatever its messageId: it has the same event id, so that readers count one.

    Args:
        at_once: boots in progress; those of `first` may always be more.
        patience_s: a boot that Kafka has not got after so many seconds is put off.
        interval_s: a charger is to come back after one to two times as long, at random.
        first: the chargers that are never put off because of others.

    Attributes:
        in_progress: how many there are now.
    """

    def __init__(
        self, *, at_once: int, patience_s: float, interval_s: float, first: Container[str], metrics: BridgeMetrics
    ) -> None:
        self._at_once = at_once
        self._patience = patience_s
        self._interval = interval_s
        self._first = first
        self._metrics = metrics
        self.in_progress = 0
        self._unheard: WeakKeyDictionary[Session, bytes] = WeakKeyDictionary()
        self._owed: dict[str, tuple[int, int]] = {}

    def heard(self, session: Session) -> None:
        """A boot was said: from now on the charger owes one that is accepted."""
        self._owed[session.charger_id] = (self.owed_since(session) or session.epoch, session.epoch)

    def has_room(self, session: Session) -> bool:
        """Whether a boot may be carried out now."""
        return self.in_progress < self._at_once or session.charger_id in self._first

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A boot is in progress as long as the block lasts."""
        self.in_progress += 1
        try:
            yield
        finally:
            self.in_progress -= 1

    async def in_time(self, told: asyncio.Future[None]) -> bool:
        """Whether Kafka has it in time. Raises what the future raises."""
        await asyncio.wait([told], timeout=self._patience)
        if told.done():
            told.result()
            return True
        told.add_done_callback(_look_away)
        return False

    def frame(self, session: Session, data: bytes) -> bytes:
        """The frame that first said this boot on this session."""
        return self._unheard.get(session, data)

    def owed_since(self, session: Session) -> int | None:
        """The session since which the charger owes a boot that is accepted; 1 where that is not known here any more.

        None when it owes none, as far as is known: what it was told elsewhere meanwhile is not.
        """
        since, last = self._owed.get(session.charger_id, (0, 0))
        if since and session.epoch <= last + 1:
            return since
        return None if session.accepted or session.epoch == 1 else 1

    def put_off(self, session: Session, data: bytes, why: str) -> int:
        """Notes a boot that is put off; returns the interval that the charger is told, in seconds."""
        self._metrics.boots_put_off.labels(why).inc()
        self._unheard.setdefault(session, data)
        session.accepted = False
        return jittered(self._interval)

    def done(self, session: Session) -> None:
        """The boot is answered: another one on this session is another boot."""
        self._unheard.pop(session, None)
        if session.accepted:
            self._owed.pop(session.charger_id, None)

    def forget(self, charger_id: str) -> None:
        """The charger may no longer connect."""
        self._owed.pop(charger_id, None)


def _look_away(future: asyncio.Future[None]) -> None:
    """Nobody waits for this one any more; its outcome is not to be reported as forgotten."""
    if not future.cancelled():
        future.exception()
