"""Leases end and are inherited alike in PostgreSQL and in the simulation's tables."""

import asyncio
import contextlib

import pytest
from bridge_tables import Instance, Start, reset

from chassis.testing import eventually
from ocpp_bridge.epochs import NoLeaseError
from ocpp_bridge.lease import Dead

SOON_S = 0.3
"""So long a lease lasts that is to end in a test."""


async def dead_for(instance: Instance, *, own_past: bool = False) -> Dead | None:
    """Whom it takes for dead, and lets be."""
    with contextlib.suppress(LookupError):
        async with instance.lease.dead(own_past=own_past) as dead:
            raise LookupError
    return dead


async def inherit(heir: Instance, *, own_past: bool = False) -> list[tuple[str, int]]:
    """What it inherits from the first one that is dead."""
    async with heir.lease.dead(own_past=own_past) as dead:
        assert dead is not None
        async with heir.lease.inherit_sessions(dead) as sessions:
            pass
        await heir.lease.inherit_the_rest(dead)
    return sessions


class TestLeases:
    """`Lease`, and what heirs do."""

    async def test_each_process_has_a_name_of_its_own(self, instances: Start) -> None:
        one, again = await instances("one"), await instances("one")
        assert one.name != again.name
        assert one.name.startswith("one.")
        assert await one.lease.renew()

    async def test_a_lease_ends_that_is_not_renewed(self, instances: Start) -> None:
        one, patient, hasty = await instances("one"), await instances("two"), await instances("three", lasts_s=SOON_S)
        assert await dead_for(patient) is None

        async def is_dead() -> None:
            assert await patient.lease.renew()
            assert await dead_for(hasty) == Dead(one.name, given_up=False)

        await eventually(is_dead)
        assert await one.lease.renew()

    async def test_one_that_is_given_up_ends_at_once(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        await one.lease.give_up()
        assert await dead_for(two) == Dead(one.name, given_up=True)

    async def test_earlier_processes_of_its_own_are_taken_for_dead_where_that_is_asked_for(
        self, instances: Start
    ) -> None:
        one, again = await instances("one"), await instances("one")
        for other in ("onerous", "one.more"):
            await instances(other)
        assert await dead_for(again) is None
        assert await dead_for(again, own_past=True) == Dead(one.name, given_up=False)
        await one.lease.give_up()
        async with again.lease.dead(own_past=True) as dead:
            assert dead == Dead(one.name, given_up=True)
        assert await dead_for(again, own_past=True) is None

    async def test_no_session_begins_on_one_that_is_being_inherited_or_has_been(self, instances: Start) -> None:
        one, again = await instances("one"), await instances("one")
        await one.opens()
        async with again.lease.dead(own_past=True) as dead:
            assert dead is not None
            with pytest.raises(NoLeaseError):
                await one.opens("garage-2")
        with pytest.raises(NoLeaseError):
            await one.opens()
        assert await again.opens() == 2
        await one.lease.take()
        assert await one.opens() == 3

    async def test_a_dead_one_has_one_heir_and_afterwards_no_lease(self, instances: Start) -> None:
        one, two, three = [await instances(name) for name in ("one", "two", "three")]
        await one.lease.give_up()
        async with two.lease.dead() as dead:
            assert dead == Dead(one.name, given_up=True)
            assert await dead_for(three) is None
        assert await dead_for(three) is None
        assert not await one.lease.renew()

    async def test_open_sessions_are_inherited_closed_and_answered_for(self, instances: Start) -> None:
        one, again = await instances("one"), await instances("one")
        await one.opens("garage-1")
        await one.opens("garage-2")
        await again.opens("garage-3")
        assert await inherit(again, own_past=True) == [("garage-1", 1), ("garage-2", 1)]
        assert not await one.epochs.close("garage-1", 1)
        assert await again.epochs.close("garage-1", 1)
        assert not await one.claims(reset(1))
        assert await again.declines(reset(1)) == "not_connected"
        await again.opens("garage-1")
        assert await one.epochs.taken() == []

    async def test_what_it_had_only_just_closed_is_inherited_too_unless_it_said_goodbye(self, instances: Start) -> None:
        one, two, three = await instances("one"), await instances("two"), await instances("one")
        await one.opens("garage-1")
        await one.epochs.close("garage-1", 1)
        await two.opens("garage-2")
        await two.epochs.close("garage-2", 1)
        await two.lease.give_up()
        assert await inherit(three, own_past=True) == [("garage-1", 1)]
        assert await inherit(three) == []
        assert await three.declines(reset(1, "garage-2")) == "not_connected"

    async def test_what_was_taken_over_is_neither_inherited_nor_let_go_of_any_more(self, instances: Start) -> None:
        one, two, again = await instances("one"), await instances("two"), await instances("one")
        await one.opens()
        await two.opens()
        assert await inherit(again, own_past=True) == []
        assert await one.epochs.taken() == []
        assert await two.claims(reset(2))

    async def test_nobody_opens_or_ends_a_session_that_is_being_inherited(self, instances: Start) -> None:
        one, again, two, three = [await instances(name) for name in ("one", "one", "two", "three")]
        await one.opens()
        async with again.lease.dead(own_past=True) as dead:
            assert dead is not None
            async with again.lease.inherit_sessions(dead) as sessions:
                assert sessions == [("garage-1", 1)]
                opening = asyncio.create_task(two.opens())
                ending = asyncio.create_task(one.epochs.close("garage-1", 1))
                other = await three.opens("garage-2")
                await asyncio.wait([opening, ending], timeout=0.2)
                assert (opening.done(), ending.done(), other) == (False, False, 1)
            assert await opening == 2
            assert not await ending
        assert await one.epochs.taken() == []

    async def test_a_dead_one_that_lives_waits_for_its_heir_before_it_can_renew(self, instances: Start) -> None:
        one, again = await instances("one"), await instances("one")
        async with again.lease.dead(own_past=True) as dead:
            assert dead == Dead(one.name, given_up=False)
            renewing = asyncio.create_task(one.lease.renew())
            await asyncio.wait([renewing], timeout=0.2)
            assert not renewing.done()
        assert not await renewing

    async def test_an_heir_that_fails_has_inherited_nothing(self, instances: Start) -> None:
        one, again = await instances("one"), await instances("one")
        await one.opens()
        with contextlib.suppress(LookupError):
            async with again.lease.dead(own_past=True) as dead:
                assert dead is not None
                async with again.lease.inherit_sessions(dead) as sessions:
                    raise LookupError
        assert sessions == [("garage-1", 1)]
        assert await one.claims(reset(1))
        assert await one.lease.renew()
        assert await inherit(again, own_past=True) == [("garage-1", 1)]
