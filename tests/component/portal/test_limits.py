"""Who asks too much is told so, and when to go on; others are not held up by it."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.restart import Status
from portal.settings import PortalSettings


@pytest.fixture
async def settings() -> PortalSettings:
    return PortalSettings(requests_per_minute=10, restarts_per_minute=2, group_restarts_per_minute=3)


async def restart(world: Any, user: str, charger: str = "CP-1", key: str | None = None) -> Any:
    headers = world.bearer(user) | {"idempotency-key": key or uuid4().hex}
    return await world.http.post(f"/api/v1/chargers/{charger}/restarts", headers=headers)


def refused(answer: Any) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.json()["title"] == "Too many requests"
    assert f"try again in {answer.headers['retry-after']} s" in answer.json()["detail"]
    return True


async def test_a_person_may_call_only_so_often_and_others_are_not_held_up(world: Any) -> None:
    await world.seed()

    answers = [await world.http.get("/api/v1/me", headers=world.bearer("user")) for _ in range(12)]

    assert [refused(answer) for answer in answers] == [False] * 10 + [True] * 2
    assert not refused(await world.http.get("/api/v1/me", headers=world.bearer("operator")))


async def test_every_kind_of_call_counts_pages_and_calls_of_other_services_too(world: Any) -> None:
    await world.seed()
    cookie = {"cookie": f"comeback_session={world.token('user')}", "accept": "text/html"}
    for _ in range(5):
        assert (await world.http.get("/chargers", headers=cookie)).status_code == 200
        assert (await world.http.get("/api/v1/plans", headers=world.bearer("user"))).status_code == 503

    assert refused(await world.http.get("/api/v1/plans", headers=world.bearer("user")))
    assert (await world.http.get("/chargers", headers=cookie)).status_code == 429


async def test_a_person_asks_for_only_so_many_restarts(world: Any) -> None:
    await world.seed()

    answers = [await restart(world, "administrator") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert refused(answers[2])
    assert len(world.publisher.published) == 2, "what is refused goes nowhere"


async def test_a_group_is_asked_for_only_so_many_restarts_by_all_of_its_people(world: Any) -> None:
    await world.seed()
    await world.seed("CP-2", "hotel")
    people = ("administrator", "super_administrator", "operator", "user")

    answers = [await restart(world, who) for who in people]

    assert [refused(answer) for answer in answers] == [False, False, False, True]
    assert (await restart(world, "user", "CP-2")).status_code == 202


async def test_the_same_restart_asked_for_again_does_not_count(world: Any) -> None:
    await world.seed()
    key = uuid4().hex
    first = await restart(world, "administrator", key=key)
    attempt_id = UUID(first.json()["attempt_id"])
    await world.say(world.make.moved(attempt_id, 1, Status.DISPATCHING))

    answers = [await restart(world, "administrator", key=key) for _ in range(5)]

    assert {(answer.status_code, answer.json()["attempt_id"]) for answer in answers} == {(202, str(attempt_id))}
