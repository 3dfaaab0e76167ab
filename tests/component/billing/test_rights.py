"""Who may see a group's plan and who may change it, by the memberships that billing has heard of."""

from typing import Any

import pytest
from prepared_service import bearer

from contracts import topics
from contracts.auth import GroupDefined, MembershipEnded, MembershipGranted
from contracts.words import Role


@pytest.fixture
async def harbour(billing: Any) -> Any:
    """Billing that has heard of one person of each role in the group, named like it."""
    said = [
        MembershipGranted(group_id="harbour", user_id=role.value, name="Someone", role=role, version=1) for role in Role
    ]
    await billing.hear(topics.AUTH_MEMBERSHIPS, said)
    return billing


async def read(billing: Any, user_id: str, group: str = "harbour") -> Any:
    return await billing.http.get(f"/api/v1/groups/{group}/plan", headers={"authorization": bearer(user_id)})


async def change(billing: Any, user_id: str, group: str = "harbour", plan: str = "standard") -> Any:
    return await billing.set_plan(group, plan, headers={"authorization": bearer(user_id)})


async def test_a_super_administrator_of_the_group_changes_its_plan(harbour: Any) -> None:
    changed = await change(harbour, "super_administrator")

    assert (changed.status_code, changed.json()["plan"]) == (200, "standard")
    assert (await harbour.said(topics.BILLING_PLANS))[-1].plan == "standard"


@pytest.mark.parametrize("role", ["administrator", "operator", "user"])
async def test_every_other_member_sees_the_plan_and_may_not_change_it(harbour: Any, role: str) -> None:
    refused = await change(harbour, role)

    assert (await read(harbour, role)).json()["plan"] == "basic"
    assert refused.status_code == 403
    assert refused.json()["detail"] == (
        f"Only a super-administrator of group 'harbour' may do this; you are {role} there"
    )
    assert (await read(harbour, role)).json()["plan"] == "basic"


async def test_whether_a_group_exists_is_not_told_to_who_is_not_in_it(harbour: Any) -> None:
    await harbour.hear_of(GroupDefined(group_id="airport", name="Airport"))

    answers = [await call(harbour, "user", group) for call in (read, change) for group in ("airport", "nowhere")]

    assert [answer.status_code for answer in answers] == [404] * 4
    details = {answer.json()["detail"].replace("airport", "?").replace("nowhere", "?") for answer in answers}
    assert details == {"There is no group '?', or you are not in it"}


async def test_who_lost_the_role_may_no_longer(harbour: Any) -> None:
    less = MembershipGranted(
        group_id="harbour", user_id="super_administrator", name="Someone", role=Role.USER, version=2
    )
    await harbour.hear(topics.AUTH_MEMBERSHIPS, [less, MembershipEnded(group_id="harbour", user_id="user")])

    assert (await change(harbour, "super_administrator")).status_code == 403
    assert (await read(harbour, "super_administrator")).status_code == 200
    assert (await read(harbour, "user")).status_code == 404


async def test_everyone_who_is_signed_in_sees_what_there_is_to_buy(harbour: Any, person: str) -> None:
    listed = await harbour.http.get("/api/v1/plans", headers={"authorization": person})

    assert [each["plan"] for each in listed.json()["items"]] == ["basic", "standard", "business"]
