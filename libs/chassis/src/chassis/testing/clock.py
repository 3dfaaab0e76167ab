"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock for tests. `advance` wakes whoever sleeps until a moment that is reached by it."""

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock tells aware times: give the start a time zone")
        self._now = start.astimezone(UTC)
        self._jumped = timedelta(0)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._jumped - START).total_seconds()

    def jump(self, by: float) -> datetime:
        """Puts the clock forward or back by seconds that do not pass; returns the new time."""
        self._jumped += timedelta(seconds=by)
        self._now += timedelta(seconds=by)
        return self.set(self._now)

    async def sleep_until(self, moment: datetime) -> None:
        if moment <= self._now:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (moment, next(self._numbers), future))
        await future

    def advance(self, by: timedelta | float) -> datetime:
        """Moves the time forward, by a timedelta or by seconds; returns the new time."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError("time does not go back")
        return self.set(self._now + step)

    def set(self, moment: datetime) -> datetime:
        """Moves the time to a moment that is not before now."""
        if moment < self._now:
            raise ValueError("time does not go back")
        self._now = moment.astimezone(UTC)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
        return self._now
