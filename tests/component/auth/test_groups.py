"""Groups, users and memberships over HTTP, and what is said about them."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from chassis.testing.outbox import outbox_messages
from contracts import topics
from contracts.auth import GroupDefined, MembershipEnded, MembershipGranted
from contracts.words import Role

MEMBER = "/api/v1/groups/harbour/members"


@pytest.fixture
async def harbour(operator: Any) -> Any:
    """Auth with a group and three people."""
    await operator.http.put("/api/v1/groups/harbour", json={"name": "Harbour"})
    for user in ("ada", "bob", "cyd"):
        made = await operator.http.post("/api/v1/users", json={"user_id": user, "name": user.title()})
        assert made.status_code == 201
    return operator


async def grant(auth: Any, user: str, role: str) -> int:
    return int((await auth.http.put(f"{MEMBER}/{user}", json={"role": role})).status_code)


async def memberships(auth: Any) -> list[Any]:
    return [said.data for said in await outbox_messages(auth.service.database, topics.AUTH_MEMBERSHIPS)]


async def test_a_group_is_said_once_and_again_when_its_name_changes(operator: Any) -> None:
    statuses = [
        (await operator.http.put("/api/v1/groups/harbour", json={"name": name})).status_code
        for name in ("Harbour", "Harbour", "Old Harbour")
    ]

    said = await outbox_messages(operator.service.database, topics.AUTH_GROUPS)
    assert statuses == [201, 200, 200]
    assert [each.data for each in said] == [
        GroupDefined(group_id="harbour", name="Harbour"),
        GroupDefined(group_id="harbour", name="Old Harbour"),
    ]
    assert len({each.id for each in said}) == 2
    assert {each.source for each in said} == {"/services/auth"}


async def test_ids_of_events_derive_from_their_key_and_version(start_auth: Any) -> None:
    ids: list[list[UUID]] = []
    for _ in range(2):
        auth = await start_auth()
        await auth.as_operator()
        await auth.http.put("/api/v1/groups/harbour", json={"name": "Harbour"})
        ids.append([said.id for said in await outbox_messages(auth.service.database, topics.AUTH_GROUPS)])

    assert ids[0] == ids[1]


async def test_lists_come_page_by_page(harbour: Any) -> None:
    first = (await harbour.http.get("/api/v1/users", params={"limit": 3})).json()
    rest = (await harbour.http.get("/api/v1/users", params={"limit": 3, "after": first["next"]})).json()

    assert [user["user_id"] for user in first["items"]] == ["ada", "bob", "cyd"]
    assert [user["user_id"] for user in rest["items"]] == ["operator"]
    assert rest["next"] is None
    groups = (await harbour.http.get("/api/v1/groups")).json()
    assert groups == {"items": [{"group_id": "harbour", "name": "Harbour"}], "next": None}


async def test_a_made_password_is_shown_once_and_works(operator: Any) -> None:
    made = (await operator.http.post("/api/v1/users", json={"user_id": "ada", "name": "Ada"})).json()

    assert (await operator.sign_in("ada", made["password"])).status_code == 200


async def test_a_given_password_is_not_repeated(operator: Any) -> None:
    answer = await operator.http.post(
        "/api/v1/users", json={"user_id": "ada", "name": "Ada", "password": "ada's password"}
    )

    assert answer.json() == {"user_id": "ada", "name": "Ada"}


async def test_a_second_user_of_the_same_name_is_refused(harbour: Any) -> None:
    refused = await harbour.http.post("/api/v1/users", json={"user_id": "ada", "name": "Another Ada"})

    assert refused.status_code == 409
    assert refused.json()["detail"] == "There is a user 'ada' already"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user_id": "with space", "name": "Ada"}, "body.user_id"),
        ({"user_id": "ada", "name": ""}, "body.name"),
        ({"user_id": "ada", "name": "A\u0000da"}, "body.name"),
        ({"user_id": "ada", "name": "Ada", "password": "short"}, "body.password"),
        ({"user_id": "ada", "name": "Ada", "role": "operator"}, "body.role"),
    ],
)
async def test_a_malformed_user_names_the_field(operator: Any, body: Any, field: str) -> None:
    refused = await operator.http.post("/api/v1/users", json=body)

    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_a_role_is_granted_changed_and_ended_with_a_growing_version(harbour: Any) -> None:
    assert await grant(harbour, "ada", "administrator") == 201
    assert await grant(harbour, "ada", "administrator") == 200
    assert await grant(harbour, "ada", "user") == 200
    assert (await harbour.http.delete(f"{MEMBER}/ada")).status_code == 204
    assert await grant(harbour, "ada", "operator") == 201

    def granted(role: Role, version: int) -> MembershipGranted:
        return MembershipGranted(group_id="harbour", user_id="ada", name="Ada", role=role, version=version)

    assert await memberships(harbour) == [
        granted(Role.ADMINISTRATOR, 1),
        granted(Role.USER, 2),
        MembershipEnded(group_id="harbour", user_id="ada"),
        granted(Role.OPERATOR, 4),
    ]


async def test_members_are_listed_and_former_ones_are_not(harbour: Any) -> None:
    await grant(harbour, "ada", "administrator")
    await grant(harbour, "bob", "user")
    await harbour.http.delete(f"{MEMBER}/bob")

    listed = (await harbour.http.get(MEMBER)).json()["items"]

    assert listed == [{"group_id": "harbour", "user_id": "ada", "name": "Ada", "role": "administrator"}]


async def test_the_last_super_administrator_can_neither_go_nor_become_less(harbour: Any) -> None:
    await grant(harbour, "ada", "super_administrator")
    before = await memberships(harbour)

    gone = await harbour.http.delete(f"{MEMBER}/ada")
    less = await harbour.http.put(f"{MEMBER}/ada", json={"role": "administrator"})

    assert gone.status_code == less.status_code == 409
    assert gone.json()["detail"] == (
        "'ada' is the last super-administrator of group 'harbour': make someone else one first"
    )
    assert await memberships(harbour) == before


async def test_two_super_administrators_who_leave_at_once_do_not_both_go(harbour: Any) -> None:
    for user in ("ada", "bob"):
        await grant(harbour, user, "super_administrator")

    answers = await asyncio.gather(*(harbour.http.delete(f"{MEMBER}/{user}") for user in ("ada", "bob")))

    assert sorted(answer.status_code for answer in answers) == [204, 409]


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("PUT", "/api/v1/groups/nowhere/members/ada", "There is no group 'nowhere'"),
        ("PUT", f"{MEMBER}/nobody", "There is no user 'nobody'"),
        ("DELETE", f"{MEMBER}/bob", "There is no member 'bob'"),
        ("GET", "/api/v1/groups/nowhere/members", "There is no group 'nowhere'"),
    ],
)
async def test_what_is_not_there_is_named(harbour: Any, method: str, path: str, detail: str) -> None:
    body = {"role": "user"} if method == "PUT" else None

    refused = await harbour.http.request(method, path, json=body)

    assert refused.status_code == 404
    assert refused.json()["detail"] == detail


async def test_an_unknown_role_is_refused_and_the_roles_are_told(harbour: Any) -> None:
    refused = await harbour.http.put(f"{MEMBER}/ada", json={"role": "king"})

    assert refused.status_code == 422
    assert "super_administrator" in refused.json()["errors"][0]["detail"]


async def test_nobody_does_anything_without_a_token(auth: Any) -> None:
    for method, path in (
        ("GET", "/api/v1/users"),
        ("POST", "/api/v1/users"),
        ("GET", "/api/v1/groups"),
        ("PUT", "/api/v1/groups/harbour"),
        ("GET", MEMBER),
        ("PUT", f"{MEMBER}/ada"),
        ("DELETE", f"{MEMBER}/ada"),
    ):
        assert (await auth.http.request(method, path)).status_code == 401, (method, path)
