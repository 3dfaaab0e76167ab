"""Time as a parameter: who needs to know the time is given a clock."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The time, aware and in UTC."""
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

    async def sleep_until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))
