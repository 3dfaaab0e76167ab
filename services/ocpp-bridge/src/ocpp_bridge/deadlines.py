"""One timer for very many waits of the same length."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Deadlines:
    """Fails futures that are not done in time.

    Args:
        seconds: until then.
        error: makes what they fail with.
    """

    def __init__(self, seconds: float, error: Callable[[], Exception]) -> None:
        self._seconds = seconds
        self._error = error
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, future: asyncio.Future[Any]) -> None:
        """From now on its time runs."""
        waiting = self._waiting
        # Most are done in their order: so few that are done are kept.
        while waiting and waiting[0][1].done():
            waiting.popleft()
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        waiting.append((due, future))
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting:
            due, future = self._waiting[0]
            if not future.done():
                if due > now:
                    self._timer = loop.call_at(due, self._look)
                    return
                future.set_exception(self._error())
            self._waiting.popleft()
