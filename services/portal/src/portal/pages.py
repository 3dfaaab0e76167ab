"""The pages: the list of chargers, a charger, the restart form for browsers without a script, and the black box."""

from typing import Annotated
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Depends, Form, Query, Response
from fastapi.responses import RedirectResponse

from chassis.http import Problem
from chassis.tokens import Person
from contracts.restart import Strength, When
from portal import acting, asking, lookups, views
from portal.api import NO_NUL, ChargerIdInPath
from portal.asking import RestartRequest
from portal.context import Portal
from portal.models import Charger
from portal.rendering import page
from portal.sessions import page_person
from portal.words import say

router = APIRouter(include_in_schema=False)

PagePerson = Annotated[Person, Depends(page_person)]


@router.get("/chargers")
async def show_chargers(
    portal: Portal,
    person: PagePerson,
    q: Annotated[str, Query(max_length=200, pattern=NO_NUL)] = "",
    after: Annotated[str, Query(max_length=48, pattern=NO_NUL)] = "",
) -> Response:
    found, cursor = await lookups.chargers(portal, person, q=q, after=after)
    return page("chargers.html", person=person, cursor=cursor, found=found, q=q)


@router.get("/chargers/{charger_id}")
async def show_charger(charger_id: ChargerIdInPath, portal: Portal, person: PagePerson) -> Response:
    charger = await lookups.charger(portal, person, charger_id)
    return page("charger.html", person=person, cursor=charger.v, charger=charger)


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
    attempt_id = asking.attempt_id_for(person.user_id, charger_id, key or str(uuid4()))
    try:
        attempt = await acting.request_restart(portal, charger_id, person.user_id, asked, attempt_id)
    except Problem as problem:
        if problem.status != 503:  # noqa: PLR2004 only this one is worth the same form again
            raise
        charger = await lookups.charger(portal, person, charger_id)
        return _form(person, charger, key, portal.words.text(say("modal.unsure")), status=503)
    return RedirectResponse(f"/restarts/{attempt.attempt_id}", 303)


@router.get("/restarts/{attempt_id}")
async def show_attempt(attempt_id: UUID, portal: Portal, person: PagePerson) -> Response:
    cursor = portal.hub.position
    attempt, _ = await lookups.attempt(portal, person, attempt_id)
    async with views.reading(portal.database) as connection:
        row = (await views.attempts(connection, [attempt_id])).get(attempt_id)
        charger = (await views.chargers(connection, [attempt.charger_id])).get(attempt.charger_id)
    moves = [
        {
            "version": move.version,
            "status": move.status.value,
            "moved_at": move.moved_at,
            "raw": orjson.dumps(move.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode(),
        }
        for move in (row.moves if row else ())
    ]
    return page(
        "attempt.html",
        person=person,
        cursor=cursor,
        attempt=attempt,
        moves=moves,
        label=charger.label if charger else attempt.charger_id,
        charger_known=charger is not None,
    )


@router.post("/restarts/{attempt_id}/cancel")
async def cancel_attempt(attempt_id: UUID, portal: Portal, person: PagePerson) -> Response:
    await acting.take_back(portal, person, attempt_id)
    return RedirectResponse(f"/restarts/{attempt_id}", 303)


def _form(
    person: Person, charger: Charger, key: str | None, problem: str | None = None, *, status: int = 200
) -> Response:
    return page("restart.html", person=person, status=status, charger=charger, key=key or "", problem=problem)
