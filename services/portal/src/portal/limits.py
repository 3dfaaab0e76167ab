"""How much one person, and one group, may ask for: what is over it is answered 429 with `Retry-After`."""

from datetime import timedelta

from chassis.clock import Clock
from chassis.http import Problem
from chassis.limits import MovingWindow, TooOftenError
from portal.settings import PortalSettings

_MINUTE = timedelta(minutes=1)


class Limits:
    """Counts what people ask for in the last 60 seconds, in this process."""

    def __init__(self, settings: PortalSettings, clock: Clock) -> None:
        self._settings = settings
        self._requests = MovingWindow(clock, settings.requests_per_minute, _MINUTE)
        self._restarts = MovingWindow(clock, settings.restarts_per_minute, _MINUTE)
        self._restarts_of_group = MovingWindow(clock, settings.group_restarts_per_minute, _MINUTE)

    def request(self, user_id: str) -> None:
        """Counts a call of this person. Raises Problem (429)."""
        _take(self._requests, user_id, f"You made {self._settings.requests_per_minute} requests in the last minute")

    def restart(self, user_id: str, group_id: str) -> None:
        """Counts a new restart that this person asks for in this group. Raises Problem (429)."""
        mine, theirs = self._settings.restarts_per_minute, self._settings.group_restarts_per_minute
        _take(self._restarts, user_id, f"You asked for {mine} restarts in the last minute")
        _take(self._restarts_of_group, group_id, f"{theirs} restarts were asked for in this group in the last minute")


def _take(window: MovingWindow, key: str, why: str) -> None:
    try:
        window.take(key)
    except TooOftenError as error:
        wait = error.retry_after
        raise Problem(429, f"{why}; try again in {wait} s", headers={"retry-after": str(wait)}) from error
