"""Taking a restart back: who asks is told whether it came in time, by the API, on the page and in the record."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.testing import eventually
from contracts.restart import CancelRestart, Confidence, Outcome, Status, Step, Verdict, Withdrawal
from portal.settings import PortalSettings

CANCELLED = Verdict(outcome=Outcome.CANCELLED, confidence=Confidence.PROVEN)


@pytest.fixture
async def settings():
    return PortalSettings(beat_s=0.2, streams_per_person=3, stream_queue=64, take_back_s=60.0)


def asked(answer=None):
    return Withdrawal(asked_by="administrator", asked_at=datetime.now(UTC), answer=answer)


async def taken_back_while(world, attempt, *moves):
    """DELETE, while these moves come: the second as soon as the cancellation was passed on."""
    deleting = asyncio.create_task(
        world.http.delete(f"/api/v1/restarts/{attempt}", headers=world.bearer("administrator"))
    )

    def passed_on():
        assert [type(message) for message in world.publisher.messages] == [CancelRestart]

    await eventually(passed_on)
    for move in moves:
        await world.say(move)
    return await deleting


async def test_it_is_told_that_it_came_in_time(world):
    await world.seed()
    attempt = uuid4()
    await world.say(world.make.moved(attempt, 1, Status.DISPATCHING))
    assert (await show(world, attempt))["cancellable"]
    answer = await taken_back_while(
        world,
        attempt,
        world.make.moved(attempt, 2, Status.DISPATCHING, withdrawal=asked()),
        world.make.moved(attempt, 3, Status.CANCELLED, withdrawal=asked("withdrawn"), verdict=CANCELLED),
    )
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert answer.json()["withdrawal"]["answer"] == "withdrawn"
    again = await world.http.delete(f"/api/v1/restarts/{attempt}", headers=world.bearer("administrator"))
    assert (again.status_code, again.json()["status"], len(world.publisher.messages)) == (202, "cancelled", 1)


async def test_it_is_told_that_it_came_too_late_and_the_timeline_says_so(world):
    await world.seed()
    attempt = uuid4()
    await world.say(world.make.moved(attempt, 1, Status.DISPATCHING))
    answer = await taken_back_while(
        world, attempt, world.make.moved(attempt, 2, Status.DISPATCHING, withdrawal=asked("too_late"))
    )
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["detail"] == "It was on its way to the charger before: it can't be taken back any more."
    assert answer.json()["status_of_attempt"] == "dispatching"
    shown = await show(world, attempt)
    assert (shown["cancellable"], shown["withdrawal"]["answer"]) == (False, "too_late")
    [note] = [step for step in shown["timeline"] if step["mark"] == "note"]
    assert (note["step"], note["says"]["params"]) == ("not_withdrawn", {"who": "Administrator"})
    again = await world.http.delete(f"/api/v1/restarts/{attempt}", headers=world.bearer("administrator"))
    assert (again.status_code, len(world.publisher.messages)) == (409, 1)


async def test_a_second_person_waits_for_the_same_answer(world):
    await world.seed()
    attempt = uuid4()
    await world.say(world.make.moved(attempt, 1, Status.DISPATCHING, withdrawal=asked()))
    assert not (await show(world, attempt))["cancellable"]
    url = f"/api/v1/restarts/{attempt}"
    deleting = asyncio.create_task(world.http.delete(url, headers=world.bearer("super_administrator")))
    await world.say(world.make.moved(attempt, 2, Status.CANCELLED, withdrawal=asked("withdrawn"), verdict=CANCELLED))
    assert (await deleting).json()["status"] == "cancelled"
    assert world.publisher.messages == []


async def test_what_is_over_has_nothing_left_to_take_back(world):
    await world.seed()
    attempt = uuid4()
    verdict = Verdict(outcome=Outcome.LOST, confidence=Confidence.HIGH)
    await world.say(world.make.moved(attempt, 1, Status.LOST, verdict=verdict, withdrawal=asked()))
    answer = await world.http.delete(f"/api/v1/restarts/{attempt}", headers=world.bearer("administrator"))
    assert (answer.status_code, answer.json()["detail"]) == (409, "It is over: there is nothing left to take back.")


@pytest.mark.parametrize("step", [Step.SENT, Step.ACCEPTED, Step.NO_ANSWER])
async def test_it_is_offered_until_something_shows_that_the_reset_was_claimed(world, step):
    await world.seed()
    attempt = uuid4()
    await world.say(world.make.moved(attempt, 1, Status.DISPATCHING))
    assert (await show(world, attempt))["cancellable"]
    await world.say(world.make.moved(attempt, 2, Status.AWAITING_DROP, steps={step: datetime.now(UTC)}))
    assert not (await show(world, attempt))["cancellable"]
    answer = await world.http.delete(f"/api/v1/restarts/{attempt}", headers=world.bearer("administrator"))
    assert answer.status_code == 409
    assert [type(said) for said in world.publisher.messages] == [CancelRestart], "the record is to tell of it"


async def show(world, attempt):
    return (await world.http.get(f"/api/v1/restarts/{attempt}", headers=world.bearer("administrator"))).json()
