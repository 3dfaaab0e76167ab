"""Background work that ends when it is told to."""

import asyncio
import contextlib

from chassis.tasks import cancel, delays, wait_for


async def test_cancelling_waits_for_the_end_and_is_quiet_about_errors():
    async def failing():
        raise LookupError

    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await cancel(task)
    await cancel(None)


async def test_a_task_that_swallows_a_cancellation_is_asked_again():
    async def stubborn():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(3):
        await cancel(task)
    assert task.cancelled()


async def test_waiting_for_an_event_is_bounded_and_tells_whether_it_came():
    event = asyncio.Event()
    assert await wait_for(event, at_most=0.01) is False
    event.set()
    assert await wait_for(event, at_most=0) is True


def test_delays_grow_to_their_limit_and_differ():
    made = [delay for delay, _ in zip(delays(0.1, longest=1.0), range(20), strict=False)]
    assert made[0] < 0.14
    assert all(delay < 1.31 for delay in made)
    assert all(delay > 0.69 for delay in made[5:])
    assert len(set(made[5:])) > 1
