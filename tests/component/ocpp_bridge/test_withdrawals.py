"""A Reset is taken back, or it is too late: the ledger's one row says which, to everybody and for ever."""

from datetime import timedelta
from uuid import UUID

import pytest

from chassis.testing import eventually
from contracts import topics
from contracts.ocpp import (
    ResetAccepted,
    ResetNotDelivered,
    ResetNotWithdrawn,
    ResetUnanswered,
    ResetWithdrawn,
    WithdrawReset,
)

DELICATE = {"quiet_after_boot_s_by_model": {"One": 60.0}}
"""Of the model that the chargers here boot as: a Reset waits from the boot on until it is void."""


def _is(found, expected):
    assert found == expected


def withdraw(site, command):
    """The command that takes this Reset back."""
    reset = command.data
    data = WithdrawReset(
        charger_id=reset.charger_id, attempt_id=reset.attempt_id, epoch=reset.epoch, escalation=reset.escalation
    )
    return type(command)(id=reset.attempt_id, source="/services/test", time=site.clock.now(), data=data)


def answers(site, attempt_id: UUID) -> list[str]:
    return [type(said).__name__ for said in site.publisher.on(topics.OCPP_ANSWERS) if said.attempt_id == attempt_id]


async def outcome(bridge, attempt_id: UUID) -> str | None:
    row = await bridge.resets._ledger._store.fetch_one(
        "select outcome from reset_ledger where attempt_id = $1", attempt_id
    )
    return row["outcome"]


async def at_rest(*bridges) -> None:
    for bridge in bridges:
        await eventually(lambda bridge=bridge: _is(len(bridge.resets._under_way), 0))


async def quiet(charger) -> None:
    """Nothing but the answer to a heartbeat comes: what was to be sent before it would have come before it."""
    assert "currentTime" in await charger.call("Heartbeat", {})


async def test_a_reset_that_waits_for_its_turn_is_taken_back(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        first, second = site.reset("garage-1", 1), site.reset("garage-1", 1)
        bridge.resets.take(first)
        message_id = (await charger.receive())[1]
        bridge.resets.take(second)
        bridge.resets.take(withdraw(site, second))
        [told] = await site.published(ResetWithdrawn)
        assert (told.attempt_id, told.epoch) == (second.data.attempt_id, 1)
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)
        await at_rest(bridge)
        await quiet(charger)
    assert answers(site, second.data.attempt_id) == ["ResetWithdrawn"]
    assert await outcome(bridge, second.data.attempt_id) == "withdrawn"


async def test_a_reset_that_leaves_a_delicate_charger_alone_after_its_boot_is_taken_back(site):
    bridge = await site.start(**DELICATE)
    async with site.booted(bridge, "garage-1") as charger:
        command = site.reset("garage-1", 1, not_after=site.clock.now() + timedelta(seconds=2))
        bridge.resets.take(command)
        bridge.resets.take(withdraw(site, command))
        await site.published(ResetWithdrawn)
        await at_rest(bridge)
        await quiet(charger)
    assert answers(site, command.data.attempt_id) == ["ResetWithdrawn"]


async def test_a_reset_that_is_claimed_is_not_taken_back_and_goes_on(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        command = site.reset("garage-1", 1)
        bridge.resets.take(command)
        message_id = (await charger.receive())[1]
        bridge.resets.take(withdraw(site, command))
        [told] = await site.published(ResetNotWithdrawn)
        assert (told.attempt_id, told.epoch) == (command.data.attempt_id, 1)
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)
        await at_rest(bridge)
        bridge.resets.take(withdraw(site, command))
        await site.published(ResetNotWithdrawn, 2)
    assert await outcome(bridge, command.data.attempt_id) == "accepted"


async def test_a_reset_that_comes_after_its_withdrawal_is_never_sent(site):
    """Nor when it comes again, nor to the next session of the charger on another instance."""
    one, two = await site.start("one"), await site.start("two")
    command = site.reset("garage-1", 1)
    async with site.booted(one, "garage-1") as charger:
        one.resets.take(withdraw(site, command))
        await site.published(ResetWithdrawn)
        for _ in range(2):
            one.resets.take(command)
        await at_rest(one)
        await quiet(charger)
    async with site.booted(two, "garage-1") as charger:
        for again in (command, withdraw(site, command), site.reset("garage-1", 2, attempt_id=command.data.attempt_id)):
            two.resets.take(again)
            await at_rest(two)
        await quiet(charger)
    assert set(answers(site, command.data.attempt_id)) == {"ResetWithdrawn"}


async def test_an_instance_that_does_not_hold_the_charger_takes_its_reset_back(site):
    """The one that does is dead, and what it did not come to is never done by its heir."""
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1"):
        pass
    command = site.reset("garage-1", 1)
    await site.vanish(one)
    for each in (command, withdraw(site, command)):
        two.resets.take(each)
    await site.published(ResetWithdrawn)
    async with site.booted(two, "garage-1") as charger:
        two.resets.take(command)
        await at_rest(two)
        await quiet(charger)
    assert answers(site, command.data.attempt_id) == ["ResetWithdrawn"]


async def test_an_instance_that_dies_before_it_says_so_leaves_it_to_the_next_process(site):
    one = await site.start("one", **DELICATE)
    async with site.booted(one, "garage-1"):
        command = site.reset("garage-1", 1)
        one.resets.take(command)
        site.publisher.failing.add(topics.OCPP_ANSWERS.name)
        one.resets.take(withdraw(site, command))
        await eventually(lambda: _is_withdrawn(one, command.data.attempt_id))
        await site.vanish(one)
    site.publisher.failing.clear()
    assert answers(site, command.data.attempt_id) == []
    again = await site.start("one", **DELICATE)
    async with site.booted(again, "garage-1") as charger:
        for each in (command, withdraw(site, command)):
            again.resets.take(each)
        await site.published(ResetWithdrawn)
        await at_rest(again)
        await quiet(charger)
    assert answers(site, command.data.attempt_id) == ["ResetWithdrawn"]


async def _is_withdrawn(bridge, attempt_id):
    assert await bridge.resets._ledger._store.fetch_one(
        "select 1 from reset_ledger where attempt_id = $1 and outcome = 'withdrawn'", attempt_id
    )


async def test_a_claim_of_an_instance_that_died_is_not_taken_back(site):
    """It may have been sent: only the ledger knows, and it says that it was claimed."""
    one = await site.start("one")
    async with site.booted(one, "garage-1") as charger:
        command = site.reset("garage-1", 1)
        one.resets.take(command)
        await charger.receive()
        await site.vanish(one)
    two = await site.start("one")
    two.resets.take(withdraw(site, command))
    [told] = await site.published(ResetNotWithdrawn)
    assert told.attempt_id == command.data.attempt_id
    [unanswered] = await site.published(ResetUnanswered)
    assert unanswered.why == "bridge_lost"


@pytest.mark.parametrize("why", ["expired", "not_connected"])
async def test_a_reset_that_will_not_be_sent_for_another_reason_counts_as_taken_back(site, why):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1"):
        past = {"not_after": site.clock.now() - timedelta(seconds=1)} if why == "expired" else {}
        command = site.reset("garage-1", 1 if why == "expired" else 2, **past)
        bridge.resets.take(command)
        [told] = await site.published(ResetNotDelivered)
        assert told.why == why
        bridge.resets.take(withdraw(site, command))
        await site.published(ResetWithdrawn)
    assert await outcome(bridge, command.data.attempt_id) == why


async def test_while_the_ledger_is_away_nobody_is_told_anything(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await bridge._store.execute("alter table reset_ledger rename to away")
        command = site.reset("garage-1", 1)
        bridge.resets.take(withdraw(site, command))
        await quiet(charger)
        assert answers(site, command.data.attempt_id) == []
        await bridge._store.execute("alter table away rename to reset_ledger")
        await site.published(ResetWithdrawn)
        bridge.resets.take(command)
        await at_rest(bridge)
        await quiet(charger)


async def test_a_race_has_one_winner_and_everyone_is_told_the_same(site):
    """Claims and withdrawals at the same moment, on two instances, each of which has its own connections."""
    one, two = await site.start("one"), await site.start("two")
    won = {"withdrawn": 0, "sent": 0}
    async with site.booted(one, "garage-1") as charger:
        for turn in range(60):
            command = site.reset("garage-1", 1)
            both = [(one, command), (two, withdraw(site, command)), (one, withdraw(site, command))]
            for bridge, each in both if turn % 2 else reversed(both):
                bridge.resets.take(each)
            await eventually(lambda attempt=command.data.attempt_id: settled(site, attempt))
            told = answers(site, command.data.attempt_id)
            sent = "ResetSent" in told
            assert told.count("ResetSent") == sent
            assert told.count("ResetNotWithdrawn" if sent else "ResetWithdrawn") == 2, told
            assert ("ResetWithdrawn" in told) != sent, told
            if sent:
                message_id = (await charger.receive())[1]
                assert message_id == str(command.data.attempt_id)
                await charger.send([3, message_id, {"status": "Rejected"}])
            await at_rest(one, two)
            await quiet(charger)
            won["sent" if sent else "withdrawn"] += 1
    assert min(won.values()) > 0, f"only one of them ever wins: {won}"


def settled(site, attempt_id):
    told = answers(site, attempt_id)
    assert told.count("ResetWithdrawn") == 2 or (told.count("ResetNotWithdrawn") == 2 and "ResetSent" in told), told
