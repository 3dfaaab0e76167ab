"""The pages about groups: the plan and the members, and changing both for who may; auth and billing decide and keep."""

from typing import Annotated
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from chassis.http import Problem
from chassis.tokens import Person
from contracts.words import GroupId, Plan, Role, UserId
from portal import feed, views
from portal.api import NO_NUL
from portal.context import Context, Portal
from portal.people import refuse_cross_site, token_of
from portal.rendering import page
from portal.sessions import page_person
from portal.views import MembershipRow
from portal.words import say

router = APIRouter(include_in_schema=False)

PagePerson = Annotated[Person, Depends(page_person)]
UserIdInForm = Annotated[UserId, Form()]


@router.get("/groups")
async def show_groups(portal: Portal, person: PagePerson) -> Response:
    async with views.reading(portal.database) as connection:
        cursor = (await feed.bounds(connection))[1]
        groups = await views.memberships(connection, person.user_id)
    return page("groups.html", person=person, cursor=cursor, groups=groups)


@router.get("/groups/{group_id}")
async def show_group(
    group_id: GroupId,
    portal: Portal,
    person: PagePerson,
    saved: Annotated[str, Query(max_length=10, pattern=NO_NUL)] = "",
) -> Response:
    return await _group_page(portal, person, group_id, saved=bool(saved))


@router.post("/groups/{group_id}/plan")
async def set_plan(
    group_id: GroupId, portal: Portal, person: PagePerson, request: Request, plan: Annotated[Plan, Form()]
) -> Response:
    path = f"/api/v1/groups/{quote(group_id, safe='')}/plan"
    return await _change(
        portal, person, request, group_id, service="billing", method="PUT", path=path, body={"plan": plan.value}
    )


@router.post("/groups/{group_id}/members")
async def set_member(
    group_id: GroupId,
    portal: Portal,
    person: PagePerson,
    request: Request,
    *,
    user_id: UserIdInForm,
    role: Annotated[Role, Form()],
) -> Response:
    path = f"/api/v1/groups/{quote(group_id, safe='')}/members/{quote(user_id, safe='')}"
    return await _change(
        portal, person, request, group_id, service="auth", method="PUT", path=path, body={"role": role.value}
    )


@router.post("/groups/{group_id}/members/remove")
async def remove_member(
    group_id: GroupId, portal: Portal, person: PagePerson, request: Request, user_id: UserIdInForm
) -> Response:
    path = f"/api/v1/groups/{quote(group_id, safe='')}/members/{quote(user_id, safe='')}"
    return await _change(portal, person, request, group_id, service="auth", method="DELETE", path=path, body=None)


async def _change(
    portal: Context,
    person: Person,
    request: Request,
    group_id: str,
    *,
    service: str,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> Response:
    """Passes the change on to the service that owns it, whose word on who may do so is the only one."""
    refuse_cross_site(request)
    await own_group(portal, person, group_id)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token_of(request)}"}
    try:
        answer = await portal.forwarder.send(
            service, method, path, content=b"" if body is None else orjson.dumps(body), headers=headers
        )
    except Problem as problem:
        return await _group_page(portal, person, group_id, problem=problem.detail, status=problem.status)
    if answer.is_success:
        return RedirectResponse(f"/groups/{quote(group_id, safe='')}?saved=1", 303)
    return await _group_page(
        portal, person, group_id, problem=why_not(portal, answer.content), status=answer.status_code
    )


def why_not(portal: Context, content: bytes) -> str:
    """What a service says of a change that it refused."""
    try:
        return str(orjson.loads(content)["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return portal.words.text(say("sys.error"))


async def own_group(portal: Context, person: Person, group_id: str) -> MembershipRow:
    """The person's place in the group. Raises Problem (404), the same for a group that does not exist."""
    async with views.reading(portal.database) as connection:
        groups = await views.memberships(connection, person.user_id)
    found = next((group for group in groups if group.group_id == group_id), None)
    if found is None:
        raise Problem(404, portal.words.text(say("sys.no_page")))
    return found


async def _group_page(
    portal: Context,
    person: Person,
    group_id: str,
    *,
    saved: bool = False,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    group = await own_group(portal, person, group_id)
    async with views.reading(portal.database) as connection:
        cursor = (await feed.bounds(connection))[1]
        members = await views.members(connection, group_id)
    return page(
        "group.html",
        person=person,
        status=status,
        cursor=cursor,
        group=group,
        members=members,
        leaders=", ".join(each.name for each in members if each.role is Role.SUPER_ADMINISTRATOR),
        may_change=person.operator or group.role is Role.SUPER_ADMINISTRATOR,
        plans=list(Plan),
        roles=list(Role),
        saved=saved,
        problem=problem,
    )
