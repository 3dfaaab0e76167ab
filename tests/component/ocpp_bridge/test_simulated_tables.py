"""The bridge's tables in PostgreSQL, and those that the simulation has in their place, do the same."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from simulation import bridge_database
from simulation.bridge_database import (
    BridgeDatabase,
    MemoryEpochs,
    MemoryLease,
    MemoryLedger,
    MemoryStore,
    MemoryTransactions,
)

from chassis import migrations
from chassis.clock import SystemClock
from chassis.testing import eventually
from contracts.ocpp import ResetCharger, WithdrawReset
from ocpp_bridge.epochs import Epochs, Opened
from ocpp_bridge.lease import Dead, Lease
from ocpp_bridge.ledger import UNANSWERED, Ledger
from ocpp_bridge.store import Store
from ocpp_bridge.tables import SCHEMA, metadata
from ocpp_bridge.transactions import StoredTransactions

SOON_S = 0.3
"""So long a lease lasts that is to end in a test."""


class Instance:
    """One bridge, as far as it reads and writes."""

    def __init__(self, store: Any, name: str, lasts_s: float, kinds: tuple[Any, Any, Any, Any]) -> None:
        epochs, ledger, lease, transactions = kinds
        clock = SystemClock()
        self.lease: Lease = lease(store, name, lasts_s=lasts_s)
        self.epochs: Epochs = epochs(store, lambda: self.lease.instance)
        self.ledger: Ledger = ledger(store, clock, lambda: self.lease.instance)
        self.transactions: StoredTransactions = transactions(store)

    @property
    def name(self) -> str:
        return self.lease.instance

    async def opens(self, charger: str = "garage-1") -> int:
        return (await self.epochs.open(charger, "ocpp1.6")).epoch

    async def claims(self, command: ResetCharger, claim: UUID | None = None) -> bool:
        return await self.ledger.claim(command, message_id(command), claim or uuid4())

    async def declines(self, command: ResetCharger, claim: UUID | None = None, *, expired: bool = False) -> str | None:
        return await self.ledger.decline(command, message_id(command), claim or uuid4(), expired=expired)

    async def withdraws(self, command: ResetCharger) -> bool:
        withdrawal = WithdrawReset(
            charger_id=command.charger_id,
            attempt_id=command.attempt_id,
            epoch=command.epoch,
            escalation=command.escalation,
        )
        return await self.ledger.withdraw(withdrawal, message_id(command), uuid4())


def message_id(command: ResetCharger) -> str:
    return str(uuid5(command.attempt_id, str(command.escalation)))


def reset(epoch: int = 1, charger: str = "garage-1", *, attempt: UUID | None = None, number: int = 0) -> ResetCharger:
    until = datetime.now(UTC) + timedelta(seconds=10)
    return ResetCharger(
        charger_id=charger,
        attempt_id=attempt or uuid4(),
        epoch=epoch,
        not_after=until,
        watch_until=until,
        escalation=number,
    )


Start = Callable[..., Awaitable[Instance]]


@pytest.fixture(params=["postgresql", "simulation"])
async def start(request: pytest.FixtureRequest, new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Start]:
    """Begins the life of an instance; all look at the same tables."""
    async with AsyncExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            url = await new_database()
            await migrations.run(SCHEMA, metadata, migrations.directory_of("ocpp_bridge"), url)
        else:
            bridge_database.use(BridgeDatabase(clock=lambda: datetime.now(UTC)))

        async def begin(name: str = "one", *, lasts_s: float = 30.0) -> Instance:
            if request.param == "simulation":
                kinds = (MemoryEpochs, MemoryLedger, MemoryLease, MemoryTransactions)
                instance = Instance(MemoryStore(""), name, lasts_s, kinds)
            else:
                store = Store(url, application_name=name)
                await store.start()
                stack.push_async_callback(store.stop)
                instance = Instance(store, name, lasts_s, (Epochs, Ledger, Lease, StoredTransactions))
            await instance.lease.take()
            return instance

        yield begin


class TestSessions:
    """`Epochs`."""

    async def test_numbers_only_grow_on_whichever_instance(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        assert [await each.opens() for each in (one, two, two, one)] == [1, 2, 3, 4]
        assert await one.opens("garage-2") == 1

    async def test_those_who_come_together_get_numbers_of_their_own(self, start: Start) -> None:
        one = await start()
        opened = await asyncio.gather(*(one.opens("garage-1") for _ in range(3)), one.opens("garage-2"))
        assert sorted(opened) == [1, 1, 2, 3]

    async def test_an_accepted_boot_is_remembered_until_another_one_is_not(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        assert await one.epochs.open("garage-1", "ocpp1.6") == Opened(1, accepted=False)
        await one.epochs.accept("garage-1", 1, accepted=True)
        assert await two.epochs.open("garage-1", "ocpp1.6") == Opened(2, accepted=True)
        await one.epochs.accept("garage-1", 1, accepted=False)  # of a session that is not the last one any more
        assert (await two.epochs.open("garage-1", "ocpp1.6")).accepted
        await two.epochs.accept("garage-1", 3, accepted=False)
        assert not (await two.epochs.open("garage-1", "ocpp1.6")).accepted

    async def test_an_end_is_told_by_the_instance_of_the_last_session_only(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        await one.opens()
        assert await one.epochs.close("garage-1", 1)
        assert await one.epochs.close("garage-1", 1)
        await two.opens()
        assert not await one.epochs.close("garage-1", 1)
        assert not await one.epochs.close("nobody", 1)

    async def test_the_end_of_an_earlier_session_leaves_the_last_one_open(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        for _ in range(2):
            await one.opens()
        assert await one.epochs.close("garage-1", 1)
        await two.opens()
        assert await one.epochs.taken() == [("garage-1", 3)]

    async def test_everyone_whose_session_was_taken_over_is_told_once(self, start: Start) -> None:
        one, two, three = [await start(name) for name in ("one", "two", "three")]
        for each in (one, two, three, three):
            await each.opens()
        assert await three.epochs.taken() == []
        for each in (one, two):
            assert await each.epochs.taken() == [("garage-1", 4)]
            assert await each.epochs.taken() == []

    async def test_a_session_that_was_over_is_taken_from_nobody(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        await one.opens()
        await one.epochs.close("garage-1", 1)
        await two.opens()
        assert await one.epochs.taken() == []


class TestTheLedger:
    """`Ledger`."""

    async def test_a_reset_is_claimed_once(self, start: Start) -> None:
        one = await start()
        await one.opens()
        command, mine = reset(), uuid4()
        assert await one.claims(command, mine)
        assert await one.claims(command, mine)  # the same statement, after an error of which the outcome is unknown
        assert not await one.claims(command)

    async def test_each_of_an_attempts_resets_is_claimed_for_itself(self, start: Start) -> None:
        one = await start()
        await one.opens()
        attempt = uuid4()
        assert await one.claims(reset(attempt=attempt))
        assert await one.claims(reset(attempt=attempt, number=1))
        assert not await one.claims(reset(attempt=attempt, number=1))

    async def test_only_on_the_last_session_and_by_its_instance(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        assert not await one.claims(reset())
        await one.opens()
        await two.opens()
        assert not await one.claims(reset(1))
        assert not await one.claims(reset(2))
        assert not await two.claims(reset(1))
        assert await two.claims(reset(2))

    async def test_a_session_that_is_over_can_still_be_claimed_for(self, start: Start) -> None:
        one = await start()
        await one.opens()
        await one.epochs.close("garage-1", 1)
        assert await one.claims(reset(1))

    async def test_nothing_is_sent_after_a_decline_which_keeps_its_first_reason(self, start: Start) -> None:
        one = await start()
        await one.opens()
        command = reset()
        assert await one.declines(command) == "not_connected"
        assert await one.declines(command, expired=True) == "not_connected"
        assert not await one.claims(command)

    @pytest.mark.parametrize(
        ("of_session", "expired", "why"),
        [(1, False, "other_session"), (2, False, "not_connected"), (1, True, "expired")],
    )
    async def test_why_it_is_declined(self, start: Start, of_session: int, expired: bool, why: str) -> None:
        one = await start()
        for _ in range(2):
            await one.opens()
        assert await one.declines(reset(of_session), expired=expired) == why

    async def test_who_does_not_answer_for_the_charger_declines_nothing(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        assert await one.declines(reset()) is None
        await one.opens()
        command = reset()
        assert await two.declines(command) is None
        assert await one.claims(command)

    async def test_what_was_claimed_is_declined_by_who_claimed_it_alone(self, start: Start) -> None:
        one = await start()
        await one.opens()
        command, mine = reset(), uuid4()
        await one.claims(command, mine)
        assert await one.declines(command) is None
        assert await one.declines(command, mine, expired=True) == "expired"

    async def test_what_was_answered_is_declined_by_nobody(self, start: Start) -> None:
        one = await start()
        await one.opens()
        command, mine = reset(), uuid4()
        await one.claims(command, mine)
        await one.ledger.settle(command.attempt_id, "accepted")
        assert await one.declines(command, mine) is None

    async def test_a_withdrawal_and_a_claim_have_one_winner(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        await one.opens()
        first, second, third = reset(), reset(), reset()
        assert await two.withdraws(first)
        assert await two.withdraws(first)
        assert not await one.claims(first)
        assert await one.declines(first) is None
        assert await one.claims(second)
        assert not await two.withdraws(second)
        await one.declines(third)
        assert await two.withdraws(third)

    async def test_a_frame_is_found_until_it_is_answered(self, start: Start) -> None:
        one = await start()
        await one.opens()
        command = reset()
        await one.claims(command)
        of, number = message_id(command), command.attempt_id
        entry = await one.ledger.find("garage-1", of)
        assert entry is not None
        assert (entry.attempt_id, entry.epoch, entry.outcome, entry.escalation) == (number, 1, None, 0)
        assert await one.ledger.find("garage-2", of) is None
        await one.ledger.settle(number, UNANSWERED)
        again = await one.ledger.find("garage-1", of)
        assert again is not None
        assert again.outcome == UNANSWERED
        await one.ledger.settle(number, "accepted")
        assert await one.ledger.find("garage-1", of) is None

    async def test_unanswered_gives_way_to_an_answer_and_an_answer_to_nothing(self, start: Start) -> None:
        one = await start()
        await one.opens()
        command = reset()
        await one.claims(command)
        assert await one.ledger.is_open(command.attempt_id)
        assert not await one.ledger.is_open(command.attempt_id, 1)
        for outcome in (UNANSWERED, "rejected", "accepted", UNANSWERED):
            await one.ledger.settle(command.attempt_id, outcome)
            assert not await one.ledger.is_open(command.attempt_id)
        assert await one.ledger.find("garage-1", message_id(command)) is None
        assert await one.ledger.left_by(one.name) == []

    async def test_what_an_instance_left_behind_is_what_it_claimed_and_said_nothing_of(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        await one.opens("garage-1")
        await one.opens("garage-2")
        await two.opens("garage-3")
        left, answered, other = reset(1, "garage-1"), reset(1, "garage-2"), reset(1, "garage-3")
        later = reset(1, "garage-2")
        for each, command in ((one, left), (one, answered), (two, other), (one, later)):
            await each.claims(command)
        await one.declines(reset(1, "garage-1"))
        await one.ledger.settle(answered.attempt_id, "accepted")
        assert [entry.attempt_id for entry in await two.ledger.left_by(one.name)] == [left.attempt_id, later.attempt_id]


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

    async def test_each_process_has_a_name_of_its_own(self, start: Start) -> None:
        one, again = await start("one"), await start("one")
        assert one.name != again.name
        assert one.name.startswith("one.")
        assert await one.lease.renew()

    async def test_a_lease_ends_that_is_not_renewed(self, start: Start) -> None:
        one, patient, hasty = await start("one"), await start("two"), await start("three", lasts_s=SOON_S)
        assert await dead_for(patient) is None

        async def is_dead() -> None:
            assert await patient.lease.renew()
            assert await dead_for(hasty) == Dead(one.name, given_up=False)

        await eventually(is_dead)
        assert await one.lease.renew()

    async def test_one_that_is_given_up_ends_at_once(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        await one.lease.give_up()
        assert await dead_for(two) == Dead(one.name, given_up=True)

    async def test_earlier_processes_of_its_own_are_taken_for_dead_where_that_is_asked_for(self, start: Start) -> None:
        one, again = await start("one"), await start("one")
        await start("onerous")
        assert await dead_for(again) is None
        assert await dead_for(again, own_past=True) == Dead(one.name, given_up=False)

    async def test_a_dead_one_has_one_heir_and_afterwards_no_lease(self, start: Start) -> None:
        one, two, three = [await start(name) for name in ("one", "two", "three")]
        await one.lease.give_up()
        async with two.lease.dead() as dead:
            assert dead == Dead(one.name, given_up=True)
            assert await dead_for(three) is None
        assert await dead_for(three) is None
        assert not await one.lease.renew()

    async def test_open_sessions_are_inherited_closed_and_answered_for(self, start: Start) -> None:
        one, again = await start("one"), await start("one")
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

    async def test_what_it_had_only_just_closed_is_inherited_too_unless_it_said_goodbye(self, start: Start) -> None:
        one, two, three = await start("one"), await start("two"), await start("one")
        await one.opens("garage-1")
        await one.epochs.close("garage-1", 1)
        await two.opens("garage-2")
        await two.epochs.close("garage-2", 1)
        await two.lease.give_up()
        assert await inherit(three, own_past=True) == [("garage-1", 1)]
        assert await inherit(three) == []
        assert await three.declines(reset(1, "garage-2")) == "not_connected"

    async def test_what_was_taken_over_is_neither_inherited_nor_let_go_of_any_more(self, start: Start) -> None:
        one, two, again = await start("one"), await start("two"), await start("one")
        await one.opens()
        await two.opens()
        assert await inherit(again, own_past=True) == []
        assert await one.epochs.taken() == []
        assert await two.claims(reset(2))

    async def test_nobody_opens_or_ends_a_session_that_is_being_inherited(self, start: Start) -> None:
        one, again, two, three = [await start(name) for name in ("one", "one", "two", "three")]
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

    async def test_a_dead_one_that_lives_waits_for_its_heir_before_it_can_renew(self, start: Start) -> None:
        one, again = await start("one"), await start("one")
        async with again.lease.dead(own_past=True) as dead:
            assert dead == Dead(one.name, given_up=False)
            renewing = asyncio.create_task(one.lease.renew())
            await asyncio.wait([renewing], timeout=0.2)
            assert not renewing.done()
        assert not await renewing

    async def test_an_heir_that_fails_has_inherited_nothing(self, start: Start) -> None:
        one, again = await start("one"), await start("one")
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


class TestTransactionIds:
    """`StoredTransactions`."""

    async def test_a_start_has_one_id_however_often_it_is_told(self, start: Start) -> None:
        one, two = await start("one"), await start("two")
        at = "2026-01-01T00:00:00Z"
        first = await one.transactions.started("garage-1", 1, 100, at)
        assert await two.transactions.started("garage-1", 1, 100, at) == first
        others = [("garage-2", 1, 100, at), ("garage-1", 2, 100, at), ("garage-1", 1, 101, at)]
        ids = [await one.transactions.started(*other) for other in others]
        assert len({first, *ids}) == 4

    async def test_an_end_has_the_connector_of_its_start(self, start: Start) -> None:
        one = await start()
        given = await one.transactions.started("garage-1", 2, 100, "2026-01-01T00:00:00Z")
        assert await one.transactions.stopped("garage-1", given) == 2
        assert await one.transactions.stopped("garage-2", given) is None
        assert await one.transactions.stopped("garage-1", given + 1) is None
