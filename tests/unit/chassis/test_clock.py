"""Clocks: the machine's, and the one that tests move."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.testing import FakeClock


def test_the_system_clock_tells_aware_utc_time():
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)


async def test_the_system_clock_returns_at_once_for_a_moment_that_has_passed():
    clock = SystemClock()
    async with asyncio.timeout(1):
        await clock.sleep_until(clock.now() - timedelta(hours=1))


async def test_advancing_a_fake_clock_wakes_only_whoever_sleeps_until_then():
    clock = FakeClock()
    soon = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(seconds=10)))
    late = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(seconds=11)))
    await asyncio.sleep(0)
    clock.advance(9.9)
    await asyncio.sleep(0)
    assert not soon.done()
    clock.advance(timedelta(seconds=0.1))
    await soon
    assert not late.done()
    clock.advance(1)
    await late


def test_a_fake_clock_that_jumps_tells_another_time_and_no_time_has_passed():
    clock = FakeClock()
    began, counted = clock.now(), clock.monotonic()
    clock.advance(5)
    clock.jump(-60)
    assert clock.now() == began - timedelta(seconds=55)
    clock.jump(100)
    assert clock.now() == began + timedelta(seconds=45)
    assert clock.monotonic() - counted == 5


async def test_a_fake_clock_forgets_sleepers_that_were_cancelled():
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(seconds=1)))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait([sleeper])
    clock.advance(2)


def test_a_fake_clock_refuses_to_go_back_and_naive_times():
    with pytest.raises(ValueError, match="go back"):
        FakeClock().advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001 what the test is about
