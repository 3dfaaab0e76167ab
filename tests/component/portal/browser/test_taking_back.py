"""Taking a restart back on the page: offered while it is possible, and who comes too late reads so."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from chassis.testing import eventually
from contracts.restart import CancelRestart, Confidence, Outcome, Status, Verdict, Withdrawal


def asked(answer=None):
    return Withdrawal(asked_by="administrator", asked_at=datetime.now(UTC), answer=answer)


@pytest.mark.parametrize("in_time", [True, False])
async def test_it_is_offered_until_the_reset_is_claimed_and_the_page_says_who_was_first(
    desk, world, restarting, in_time
):
    page = await desk.page()
    button = page.get_by_test_id("cancel-restart")
    await restarting.say(Status.DISPATCHING)
    await expect(button).to_be_visible()
    await button.click()

    def passed_on():
        assert [type(message) for message in world.publisher.messages] == [CancelRestart]

    await eventually(passed_on)
    await restarting.say(Status.DISPATCHING, withdrawal=asked())
    await expect(page.get_by_test_id("step-withdrawal")).to_contain_text("wants to take it back")
    await expect(button).to_be_hidden()
    if in_time:
        verdict = Verdict(outcome=Outcome.CANCELLED, confidence=Confidence.PROVEN)
        await restarting.say(
            Status.CANCELLED, withdrawal=asked("withdrawn"), verdict=verdict, cancelled_by="administrator"
        )
        await expect(page.get_by_test_id("verdict")).to_contain_text("nothing was sent")
    else:
        await restarting.say(Status.DISPATCHING, withdrawal=asked("too_late"))
        await expect(page.get_by_test_id("step-not_withdrawn")).to_contain_text("too late")
        await expect(button).to_be_hidden()
