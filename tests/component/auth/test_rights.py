"""What members of a group see and change of it themselves, without the platform's operators."""

import asyncio
from typing import Any

import pytest

from chassis.testing.outbox import outbox_messages
from contracts import topics

MEMBERS = "/api/v1/groups/harbour/members"
PASSWORD = "a password of someone"
PEOPLE = {"sue": "super_administrator", "sam": "super_administrator", "ada": "administrator", "una": "user"}


class Harbour:
    """Auth with two groups, and people of which some are in the first."""

    def __init__(self, auth: Any) -> None:
        self.auth = auth
        self._tokens: dict[str, str] = {}

    async def call(self, who: str, method: str, path: str, **body: Any) -> Any:
        if who not in self._tokens:
            self._tokens[who] = (await self.auth.sign_in(who, PASSWORD)).json()["access_token"]
        headers = {"authorization": f"Bearer {self._tokens[who]}"}
        return await self.auth.http.request(method, path, json=body or None, headers=headers)

    async def roles(self) -> dict[str, str]:
        listed = await self.auth.http.get(MEMBERS)
        return {each["user_id"]: each["role"] for each in listed.json()["items"]}


@pytest.fixture
async def harbour(operator: Any) -> Harbour:
    for group in ("harbour", "airport"):
        await operator.http.put(f"/api/v1/groups/{group}", json={"name": group.title()})
    for user in (*PEOPLE, "new"):
        made = {"user_id": user, "name": user.title(), "password": PASSWORD}
        assert (await operator.http.post("/api/v1/users", json=made)).status_code == 201
    for user, role in PEOPLE.items():
        await operator.http.put(f"{MEMBERS}/{user}", json={"role": role})
    return Harbour(operator)


async def test_a_super_administrator_adds_changes_and_removes_members(harbour: Harbour) -> None:
    added = await harbour.call("sue", "PUT", f"{MEMBERS}/new", role="user")
    changed = await harbour.call("sue", "PUT", f"{MEMBERS}/una", role="super_administrator")
    removed = await harbour.call("sue", "DELETE", f"{MEMBERS}/ada")

    assert [answer.status_code for answer in (added, changed, removed)] == [201, 200, 204]
    assert await harbour.roles() == {
        "new": "user",
        "sam": "super_administrator",
        "sue": "super_administrator",
        "una": "super_administrator",
    }


@pytest.mark.parametrize("who", ["ada", "una"])
async def test_no_other_member_changes_anybody_least_of_all_themselves(harbour: Harbour, who: str) -> None:
    before = await outbox_messages(harbour.auth.service.database, topics.AUTH_MEMBERSHIPS)

    answers = [
        await harbour.call(who, "PUT", f"{MEMBERS}/{who}", role="super_administrator"),
        await harbour.call(who, "PUT", f"{MEMBERS}/new", role="user"),
        await harbour.call(who, "DELETE", f"{MEMBERS}/sam"),
        await harbour.call(who, "PUT", "/api/v1/groups/harbour", name="Mine"),
        await harbour.call(who, "POST", "/api/v1/users", user_id="pal", name="Pal"),
        await harbour.call(who, "GET", "/api/v1/users"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 6
    assert await harbour.roles() == PEOPLE
    assert await outbox_messages(harbour.auth.service.database, topics.AUTH_MEMBERSHIPS) == before


async def test_every_member_sees_who_is_in_the_group(harbour: Harbour) -> None:
    for who in PEOPLE:
        listed = (await harbour.call(who, "GET", MEMBERS)).json()["items"]
        assert {each["user_id"]: each["role"] for each in listed} == PEOPLE


async def test_whether_a_group_exists_is_not_told_to_who_is_not_in_it(harbour: Harbour) -> None:
    answers = [
        await harbour.call("sue", method, f"/api/v1/groups/{group}/members{rest}", **body)
        for group in ("airport", "nowhere")
        for method, rest, body in (("GET", "", {}), ("PUT", "/sue", {"role": "user"}), ("DELETE", "/sue", {}))
    ]

    assert [answer.status_code for answer in answers] == [404] * 6
    details = {answer.json()["detail"].replace("airport", "?").replace("nowhere", "?") for answer in answers}
    assert details == {"There is no group '?', or you are not in it"}


async def test_people_list_their_own_groups(harbour: Harbour) -> None:
    assert (await harbour.call("una", "GET", "/api/v1/groups")).json()["items"] == [
        {"group_id": "harbour", "name": "Harbour"}
    ]
    assert (await harbour.call("new", "GET", "/api/v1/groups")).json()["items"] == []
    await harbour.call("sue", "DELETE", f"{MEMBERS}/una")
    assert (await harbour.call("una", "GET", "/api/v1/groups")).json()["items"] == []


async def test_the_last_super_administrator_stays_whoever_asks(harbour: Harbour) -> None:
    assert (await harbour.call("sue", "DELETE", f"{MEMBERS}/sam")).status_code == 204

    gone = await harbour.call("sue", "DELETE", f"{MEMBERS}/sue")
    less = await harbour.call("sue", "PUT", f"{MEMBERS}/sue", role="administrator")

    assert gone.status_code == less.status_code == 409
    assert (await harbour.roles())["sue"] == "super_administrator"


async def test_super_administrators_who_remove_each_other_at_once_leave_one(harbour: Harbour) -> None:
    for who in ("sue", "sam"):
        assert (await harbour.call(who, "GET", MEMBERS)).status_code == 200

    answers = await asyncio.gather(
        harbour.call("sue", "DELETE", f"{MEMBERS}/sam"), harbour.call("sam", "DELETE", f"{MEMBERS}/sue")
    )

    assert sorted(answer.status_code for answer in answers) == [204, 404]
    assert list((await harbour.roles()).values()).count("super_administrator") == 1
