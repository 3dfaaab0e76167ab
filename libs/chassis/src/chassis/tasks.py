"""Small tools for background work: signals that several may wait on, and delays that grow."""

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Iterator
from typing import Any


async def wait_for(wake: asyncio.Event, *, at_most: float) -> bool:
    """Waits until the event is set or the time is over (seconds); returns whether it was set."""
    if wake.is_set():
        return True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most):
            await wake.wait()
    return wake.is_set()


def delays(first: float = 0.05, *, longest: float = 5.0) -> Iterator[float]:
    """Delays in seconds, each about twice the last, with jitter, so that many who failed do not return together."""
    delay = first
    while True:
        yield delay * random.uniform(0.7, 1.3)  # noqa: S311 no secret depends on it
        delay = min(delay * 2, longest)


def background(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Starts work that runs until it is cancelled."""
    return asyncio.create_task(work, name=name)


async def cancel(task: asyncio.Task[Any] | None) -> None:
    """Ends a background task and waits for its end; an error that it had ended with is not raised here.

    It is asked more than once: the Kafka client swallows a cancellation that meets it while it closes.
    """
    if task is None:
        return
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.5)
    if not task.cancelled():
        task.exception()
