"""The pages about chargers: the list, a charger, the restart form for browsers without a script, and /embed."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from chassis.http import Problem
from chassis.tokens import Person
from contracts.restart import Strength, When
from portal import acting, lookups, security_api, views
from portal.api import NO_NUL, After, ChargerIdInPath
from portal.asking import RestartRequest
from portal.context import Portal
from portal.listing import ChargerFilter, ChargerSort, RestartFilter
from portal.models import Charger, ChargerState
from portal.rendering import page
from portal.sessions import page_person
from portal.words import say

router = APIRouter(include_in_schema=False)

PagePerson = Annotated[Person, Depends(page_person)]
Chosen = Annotated[str, Query(max_length=200, pattern=NO_NUL)]
"""A filter of a form, which sends an empty text where nothing is chosen."""
PAGE_ROWS = 50
LAST_RESTARTS = 10


@router.get("/chargers")
async def show_chargers(
    portal: Portal,
    person: PagePerson,
    *,
    q: Chosen = "",
    group: Chosen = "",
    state: Chosen = "",
    model: Chosen = "",
    attention: Chosen = "",
    sort: Chosen = ChargerSort.ATTENTION,
    after: After = "",
) -> Response:
    wanted = ChargerFilter(
        q=q,
        group_id=group or None,
        model=model or None,
        states=(ChargerState(state),) if state in set(ChargerState) else (),
        attention=True if attention else None,
        sort=ChargerSort(sort) if sort in set(ChargerSort) else ChargerSort.ATTENTION,
    )
    found = await lookups.chargers(portal, person, wanted, after=after, limit=PAGE_ROWS)
    async with views.reading(portal.database) as connection:
        models = await views.models(connection, [each.group_id for each in found.groups])
    asked = {"q": q, "group": group, "state": state, "model": model, "attention": attention}
    asked = {name: value for name, value in asked.items() if value}
    ordered = asked | ({"sort": wanted.sort.value} if wanted.sort is not ChargerSort.ATTENTION else {})
    return page(
        "chargers.html",
        person=person,
        cursor=found.cursor,
        found=found.page,
        groups=found.groups,
        models=models,
        states=list(ChargerState),
        sorts=list(ChargerSort),
        wanted=wanted,
        filtered=bool(asked),
        moves=bool(wanted.states) or wanted.attention is not None or wanted.sort is ChargerSort.ATTENTION,
        first=_address("/chargers", ordered) if after else None,
        following=_address("/chargers", ordered | {"after": found.page.next}) if found.page.next else None,
    )


@router.get("/chargers/{charger_id}")
async def show_charger(charger_id: ChargerIdInPath, portal: Portal, person: PagePerson) -> Response:
    charger = await lookups.charger(portal, person, charger_id)
    history = await lookups.restarts(portal, person, RestartFilter(charger_id=charger_id), limit=LAST_RESTARTS)
    security = await security_api.of_charger(portal, person, charger_id)
    return page("charger.html", person=person, cursor=charger.v, charger=charger, history=history, security=security)


@router.get("/chargers/{charger_id}/restart")
async def show_restart_form(charger_id: ChargerIdInPath, portal: Portal, person: PagePerson) -> Response:
    charger = await lookups.charger(portal, person, charger_id)
    return _form(person, charger, str(uuid4()))


@router.post("/chargers/{charger_id}/restart")
async def post_restart_form(
    charger_id: ChargerIdInPath,
    portal: Portal,
    person: PagePerson,
    *,
    when: Annotated[When, Form()] = When.NOW,
    kind: Annotated[Strength, Form(alias="type")] = Strength.AUTO,
    key: Annotated[str | None, Form(max_length=255)] = None,
    seen: Annotated[list[str] | None, Form()] = None,
) -> Response:
    asked = RestartRequest(when=when, type=kind, interrupt_charging=when is When.NOW and bool(seen))
    key = key or str(uuid4())
    try:
        attempt = await acting.request_restart(portal, charger_id, person.user_id, asked, key)
    except Problem as problem:
        if problem.status not in {422, 503}:  # these are worth a form again
            raise
        charger = await lookups.charger(portal, person, charger_id)
        if problem.status == 422:  # noqa: PLR2004 the form's key was used for another choice
            return _form(person, charger, str(uuid4()), problem.detail, status=422)
        return _form(person, charger, key, portal.words.text(say("modal.unsure")), status=503)
    return RedirectResponse(f"/restarts/{attempt.attempt_id}", 303)


@router.get("/embed")
async def show_embed(portal: Portal, person: PagePerson, request: Request, charger: Chosen = "") -> Response:
    found = await lookups.chargers(portal, person, limit=PAGE_ROWS)
    known = [each.charger_id for each in found.page.items]
    sample = charger if charger in known else (known[0] if known else None)
    base = str(request.base_url).rstrip("/")
    return page("embed.html", person=person, cursor=found.cursor, chargers=found.page.items, sample=sample, base=base)


def _address(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _form(
    person: Person, charger: Charger, key: str | None, problem: str | None = None, *, status: int = 200
) -> Response:
    return page("restart.html", person=person, status=status, charger=charger, key=key or "", problem=problem)
