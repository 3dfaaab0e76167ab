"""What the orchestrator does by itself, now and then: learn from what has finished, forget what is old."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import Clock
from chassis.database import Database
from chassis.tasks import background, cancel
from restart_orchestrator.learning import Learner
from restart_orchestrator.pruning import Keep, prune_some

log = structlog.stdlib.get_logger(__name__)
BREATH_S = 0.2
"""Between two batches of the same chore."""


class Chores:
    """Two tasks in the background. What fails is tried again at the next turn; neither holds up a restart."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        learner: Learner,
        keep: Keep,
        *,
        learn_every_s: float,
        prune_every_s: float = 600.0,
    ) -> None:
        self._database = database
        self._clock = clock
        self._learner = learner
        self._keep = keep
        self._learn_every_s = learn_every_s
        self._prune_every_s = prune_every_s
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins with both."""
        self._tasks = [
            background(self._repeat(self._learner.learn_some, self._learn_every_s), "learning"),
            background(self._repeat(self._prune, self._prune_every_s), "pruning"),
        ]

    async def stop(self) -> None:
        """Ends both; a batch that is under way is rolled back."""
        for task in self._tasks:
            await cancel(task)

    async def _prune(self, session: AsyncSession) -> bool:
        return await prune_some(session, self._clock.now(), self._keep)

    async def _repeat(self, chore: Callable[[AsyncSession], Awaitable[bool]], every_s: float) -> None:
        while True:
            more = False
            try:
                async with self._database.begin() as session:
                    more = await chore(session)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("a chore was not done, and is tried again", chore=chore.__qualname__, why=repr(error))
            await asyncio.sleep(BREATH_S if more else every_s)
