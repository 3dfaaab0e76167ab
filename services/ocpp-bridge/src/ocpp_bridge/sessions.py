"""The sessions that this instance holds, one for each charger, and the pings that tell whether they are alive."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime

from chassis.clock import Clock
from ocpp_bridge.session import Session

TICK_S = 0.5


class Sessions:
    """A registry: the session with the greatest epoch is the charger's."""

    def __init__(self) -> None:
        self._held: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._held.values()))

    def get(self, charger_id: str) -> Session | None:
        return self._held.get(charger_id)

    def put(self, session: Session) -> Session | None:
        """Makes a session the charger's; returns the loser, if there is one, which may be the given session itself."""
        held = self._held.get(session.charger_id)
        if held is not None and held.epoch > session.epoch:
            return session
        self._held[session.charger_id] = session
        return held

    def remove(self, session: Session) -> bool:
        """Forgets a session that ended. Returns whether it was still the charger's."""
        if self._held.get(session.charger_id) is not session:
            return False
        del self._held[session.charger_id]
        return True


class Watch:
    """Pings every session now and then, and those of chargers that are being restarted every few seconds.

    Args:
        idle_every_s: seconds between pings of a session that nobody watches; it may miss one.
        watched_every_s: the same for a watched one.
        pong_within_s: a watched session that says nothing for so long after a ping is silent.
        clock: that of the moments until which chargers are watched. It is looked at once: it may be set meanwhile.
    """

    def __init__(
        self, sessions: Sessions, clock: Clock, *, idle_every_s: float, watched_every_s: float, pong_within_s: float
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._idle_every = idle_every_s
        self._watched_every = watched_every_s
        self._pong_within = pong_within_s
        self._until: dict[str, float] = {}

    def watch(self, charger_id: str, until: datetime) -> None:
        """Watches a charger, on this session and its next ones, until a moment."""
        ends = time.monotonic() + (until - self._clock.now()).total_seconds()
        self._until[charger_id] = max(ends, self._until.get(charger_id, ends))

    async def run(self) -> None:
        """Pings until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """One round; `now` is monotonic seconds."""
        self._until = {charger_id: until for charger_id, until in self._until.items() if until > now}
        for session in self._sessions:
            watched = session.charger_id in self._until
            asked = session.asked_at > session.heard_at
            if asked and now - session.asked_at >= (self._pong_within if watched else self._idle_every):
                session.end("silent")
            elif now - (session.pinged_at if watched else max(session.pinged_at, session.heard_at)) >= (
                self._watched_every if watched else self._idle_every
            ):
                session.ping()
