"""What a group allows when a soft restart brings nothing: who may say so, and what is said of it."""

import asyncio
from typing import Any

import pytest
from prepared_service import bearer

from contracts import topics
from contracts.auth import MembershipGranted
from contracts.fleet import Escalation
from contracts.words import Role

OFF = {"group_id": "harbour", "escalation": "off", "escalations_per_day": 2}


@pytest.fixture
async def harbour(fleet: Any) -> Any:
    """Fleet that has heard of one person of each role in the group, named like it."""
    said = [
        MembershipGranted(group_id="harbour", user_id=role.value, name="Someone", role=role, version=1) for role in Role
    ]
    await fleet.hear(topics.AUTH_MEMBERSHIPS, said)
    return fleet


def path(group: str = "harbour") -> str:
    return f"/api/v1/groups/{group}/restart-policy"


async def test_escalation_is_off_unless_someone_allows_it(harbour: Any) -> None:
    assert (await harbour.http.get(path())).json() == OFF
    assert await harbour.said(topics.FLEET_RESTART_POLICIES) == []


async def test_an_operator_of_the_system_allows_it_and_that_is_said_once(harbour: Any) -> None:
    for _ in range(2):
        answer = await harbour.http.put(path(), json={"escalation": "soft_then_hard", "escalations_per_day": 3})
        assert answer.json() == OFF | {"escalation": "soft_then_hard", "escalations_per_day": 3}
    [said] = await harbour.said(topics.FLEET_RESTART_POLICIES)
    assert (said.group_id, said.escalation, said.escalations_per_day, said.version) == (
        "harbour",
        Escalation.SOFT_THEN_HARD,
        3,
        1,
    )


async def test_forbidding_it_again_is_a_later_version_and_keeps_the_number(harbour: Any) -> None:
    await harbour.http.put(path(), json={"escalation": "soft_then_hard", "escalations_per_day": 5})
    answer = await harbour.http.put(path(), json={"escalation": "off"})
    assert answer.json() == OFF | {"escalations_per_day": 5}
    said = await harbour.said(topics.FLEET_RESTART_POLICIES)
    assert [(each.version, each.escalation) for each in said] == [(1, "soft_then_hard"), (2, "off")]


async def test_a_super_administrator_of_the_group_may_change_it(harbour: Any) -> None:
    headers = {"authorization": bearer("super_administrator")}
    answer = await harbour.http.put(path(), json={"escalation": "soft_then_hard"}, headers=headers)
    assert (answer.status_code, answer.json()["escalation"]) == (200, "soft_then_hard")


@pytest.mark.parametrize("role", ["administrator", "operator", "user"])
async def test_every_other_member_sees_it_and_may_not_change_it(harbour: Any, role: str) -> None:
    headers = {"authorization": bearer(role)}
    refused = await harbour.http.put(path(), json={"escalation": "soft_then_hard"}, headers=headers)
    assert refused.status_code == 403
    assert (await harbour.http.get(path(), headers=headers)).json() == OFF
    assert await harbour.said(topics.FLEET_RESTART_POLICIES) == []


async def test_a_stranger_is_not_told_whether_there_is_such_a_group(harbour: Any, person: str) -> None:
    answers = [await harbour.http.get(path(group), headers={"authorization": person}) for group in ("harbour", "x")]
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_an_unknown_group_has_no_policy(harbour: Any) -> None:
    assert (await harbour.http.get(path("nowhere"))).status_code == 404
    assert (await harbour.http.put(path("nowhere"), json={"escalation": "off"})).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"escalation": "hard"}, {"escalation": "off", "escalations_per_day": 0}, {"escalation": "off", "x": 1}]
)
async def test_what_makes_no_sense_is_refused(harbour: Any, body: dict[str, Any]) -> None:
    assert (await harbour.http.put(path(), json=body)).status_code == 422


async def test_two_changes_at_once_are_two_versions(harbour: Any) -> None:
    wanted = [{"escalation": "soft_then_hard", "escalations_per_day": number} for number in (3, 4, 5)]
    await asyncio.gather(*(harbour.http.put(path(), json=body) for body in wanted))
    said = await harbour.said(topics.FLEET_RESTART_POLICIES)
    assert [each.version for each in said] == [1, 2, 3]
