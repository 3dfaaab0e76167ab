"""A restart is taken back: everyone is told the same, and the charger has either its one Reset or none at all."""

import asyncio

from running_system import DELICATE, HEARD_WITHIN_S

from chassis.testing import eventually


async def test_until_the_reset_is_claimed_it_is_taken_back_and_nothing_is_sent(system):
    """The charger has just booted and its model is delicate, so that its Reset waits at the bridge."""
    async with system.charger(model=DELICATE) as charger, system.person() as one, system.person("harbour-super") as two:
        await one.available(charger.identity)
        asked = (await one.ask(charger.identity))["attempt_id"]

        async def on_its_way():
            attempt = await two.attempt(asked)
            assert (attempt["status"], attempt["cancellable"]) == ("dispatching", True)

        await eventually(on_its_way, within=HEARD_WITHIN_S)
        answer = await two.take_back(asked)
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
        told = await one.ended(asked)
        assert (told["verdict"]["verdict"], told["withdrawal"]["asked_by"]) == ("cancelled", "harbour-super")
        assert "nothing was sent" in told["verdict"]["sentence"]
        await one.available(charger.identity)
        assert charger.facts.resets == []


async def test_once_it_is_sent_it_is_too_late_and_everyone_reads_so(system):
    async with system.charger("slow") as charger, system.person() as one, system.person("harbour-super") as two:
        await one.available(charger.identity)
        asked = (await one.ask(charger.identity))["attempt_id"]

        def reset_arrived():
            assert charger.facts.resets

        await eventually(reset_arrived, within=HEARD_WITHIN_S)
        answer = await two.take_back(asked)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
        assert "can't be taken back" in answer.json()["detail"]

        async def noted():
            attempt = await one.attempt(asked)
            assert attempt["withdrawal"] is not None
            assert attempt["withdrawal"]["answer"] == "too_late"
            return [step["step"] for step in attempt["timeline"]]

        assert "not_withdrawn" in await eventually(noted, within=HEARD_WITHIN_S)
        assert (await one.ended(asked))["verdict"]["verdict"] == "restarted"
        assert len(charger.facts.resets) == 1


async def test_a_request_and_its_withdrawal_at_the_same_moment_have_one_winner(system):
    async with system.charger() as charger, system.person() as one, system.person("harbour-super") as two:
        await one.available(charger.identity)
        asked = (await one.ask(charger.identity))["attempt_id"]
        answers = await asyncio.gather(one.take_back(asked), two.take_back(asked))
        told = (await one.ended(asked))["verdict"]["verdict"]
        assert {answer.status_code for answer in answers} == {202 if told == "cancelled" else 409}
        assert len(charger.facts.resets) == (0 if told == "cancelled" else 1)
