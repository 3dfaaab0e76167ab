"""The numbers of sessions and transactions are given alike in PostgreSQL and in the simulation's tables."""

import asyncio

from bridge_tables import Start

from ocpp_bridge.epochs import Opened


class TestSessions:
    """`Epochs`."""

    async def test_numbers_only_grow_on_whichever_instance(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        assert [await each.opens() for each in (one, two, two, one)] == [1, 2, 3, 4]
        assert await one.opens("garage-2") == 1

    async def test_those_who_come_together_get_numbers_of_their_own(self, instances: Start) -> None:
        one = await instances()
        opened = await asyncio.gather(*(one.opens("garage-1") for _ in range(3)), one.opens("garage-2"))
        assert sorted(opened) == [1, 1, 2, 3]

    async def test_an_accepted_boot_is_remembered_until_another_one_is_not(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        assert await one.epochs.open("garage-1", "ocpp1.6") == Opened(1, accepted=False)
        await one.epochs.accept("garage-1", 1, accepted=True)
        assert await two.epochs.open("garage-1", "ocpp1.6") == Opened(2, accepted=True)
        await one.epochs.accept("garage-1", 1, accepted=False)  # of a session that is not the last one any more
        assert (await two.epochs.open("garage-1", "ocpp1.6")).accepted
        await two.epochs.accept("garage-1", 3, accepted=False)
        assert not (await two.epochs.open("garage-1", "ocpp1.6")).accepted

    async def test_an_end_is_told_by_the_instance_of_the_last_session_only(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        await one.opens()
        assert await one.epochs.close("garage-1", 1)
        assert await one.epochs.close("garage-1", 1)
        await two.opens()
        assert not await one.epochs.close("garage-1", 1)
        assert not await one.epochs.close("nobody", 1)

    async def test_the_end_of_an_earlier_session_leaves_the_last_one_open(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        for _ in range(2):
            await one.opens()
        assert await one.epochs.close("garage-1", 1)
        await two.opens()
        assert await one.epochs.taken() == [("garage-1", 3)]

    async def test_everyone_whose_session_was_taken_over_is_told_once(self, instances: Start) -> None:
        one, two, three = [await instances(name) for name in ("one", "two", "three")]
        for each in (one, two, three, three):
            await each.opens()
        assert await three.epochs.taken() == []
        for each in (one, two):
            assert await each.epochs.taken() == [("garage-1", 4)]
            assert await each.epochs.taken() == []

    async def test_a_session_that_was_over_is_taken_from_nobody(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        await one.opens()
        await one.epochs.close("garage-1", 1)
        await two.opens()
        assert await one.epochs.taken() == []


class TestTransactionIds:
    """`StoredTransactions`."""

    async def test_a_start_has_one_id_however_often_it_is_told(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        at = "2026-01-01T00:00:00Z"
        first = await one.transactions.started("garage-1", 1, 100, at)
        assert await two.transactions.started("garage-1", 1, 100, at) == first
        others = [("garage-2", 1, 100, at), ("garage-1", 2, 100, at), ("garage-1", 1, 101, at)]
        ids = [await one.transactions.started(*other) for other in others]
        assert len({first, *ids}) == 4

    async def test_an_end_has_the_connector_of_its_start(self, instances: Start) -> None:
        one = await instances()
        given = await one.transactions.started("garage-1", 2, 100, "2026-01-01T00:00:00Z")
        assert await one.transactions.stopped("garage-1", given) == 2
        assert await one.transactions.stopped("garage-2", given) is None
        assert await one.transactions.stopped("garage-1", given + 1) is None
