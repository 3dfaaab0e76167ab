"""A Reset is claimed, declined, withdrawn and settled alike in PostgreSQL and in the simulation's tables."""

from uuid import uuid4

import pytest
from bridge_tables import Start, message_id, reset

from ocpp_bridge.ledger import UNANSWERED


class TestTheLedger:
    """`Ledger`."""

    async def test_a_reset_is_claimed_once(self, instances: Start) -> None:
        one = await instances()
        await one.opens()
        command, mine = reset(), uuid4()
        assert await one.claims(command, mine)
        assert await one.claims(command, mine)  # the same statement, after an error of which the outcome is unknown
        assert not await one.claims(command)

    async def test_each_of_an_attempts_resets_is_claimed_for_itself(self, instances: Start) -> None:
        one = await instances()
        await one.opens()
        attempt = uuid4()
        assert await one.claims(reset(attempt=attempt))
        assert await one.claims(reset(attempt=attempt, number=1))
        assert not await one.claims(reset(attempt=attempt, number=1))

    async def test_only_on_the_last_session_and_by_its_instance(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        assert not await one.claims(reset())
        await one.opens()
        await two.opens()
        assert not await one.claims(reset(1))
        assert not await one.claims(reset(2))
        assert not await two.claims(reset(1))
        assert await two.claims(reset(2))

    async def test_a_session_that_is_over_can_still_be_claimed_for(self, instances: Start) -> None:
        one = await instances()
        await one.opens()
        await one.epochs.close("garage-1", 1)
        assert await one.claims(reset(1))

    async def test_nothing_is_sent_after_a_decline_which_keeps_its_first_reason(self, instances: Start) -> None:
        one = await instances()
        await one.opens()
        command = reset()
        assert await one.declines(command) == "not_connected"
        assert await one.declines(command, expired=True) == "not_connected"
        assert not await one.claims(command)

    @pytest.mark.parametrize(
        ("of_session", "expired", "why"),
        [(1, False, "other_session"), (2, False, "not_connected"), (1, True, "expired")],
    )
    async def test_why_it_is_declined(self, instances: Start, of_session: int, expired: bool, why: str) -> None:
        one = await instances()
        for _ in range(2):
            await one.opens()
        assert await one.declines(reset(of_session), expired=expired) == why

    async def test_who_does_not_answer_for_the_charger_declines_nothing(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
        assert await one.declines(reset()) is None
        await one.opens()
        command = reset()
        assert await two.declines(command) is None
        assert await one.claims(command)

    async def test_what_was_claimed_is_declined_by_who_claimed_it_alone(self, instances: Start) -> None:
        one = await instances()
        await one.opens()
        command, mine = reset(), uuid4()
        await one.claims(command, mine)
        assert await one.declines(command) is None
        assert await one.declines(command, mine, expired=True) == "expired"

    async def test_what_was_answered_is_declined_by_nobody(self, instances: Start) -> None:
        one = await instances()
        await one.opens()
        command, mine = reset(), uuid4()
        await one.claims(command, mine)
        await one.ledger.settle(command.attempt_id, "accepted")
        assert await one.declines(command, mine) is None

    async def test_a_withdrawal_and_a_claim_have_one_winner(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
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

    async def test_a_frame_is_found_until_it_is_answered(self, instances: Start) -> None:
        one = await instances()
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

    async def test_unanswered_gives_way_to_an_answer_and_an_answer_to_nothing(self, instances: Start) -> None:
        one = await instances()
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

    async def test_what_an_instance_left_behind_is_what_it_claimed_and_said_nothing_of(self, instances: Start) -> None:
        one, two = await instances("one"), await instances("two")
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
