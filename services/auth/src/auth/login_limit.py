"""How often a password may be tried for one user name."""

from collections import deque
from datetime import datetime, timedelta

from chassis.clock import Clock

MOST_NAMES = 10_000
"""Remembered at once; passwords are checked too slowly for so many names within a window."""


class TooManyTriesError(Exception):
    """This name was tried too often; `retry_after` says in how many seconds it may be tried again."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many tries, again in {retry_after} s")
        self.retry_after = retry_after


class LoginLimit:
    """Counts the tries for each name in a sliding window. Names that don't exist count alike: the limit tells nothing.

    Kept in memory: several processes of auth allow so many times as much.
    """

    def __init__(self, clock: Clock, *, tries: int = 10, within: timedelta = timedelta(minutes=1)) -> None:
        self._clock = clock
        self._tries = tries
        self._within = within
        self._tried: dict[str, deque[datetime]] = {}

    def count(self, name: str) -> None:
        """Counts a try, before its outcome is known. Raises TooManyTriesError."""
        now = self._clock.now()
        if name not in self._tried and len(self._tried) >= MOST_NAMES:
            self._tried.pop(next(iter(self._tried)))
        tried = self._tried.setdefault(name, deque())
        while tried and tried[0] <= now - self._within:
            tried.popleft()
        if len(tried) >= self._tries:
            raise TooManyTriesError(int((tried[0] + self._within - now).total_seconds()) + 1)
        tried.append(now)

    def forget(self, name: str) -> None:
        """The password was right: what was tried before counts no longer."""
        self._tried.pop(name, None)
