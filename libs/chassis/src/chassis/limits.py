"""How often something may happen: a moving window for each key, in memory."""

import math
from collections import OrderedDict, deque
from datetime import datetime, timedelta

from chassis.clock import Clock


class TooOftenError(Exception):
    """It happened too often; it may happen again in `retry_after` whole seconds, at least one."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too often, again in {retry_after} s")
        self.retry_after = retry_after


class MovingWindow:
    """Lets each key through at most `most` times in any span of `within`.

    Kept in memory: several processes of a service allow so many times as much. At most `keys_at_most` keys are
    remembered, those that were not seen for longest giving way.
    """

    def __init__(self, clock: Clock, most: int, within: timedelta, *, keys_at_most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._within = within
        self._keys_at_most = keys_at_most
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()

    def take(self, key: str) -> None:
        """Counts one more. Raises TooOftenError, and counts nothing, when there were `most` already."""
        now = self._clock.now()
        seen = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        if len(self._seen) > self._keys_at_most:
            self._seen.popitem(last=False)
        while seen and seen[0] <= now - self._within:
            seen.popleft()
        if len(seen) >= self._most:
            raise TooOftenError(max(1, math.ceil((seen[0] + self._within - now).total_seconds())))
        seen.append(now)

    def forget(self, key: str) -> None:
        """What the key did before counts no longer."""
        self._seen.pop(key, None)
