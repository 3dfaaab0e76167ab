"""Who is let in now, who waits and who is sent away for a while, when very many chargers come back at once."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager


class FullError(Exception):
    """Too many wait already, or this one has waited too long."""


class Admission:
    """Bounds the handshakes in progress; the others wait for their turn, those of `first` before all others.

    Both queues together hold `waiting` at most: of the others the newest gives way to one of `first`.

    Args:
        at_once: handshakes in progress.
        waiting: handshakes that wait.
        patience_s: nobody waits longer, since a charger gives up as well.
        first: the chargers that go before all others.
    """

    def __init__(self, *, at_once: int, waiting: int, patience_s: float, first: Container[str]) -> None:
        self._at_once = at_once
        self._free = at_once
        self._waiting = waiting
        self._patience = patience_s
        self._first = first
        self._hurried: deque[asyncio.Future[bool]] = deque()
        self._others: deque[asyncio.Future[bool]] = deque()

    @property
    def in_progress(self) -> int:
        """How many have their turn."""
        return self._at_once - self._free

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._hurried) + len(self._others)

    @asynccontextmanager
    async def turn(self, charger_id: str) -> AsyncIterator[None]:
        """Waits for a turn, which lasts as long as the block. Raises FullError."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(charger_id in self._first)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, hurried: bool) -> None:
        if self.waiting >= self._waiting:
            if not hurried or not self._others:
                raise FullError
            _tell(self._others.pop(), has_turn=False)
        queue = self._hurried if hurried else self._others
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        queue.append(turn)
        timer = loop.call_later(self._patience, self._lose_patience, queue, turn)
        try:
            has_turn = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._pass_on()
            elif turn in queue:
                queue.remove(turn)
            raise
        finally:
            timer.cancel()
        if not has_turn:
            raise FullError

    def _lose_patience(self, queue: deque[asyncio.Future[bool]], turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            queue.remove(turn)
            _tell(turn, has_turn=False)

    def _pass_on(self) -> None:
        queue = self._hurried or self._others
        if queue:
            _tell(queue.popleft(), has_turn=True)
        else:
            self._free += 1


def _tell(turn: asyncio.Future[bool], *, has_turn: bool) -> None:
    turn.set_result(has_turn)


def jittered(seconds: float) -> int:
    """A whole number of seconds between one and two times as many: those who are told it do not come back together."""
    return max(1, round(seconds * random.uniform(1.0, 2.0)))  # noqa: S311 no secret
