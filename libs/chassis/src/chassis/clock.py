"""Time as a parameter: who needs to know the time is given a clock."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The time, aware and in UTC. It may jump: machines' clocks are put right, forward and back."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, by a clock that nobody sets: it tells how long something took in this process."""
        ...


class WakingClock(Clock, Protocol):
    """A clock that can also be waited on."""

    async def sleep_until(self, moment: datetime) -> None:
        """Returns once `now()` has reached `moment`; may return a few milliseconds early, so look again."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))
