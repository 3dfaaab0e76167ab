"""Many small pieces of work as a few big ones: what comes while one batch is under way makes up the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Gathers without waiting: a lone item goes at once, a storm shares round trips.

    Args:
        work: gets a list of items with distinct keys, returns a result for each, in the same order.
        key: items with the same key are never in the same batch; their order is kept.
        at_most: items in one batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        key: Callable[[Item], str],
        at_most: int = 500,
    ) -> None:
        self._work = work
        self._key = key
        self._at_most = at_most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The result for this item. Raises what the work raises; others of the batch get the same error."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run(), name="batch")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                try:
                    results = await self._work([item for item, _ in batch])
                except Exception as error:  # noqa: BLE001 each who waits gets it
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), result in zip(batch, results, strict=True):
                        if not future.done():
                            future.set_result(result)
        finally:
            self._worker = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        later: list[tuple[Item, asyncio.Future[Result]]] = []
        keys: set[str] = set()
        while self._waiting and len(batch) < self._at_most:
            item, future = self._waiting.popleft()
            if future.done():
                continue  # whoever asked is gone
            key = self._key(item)
            if key in keys:
                later.append((item, future))
            else:
                keys.add(key)
                batch.append((item, future))
        self._waiting.extendleft(reversed(later))
        return batch
