"""Things that a charger does beside its main loop, so that a slow one holds nothing up."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from simulator.connection import CallRefusedError, SocketGoneError, UnansweredError
from simulator.facts import Facts

logger = logging.getLogger(__name__)


class Scripts:
    """Tasks that end by themselves; a socket that fails under them is life, any other error is a fact to look at."""

    def __init__(self, identity: str, facts: Facts) -> None:
        self._identity = identity
        self._facts = facts
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, script: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guard(script))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: script.close())  # one that was cancelled before it began was never awaited
        return task

    def cancel_others(self) -> None:
        """Cancel all but the calling one."""
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()

    async def stop(self) -> None:
        """Cancel all and wait for their end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guard(self, script: Coroutine[Any, Any, None]) -> None:
        try:
            await script
        except (SocketGoneError, UnansweredError, CallRefusedError):
            return
        except Exception as bug:
            self._facts.errors.append(f"{type(bug).__name__}: {bug}")
            logger.exception("%s: the simulation failed", self._identity)
