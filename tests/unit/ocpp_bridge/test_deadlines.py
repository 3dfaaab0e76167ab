"""Very many waits on one timer."""

import asyncio

import pytest

from ocpp_bridge.deadlines import Deadlines


async def test_what_is_not_done_in_time_fails_and_what_is_done_is_left_alone():
    deadlines = Deadlines(0.05, lambda: ValueError("too late"))
    loop = asyncio.get_running_loop()
    done, late, later = loop.create_future(), loop.create_future(), loop.create_future()
    for future in (done, late, later):
        deadlines.add(future)
    done.set_result(1)
    for future in (late, later):
        with pytest.raises(ValueError, match="too late"):
            await asyncio.wait_for(future, 5)
    assert done.result() == 1
    again = loop.create_future()
    deadlines.add(again)
    with pytest.raises(ValueError, match="too late"):
        await asyncio.wait_for(again, 5)


async def test_what_is_done_is_not_kept():
    deadlines = Deadlines(60, ValueError)
    loop = asyncio.get_running_loop()
    for _ in range(1000):
        future = loop.create_future()
        deadlines.add(future)
        future.set_result(None)
    assert len(deadlines._waiting) <= 1
    deadlines._timer.cancel()
