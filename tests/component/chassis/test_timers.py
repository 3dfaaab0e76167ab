"""Timers go off once, when they are due, whatever happens in between."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from chassis.testing import eventually
from chassis.timers import Timers


@pytest.fixture
async def make(database, clock, metrics):
    """Makes timers with these handlers and starts them; stops them after the test."""
    made = []

    async def make(together=None, **handlers):
        timers = Timers(database, clock, metrics)
        for name, handler in handlers.items():
            timers.on_due(handler, name=name)
        if together is not None:
            timers.on_due_together(together)
        await timers.start()
        made.append(timers)
        return timers

    yield make
    for timers in made:
        await timers.stop()


def note(fired):
    async def handler(session, timer):
        await session.execute(text("insert into things values (:name, 1)"), {"name": timer.key})
        fired.append((timer.key, timer.payload))

    return handler


async def arm(database, timers, key, due, **options):
    async with database.begin() as session:
        await timers.arm(session, key=key, due=due, payload={"for": key}, **options)


async def test_a_timer_goes_off_when_it_is_due_and_not_before(database, clock, make, rows):
    fired = []
    timers = await make(default=note(fired))
    await arm(database, timers, "a1", clock.now() + timedelta(seconds=60))
    await arm(database, timers, "earlier", clock.now() + timedelta(seconds=59))
    clock.advance(59)
    await eventually(lambda: _equal(fired, [("earlier", {"for": "earlier"})]))
    clock.advance(1)
    await eventually(lambda: _equal(fired[1:], [("a1", {"for": "a1"})]))
    await eventually(lambda: _rows(rows, "select key from timers", []))
    assert await rows("select name from things") == [("earlier",), ("a1",)]


async def test_timers_that_became_due_while_nobody_was_there_go_off_at_the_start(database, clock, metrics, make):
    fired = []
    await arm(database, Timers(database, clock, metrics), "a1", clock.now() - timedelta(days=2))
    await make(default=note(fired))
    await eventually(lambda: _equal([key for key, _ in fired], ["a1"]))


async def test_arming_again_replaces_the_timer(database, clock, make):
    fired = []
    timers = await make(default=note(fired))
    await arm(database, timers, "a1", clock.now() + timedelta(seconds=10))
    await arm(database, timers, "a1", clock.now() + timedelta(seconds=100))
    clock.advance(50)
    await arm(database, timers, "a2", clock.now())
    await eventually(lambda: _equal([key for key, _ in fired], ["a2"]))
    clock.advance(50)
    await eventually(lambda: _equal([key for key, _ in fired], ["a2", "a1"]))


async def test_a_forgotten_timer_does_not_go_off_and_the_others_do(database, clock, make, rows):
    fired = []
    timers = await make(default=note(fired))
    for key in ("a1", "a2", "a3"):
        await arm(database, timers, key, clock.now() + timedelta(seconds=10))
    async with database.begin() as session:
        await timers.forget(session, ["a1", "a3", "unknown"])
    assert await rows("select key from timers") == [("a2",)]
    clock.advance(10)
    await eventually(lambda: _equal([key for key, _ in fired], ["a2"]))


async def test_forgetting_does_not_wait_for_a_timer_that_is_going_off(database, clock, make):
    begun, go_on, fired = asyncio.Event(), asyncio.Event(), []

    async def handler(session, timer):
        begun.set()
        await go_on.wait()
        fired.append(timer.key)

    timers = await make(default=handler)
    await arm(database, timers, "a1", clock.now())
    await begun.wait()
    async with asyncio.timeout(30), database.begin() as session:
        await timers.forget(session, ["a1"])
    go_on.set()
    await eventually(lambda: _equal(fired, ["a1"]))


async def test_the_same_key_under_two_names_is_two_timers(database, clock, make):
    drops, boots = [], []
    timers = await make(drop=note(drops), boot=note(boots))
    await arm(database, timers, "a1", clock.now(), name="drop")
    await arm(database, timers, "a1", clock.now(), name="boot")
    await eventually(lambda: _equal((len(drops), len(boots)), (1, 1)))


async def test_a_timer_armed_in_a_transaction_that_is_rolled_back_is_not_there(roll_back, clock, make, rows):
    timers = await make(default=note([]))
    await roll_back(lambda session: timers.arm(session, key="a1", due=clock.now(), payload={}))
    assert await rows("select key from timers") == []


async def test_a_handler_may_arm_its_own_timer_again(database, clock, make):
    fired = []
    holder = []

    async def handler(session, timer):
        fired.append(clock.now())
        await holder[0].arm(session, key=timer.key, due=clock.now() + timedelta(seconds=10), payload={})

    holder.append(await make(default=handler))
    start = clock.now()
    await arm(database, holder[0], "beat", start)
    await eventually(lambda: _equal(len(fired), 1))
    clock.advance(10)
    await eventually(lambda: _equal(fired, [start, start + timedelta(seconds=10)]))


async def test_a_failing_handler_is_tried_again_later_and_holds_up_nobody(database, clock, make, rows):
    tries, fired = [], []

    async def failing(session, timer):
        await session.execute(text("insert into things values ('half', 1)"))
        tries.append(timer.failures)
        if timer.failures < 2:
            raise LookupError("not yet")

    timers = await make(bad=failing, good=note(fired))
    await arm(database, timers, "bad", clock.now(), name="bad")
    await arm(database, timers, "good", clock.now(), name="good")
    await eventually(lambda: _equal((tries, len(fired)), ([0], 1)))
    await eventually(lambda: _rows(rows, "select key, failures from timers", [("bad", 1)]))
    assert await rows("select count(*) from things where name = 'half'") == [(0,)]
    clock.advance(0.5)
    await eventually(lambda: _rows(rows, "select key, failures from timers", [("bad", 2)]))
    clock.advance(1)
    await eventually(lambda: _rows(rows, "select key, failures from timers", []))
    assert tries == [0, 1, 2]
    assert await rows("select count(*) from things where name = 'half'") == [(1,)]


async def test_a_slow_handler_does_not_delay_another_timer(database, clock, make):
    fired, go_on = [], asyncio.Event()

    async def slow(session, timer):
        await go_on.wait()

    timers = await make(slow=slow, quick=note(fired))
    await arm(database, timers, "s", clock.now(), name="slow")
    clock.advance(1)
    await arm(database, timers, "q", clock.now(), name="quick")
    await eventually(lambda: _equal(len(fired), 1))
    go_on.set()


def note_all(fired, bad=None):
    """For a handler of several timers: remembers which came together, and raises for some of them."""

    async def handler(work, timers):
        keys = sorted(timer.key for timer in timers)
        for key in keys:
            await work.connection.execute("insert into things values ($1, 1)", key)
        fired.append((keys, [timer.payload for timer in timers]))
        if bad in keys:
            raise LookupError("one of them is bad")

    return handler


async def test_timers_that_are_due_go_off_together_and_not_more_than_some_at_once(
    database, clock, make, rows, monkeypatch
):
    monkeypatch.setattr("chassis.timers.TOGETHER", 3)
    monkeypatch.setattr("chassis.timers.AT_ONCE", 1)
    fired = []
    timers = await make(together=note_all(fired))
    async with database.begin() as session:
        for number in range(5):
            await timers.arm(session, key=f"a{number}", due=clock.now() + timedelta(seconds=number), payload={})
        await timers.arm(session, key="later", due=clock.now() + timedelta(seconds=9), payload={"for": "later"})
        assert fired == []
    clock.advance(5)
    await eventually(lambda: _rows(rows, "select key from timers", [("later",)]))
    assert [keys for keys, _ in fired] in (
        [["a0", "a1", "a2"], ["a3", "a4"]],
        [["a0"], ["a1", "a2", "a3"], ["a4"]],  # what was due at once may go off before the clock was moved
    )
    clock.advance(4)
    await eventually(lambda: _equal(fired[-1], (["later"], [{"for": "later"}])))


async def test_a_bad_timer_among_others_puts_all_off_and_is_then_alone_with_its_failure(database, clock, make, rows):
    fired = []
    timers = await make(together=note_all(fired, bad="bad"))
    async with database.begin() as session:
        for key in ("a1", "bad", "a2"):
            await timers.arm(session, key=key, due=clock.now() + timedelta(seconds=1), payload={})
    clock.advance(1)
    put_off = [("a1", 1), ("a2", 1), ("bad", 1)]
    await eventually(lambda: _rows(rows, "select key, failures from timers order by key", put_off))
    assert await rows("select count(*) from things") == [(0,)]
    clock.advance(0.5)
    await eventually(lambda: _rows(rows, "select key, failures from timers", [("bad", 2)]))
    assert await rows("select name from things order by name") == [("a1",), ("a2",)]
    assert fired[0][0] == ["a1", "a2", "bad"]
    assert sorted(keys for keys, _ in fired[1:]) == [["a1"], ["a2"], ["bad"]]


async def test_timers_that_go_off_together_are_handled_once_by_two_processes(database, clock, make, rows):
    fired = []
    first = await make(together=note_all(fired))
    await make(together=note_all(fired))
    async with database.begin() as session:
        for number in range(200):
            await first.arm(session, key=f"a{number}", due=clock.now(), payload={})
    await eventually(lambda: _rows(rows, "select count(*) from timers", [(0,)]))
    assert sorted(key for keys, _ in fired for key in keys) == sorted(f"a{number}" for number in range(200))


async def test_two_handlers_for_one_name_are_refused(make):
    timers = await make(together=note_all([]))
    with pytest.raises(ValueError, match="a handler already"):
        timers.on_due(note([]))


async def test_two_processes_handle_each_timer_once(database, clock, make):
    fired = []
    first = await make(default=note(fired))
    await make(default=note(fired))
    async with database.begin() as session:
        for number in range(40):
            await first.arm(session, key=f"a{number}", due=clock.now(), payload={})
    await eventually(lambda: _equal(len(fired), 40))
    assert len({key for key, _ in fired}) == 40


async def test_stopping_waits_for_a_handler_that_is_running(database, clock, make, rows):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(session, timer):
        begun.set()
        await go_on.wait()

    timers = await make(default=handler)
    await arm(database, timers, "a1", clock.now())
    await begun.wait()
    stopping = asyncio.create_task(timers.stop())
    done, _ = await asyncio.wait([stopping], timeout=0.05)
    assert not done
    go_on.set()
    await stopping
    assert await rows("select key from timers") == []


async def test_a_naive_due_time_is_refused(database, clock, make):
    timers = await make(default=note([]))
    async with database.begin() as session:
        with pytest.raises(ValueError, match="time zone"):
            await timers.arm(session, key="a1", due=datetime(2026, 1, 1), payload={})  # noqa: DTZ001 what it is about


def _equal(one, other):
    assert one == other


async def _rows(rows, sql, expected):
    assert await rows(sql) == expected
