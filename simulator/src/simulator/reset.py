"""A Reset that a charger received: what was asked, when, and the means to answer it, now or later."""

import asyncio
import contextlib
from dataclasses import dataclass
from time import monotonic
from typing import Any

from simulator.connection import Connection, SocketGoneError


@dataclass(frozen=True, slots=True)
class Reset:
    """One Reset frame.

    Attributes:
        message_id: of the frame.
        kind: Soft or Hard (1.6); Immediate, OnIdle or ImmediateAndResume (2.x).
        evse_id: the EVSE that is to be reset alone (2.x), else None.
        at: `time.monotonic` when it was read.
        speed: of the charger, for `until`.
    """

    message_id: str
    kind: str
    evse_id: int | None
    at: float
    speed: float
    connection: Connection

    @property
    def when_idle(self) -> bool:
        return self.kind == "OnIdle"

    async def answer(self, status: str, **fields: Any) -> None:
        """Answer on the socket that it came on; an answer to a dead socket is lost, as in the field."""
        with contextlib.suppress(SocketGoneError):
            await self.connection.reply(self.message_id, {"status": status, **fields})

    async def refuse(self, code: str, description: str) -> None:
        """Answer with a CALLERROR."""
        with contextlib.suppress(SocketGoneError):
            await self.connection.refuse(self.message_id, code, description)

    async def until(self, seconds: float) -> None:
        """Wait until so many of the charger's own seconds have passed since the frame."""
        await asyncio.sleep(max(0.0, self.at + seconds / self.speed - monotonic()))
