"""The pages about restarts: the history of a charger, of a group and of one's own, and each attempt's black box."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse

from chassis.tokens import Person
from contracts.restart import AttemptMoved, Outcome
from portal import acting, lookups, views
from portal.api import NO_NUL, After
from portal.context import Context, Portal
from portal.listing import RestartFilter
from portal.models import Attempt
from portal.rendering import page
from portal.sessions import page_person

router = APIRouter(include_in_schema=False)

PagePerson = Annotated[Person, Depends(page_person)]
Chosen = Annotated[str, Query(max_length=200, pattern=NO_NUL)]
PAGE_ROWS = 50


@router.get("/restarts")
async def show_restarts(
    portal: Portal,
    person: PagePerson,
    *,
    charger: Chosen = "",
    group: Chosen = "",
    mine: Chosen = "",
    state: Chosen = "",
    verdict: Chosen = "",
    after: After = "",
) -> Response:
    wanted = RestartFilter(
        charger_id=charger or None,
        group_id=group or None,
        requested_by=person.user_id if mine else None,
        ended={"open": False, "ended": True}.get(state),
        verdicts=(Outcome(verdict),) if verdict in set(Outcome) else (),
    )
    cursor = portal.hub.position
    found = await lookups.restarts(portal, person, wanted, after=after, limit=PAGE_ROWS)
    async with views.reading(portal.database) as connection:
        groups = await views.memberships(connection, person.user_id)
    asked = {"charger": charger, "group": group, "mine": mine, "state": state, "verdict": verdict}
    asked = {name: value for name, value in asked.items() if value}
    return page(
        "restarts.html",
        person=person,
        cursor=cursor,
        found=found,
        groups=groups,
        wanted=wanted,
        state=state,
        outcomes=list(Outcome),
        filtered=bool(asked),
        label=next((each.label for each in found.items if each.label), charger) if charger else None,
        first=f"/restarts?{urlencode(asked)}" if after else None,
        following=f"/restarts?{urlencode(asked | {'after': found.next})}" if found.next else None,
    )


@router.get("/restarts/{attempt_id}")
async def show_attempt(attempt_id: UUID, portal: Portal, person: PagePerson) -> Response:
    cursor = portal.hub.position
    attempt, moves, label = await _black_box(portal, person, attempt_id)
    return page(
        "attempt.html",
        person=person,
        cursor=cursor,
        attempt=attempt,
        moves=[_shown(attempt, move) for move in moves],
        label=label or attempt.charger_id,
        charger_known=label is not None,
    )


@router.get("/restarts/{attempt_id}/export")
async def export_attempt(attempt_id: UUID, portal: Portal, person: PagePerson) -> Response:
    attempt, moves, _ = await _black_box(portal, person, attempt_id)
    whole = {
        "attempt": attempt.model_dump(mode="json"),
        "moves": [move.model_dump(mode="json") for move in moves],
    }
    name = f'attachment; filename="restart-{attempt_id}.json"'
    content = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
    return Response(content, media_type="application/json", headers={"content-disposition": name})


@router.post("/restarts/{attempt_id}/cancel")
async def cancel_attempt(attempt_id: UUID, portal: Portal, person: PagePerson) -> Response:
    await acting.take_back(portal, person, attempt_id)
    return RedirectResponse(f"/restarts/{attempt_id}", 303)


async def _black_box(
    portal: Context, person: Person, attempt_id: UUID
) -> tuple[Attempt, Sequence[AttemptMoved], str | None]:
    """The attempt, every move of it, and its charger's label while it is of a group of the person's."""
    attempt, _ = await lookups.attempt(portal, person, attempt_id)
    async with views.reading(portal.database) as connection:
        row = (await views.attempts(connection, [attempt_id])).get(attempt_id)
        role = await views.role_for(connection, attempt.charger_id, person.user_id)
        charger = (await views.chargers(connection, [attempt.charger_id])).get(attempt.charger_id) if role else None
    return attempt, row.moves if row else (), charger.label if charger else None


def _shown(attempt: Attempt, move: AttemptMoved) -> dict[str, Any]:
    """A move for people: what was seen, what was literally sent and received, and the move as it is recorded."""
    return {
        "version": move.version,
        "status": move.status.value,
        "moved_at": move.moved_at,
        "elapsed_ms": max(0, round((move.moved_at - attempt.requested_at).total_seconds() * 1000)),
        "evidence": [
            each for each in attempt.evidence if each.event_id in {seen.event_id for seen in move.new_evidence}
        ],
        "frames": [(seen.kind.value, seen.at, seen.frame) for seen in move.new_evidence if seen.frame is not None],
        "raw": orjson.dumps(move.model_dump(mode="json"), option=orjson.OPT_INDENT_2).decode(),
    }
