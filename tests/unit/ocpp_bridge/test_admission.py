"""Turns for handshakes: bounded, in order, chargers that are being restarted first, and nobody forgotten."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from chassis.testing import eventually
from ocpp_bridge.admission import Admission, FullError, jittered


class Crowd:
    """Handshakes that take their turn and keep it until they are told to leave."""

    def __init__(self, **options):
        self.first: set[str] = set()
        defaults = {"at_once": 1, "waiting": 10, "patience_s": 30.0, "first": self.first}
        self.admission = Admission(**{**defaults, **options})
        self.inside: list[str] = []
        self.been_inside: list[str] = []
        self.turned_away: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def come(self, name: str) -> None:
        self._leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._live(name))

    async def _live(self, name: str) -> None:
        try:
            async with self.admission.turn(name):
                self.inside.append(name)
                self.been_inside.append(name)
                await self._leave[name].wait()
                self.inside.remove(name)
        except FullError:
            self.turned_away.append(name)

    def leave(self, name: str) -> None:
        self._leave[name].set()


@asynccontextmanager
async def crowd(**options):
    made = Crowd(**options)
    try:
        yield made
    finally:
        for task in made.tasks.values():
            task.cancel()
        await asyncio.gather(*made.tasks.values(), return_exceptions=True)


def is_(check):
    def look():
        assert check()

    return eventually(look)


async def test_no_more_than_the_bound_are_inside_and_the_others_follow_in_their_order():
    async with crowd(at_once=2) as people:
        for name in "abcd":
            people.come(name)
        await is_(lambda: people.inside == ["a", "b"] and people.admission.waiting == 2)
        people.leave("a")
        await is_(lambda: people.inside == ["b", "c"])
        people.leave("b")
        people.leave("c")
        people.leave("d")
        await is_(lambda: people.been_inside == ["a", "b", "c", "d"] and not people.inside)
        people.come("e")
        await is_(lambda: people.inside == ["e"])


async def test_one_that_is_being_restarted_goes_before_all_who_wait():
    async with crowd() as people:
        people.first.add("urgent")
        for name in ("a", "b", "c", "urgent"):
            people.come(name)
        await is_(lambda: people.admission.waiting == 3)
        people.leave("a")
        await is_(lambda: people.inside == ["urgent"])


async def test_who_finds_the_queue_full_is_turned_away_at_once():
    async with crowd(waiting=1) as people:
        for name in "abc":
            people.come(name)
        await is_(lambda: people.turned_away == ["c"])
        assert people.admission.waiting == 1


async def test_one_that_is_being_restarted_takes_the_place_of_the_newest_other_in_a_full_queue():
    async with crowd(waiting=2) as people:
        people.first.add("urgent")
        for name in ("a", "b", "c", "urgent"):
            people.come(name)
        await is_(lambda: people.turned_away == ["c"])
        assert people.admission.waiting == 2


async def test_the_queue_is_bounded_for_those_who_are_being_restarted_too():
    async with crowd(waiting=2) as people:
        people.first.update("bcd")
        for name in "abcd":
            people.come(name)
        await is_(lambda: people.turned_away == ["d"])


async def test_nobody_waits_longer_than_the_patience():
    async with crowd(patience_s=0.05) as people:
        people.come("a")
        people.come("b")
        await is_(lambda: people.turned_away == ["b"])
        assert people.admission.waiting == 0
        people.leave("a")
        people.come("c")
        await is_(lambda: people.inside == ["c"])


async def test_a_turn_is_passed_on_by_one_that_fails_and_by_one_that_goes_away_while_it_waits():
    admission = Admission(at_once=1, waiting=5, patience_s=30.0, first=set())
    with pytest.raises(ConnectionError):
        async with admission.turn("a"):
            raise ConnectionResetError
    async with crowd() as people:
        for name in "abc":
            people.come(name)
        await is_(lambda: people.admission.waiting == 2)
        people.tasks["b"].cancel()
        await is_(lambda: people.admission.waiting == 1)
        people.leave("a")
        await is_(lambda: people.inside == ["c"])


async def test_a_turn_that_was_given_to_one_that_is_cancelled_in_that_moment_is_not_lost():
    async with crowd() as people:
        for name in "abc":
            people.come(name)
        await is_(lambda: people.admission.waiting == 2)
        people.admission._pass_on()  # as "a" would, and before "b" hears of it, it is cancelled
        people.tasks["b"].cancel()
        await is_(lambda: "c" in people.inside)


def test_jittered_times_are_spread_between_once_and_twice():
    drawn = {jittered(10) for _ in range(500)}
    assert min(drawn) >= 10
    assert max(drawn) <= 20
    assert len(drawn) > 5
    assert jittered(0.1) == 1
