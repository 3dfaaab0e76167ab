"""The page about a group's restart policy: every member sees it, and who may, changes it; fleet decides and keeps."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError

from chassis.http import Problem
from chassis.tokens import Person
from contracts.fleet import Escalation
from contracts.words import GroupId, Role
from portal import feed, views
from portal.api import NO_NUL
from portal.context import Context, Portal
from portal.group_pages import own_group, why_not
from portal.people import refuse_cross_site, token_of
from portal.rendering import page
from portal.sessions import page_person

router = APIRouter(include_in_schema=False)

PagePerson = Annotated[Person, Depends(page_person)]
MOST_A_DAY = 24
"""As fleet has it."""


class Policy(BaseModel):
    """What fleet says of a group."""

    escalation: Escalation
    escalations_per_day: int


@router.get("/groups/{group_id}/restart-policy")
async def show_policy(
    group_id: GroupId,
    portal: Portal,
    person: PagePerson,
    request: Request,
    saved: Annotated[str, Query(max_length=10, pattern=NO_NUL)] = "",
) -> Response:
    return await _policy_page(portal, person, request, group_id, saved=bool(saved))


@router.post("/groups/{group_id}/restart-policy")
async def set_policy(
    group_id: GroupId,
    portal: Portal,
    person: PagePerson,
    request: Request,
    *,
    escalation: Annotated[Escalation, Form()],
    per_day: Annotated[int, Form(ge=1, le=MOST_A_DAY)],
) -> Response:
    refuse_cross_site(request)
    await own_group(portal, person, group_id)
    wanted = {"escalation": escalation.value, "escalations_per_day": per_day}
    status, content = await _ask_fleet(portal, request, group_id, wanted)
    if status == 200:  # noqa: PLR2004 what fleet answers when it is kept
        return RedirectResponse(f"{_address(group_id)}?saved=1", 303)
    return await _policy_page(portal, person, request, group_id, problem=why_not(portal, content), status=status)


async def _ask_fleet(
    portal: Context, request: Request, group_id: str, wanted: Mapping[str, object] | None = None
) -> tuple[int, bytes]:
    """Reads the policy, or sets it, in the name of who is asking. Raises Problem (503)."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {token_of(request)}"}
    answer = await portal.forwarder.send(
        "fleet",
        "GET" if wanted is None else "PUT",
        f"/api/v1{_address(group_id)}",
        content=b"" if wanted is None else orjson.dumps(wanted),
        headers=headers,
    )
    return answer.status_code, answer.content


async def _policy_page(
    portal: Context,
    person: Person,
    request: Request,
    group_id: str,
    *,
    saved: bool = False,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    group = await own_group(portal, person, group_id)
    found, content = await _ask_fleet(portal, request, group_id)
    try:
        policy = Policy.model_validate_json(content)
    except ValidationError as error:
        raise Problem(found if found >= 400 else 502, why_not(portal, content)) from error  # noqa: PLR2004 a refusal
    async with views.reading(portal.database) as connection:
        cursor = (await feed.bounds(connection))[1]
        members = await views.members(connection, group_id)
    return page(
        "policy.html",
        person=person,
        status=status,
        cursor=cursor,
        group=group,
        policy=policy,
        escalations=list(Escalation),
        most=MOST_A_DAY,
        leaders=", ".join(each.name for each in members if each.role is Role.SUPER_ADMINISTRATOR),
        may_change=person.operator or group.role is Role.SUPER_ADMINISTRATOR,
        saved=saved,
        problem=problem,
    )


def _address(group_id: str) -> str:
    return f"/groups/{quote(group_id, safe='')}/restart-policy"
