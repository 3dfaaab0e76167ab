"""The HTTP API about chargers and restarts; other services' calls are in forward.py, the streams in streams.py."""

import hashlib
import re
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel

from contracts.restart import Outcome
from contracts.words import ChargerId, GroupId, UserId
from portal import acting, lookups
from portal.asking import RestartRequest
from portal.context import Portal
from portal.listing import ChargerFilter, ChargerSort, RestartFilter
from portal.models import Attempt, Attempts, Charger, Chargers, ChargerState, Me
from portal.people import Caller

router = APIRouter(prefix="/api/v1")

ChargerIdInPath = Annotated[ChargerId, Path(description="The charger's OCPP identity.")]
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no such character, so that nothing with one can be found either."""
Sought = Annotated[str, Query(max_length=200, pattern=NO_NUL, description="Part of a label, id, model, site or group.")]
After = Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_\-]*$", description="`next` of the page before.")]
OfGroup = Annotated[GroupId | None, Query(description="Of this group only.")]
OfModel = Annotated[str | None, Query(max_length=200, pattern=NO_NUL, description="Of this model only, by its name.")]
States = Annotated[list[ChargerState] | None, Query(description="In one of these states only; may be given often.")]
Attention = Annotated[
    bool | None, Query(description="Only those that somebody should look at: offline, lost, faulted. `false`: others.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Of your choice, new for each restart that you mean. The same key is the same attempt; with "
        "another body than the first it is answered 422.",
    ),
]
KnownTag = Annotated[
    str | None,
    Header(alias="If-None-Match", description="The `ETag` of what you have; while it still holds, the answer is 304."),
]
Since = Annotated[AwareDatetime | None, Query(description="Requested then or later.")]
Before = Annotated[AwareDatetime | None, Query(description="Requested earlier than this.")]
InState = Annotated[Literal["open", "ended"] | None, Query(description="`open`: without a verdict yet.")]
Verdicts = Annotated[list[Outcome] | None, Query(description="With one of these verdicts only; may be given often.")]
AT_ONCE = RestartRequest()
"""What an empty body asks for."""
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]


@router.get("/me", tags=["me"], summary="Who is asking, and in which groups", response_model=Me)
async def get_me(portal: Portal, person: Caller, known: KnownTag = None) -> Response:
    return tagged(await lookups.me(portal, person), known)


@router.get("/chargers", tags=["chargers"], summary="The chargers of your groups", response_model=Chargers)
async def list_chargers(
    portal: Portal,
    person: Caller,
    *,
    q: Sought = "",
    group_id: OfGroup = None,
    model: OfModel = None,
    state: States = None,
    attention: Attention = None,
    sort: Annotated[ChargerSort, Query(description="Order; those alike stand by label.")] = ChargerSort.LABEL,
    after: After = "",
    limit: Limit = 200,
    known: KnownTag = None,
) -> Response:
    wanted = ChargerFilter(
        q=q, group_id=group_id, model=model, states=tuple(state or ()), attention=attention, sort=sort
    )
    return tagged((await lookups.chargers(portal, person, wanted, after=after, limit=limit)).page, known)


@router.get(
    "/chargers/{charger_id}",
    tags=["chargers"],
    summary="A charger, and whether you may restart it now",
    response_model=Charger,
)
async def get_charger(charger_id: ChargerIdInPath, portal: Portal, person: Caller, known: KnownTag = None) -> Response:
    return tagged(await lookups.charger(portal, person, charger_id), known)


@router.post(
    "/chargers/{charger_id}/restarts",
    tags=["restarts"],
    status_code=202,
    summary="Ask for a restart",
    description="Accepted means that the request is kept. Whether the charger restarts is in the attempt's verdict; "
    "what is not allowed is refused there too, with every reason. While an attempt is open, the answer is that one.",
)
async def request_restart(
    charger_id: ChargerIdInPath,
    portal: Portal,
    person: Caller,
    response: Response,
    *,
    asked: RestartRequest = AT_ONCE,
    key: IdempotencyKey = None,
) -> Attempt:
    attempt = await acting.request_restart(portal, charger_id, person.user_id, asked, key)
    response.headers["location"] = f"/api/v1/restarts/{attempt.attempt_id}"
    return attempt


@router.get(
    "/restarts",
    tags=["restarts"],
    summary="The restarts of the chargers of your groups, the latest first",
    description="Of one charger, of one group, or those that you asked for yourself.",
    response_model=Attempts,
)
async def list_restarts(
    portal: Portal,
    person: Caller,
    *,
    charger_id: Annotated[ChargerId | None, Query(description="Of this charger only.")] = None,
    group_id: OfGroup = None,
    mine: Annotated[bool, Query(description="Only those that you asked for.")] = False,
    requested_by: Annotated[UserId | None, Query(description="Only those that this person asked for.")] = None,
    state: InState = None,
    verdict: Verdicts = None,
    since: Since = None,
    before: Before = None,
    after: After = "",
    limit: Limit = 50,
    known: KnownTag = None,
) -> Response:
    wanted = RestartFilter(
        charger_id=charger_id,
        group_id=group_id,
        requested_by=person.user_id if mine else requested_by,
        ended=None if state is None else state == "ended",
        verdicts=tuple(verdict or ()),
        since=since,
        before=before,
    )
    return tagged(await lookups.restarts(portal, person, wanted, after=after, limit=limit), known)


@router.get(
    "/restarts/{attempt_id}",
    tags=["restarts"],
    summary="An attempt with its timeline, evidence and verdict",
    response_model=Attempt,
)
async def get_restart(attempt_id: UUID, portal: Portal, person: Caller, known: KnownTag = None) -> Response:
    return tagged((await lookups.attempt(portal, person, attempt_id))[0], known)


@router.delete(
    "/restarts/{attempt_id}",
    tags=["restarts"],
    status_code=202,
    summary="Take the request back, until its Reset is claimed for sending",
    description="The answer is the attempt: `cancelled`, or as it is where nobody says within 2 s whether that came in "
    "time (`withdrawal.answer` tells). 409 says that it came too late.",
)
async def cancel_restart(attempt_id: UUID, portal: Portal, person: Caller) -> Attempt:
    return await acting.take_back(portal, person, attempt_id)


@router.get("/openapi.json", include_in_schema=False)
async def get_openapi(request: Request, known: KnownTag = None) -> Response:
    return _answer(request.app.state.openapi(), known, {"cache-control": "public, no-cache"})


_PLACE_IN_FEED = re.compile(rb'"v":\d+')


def tagged(shown: BaseModel, known: str | None) -> Response:
    """The answer with a tag that changes when what it says changes, not when anything else in the feed moved on."""
    return _answer(shown.model_dump_json().encode(), known, {})


def _answer(body: bytes, known: str | None, headers: dict[str, str]) -> Response:
    tag = f'W/"{hashlib.blake2b(_PLACE_IN_FEED.sub(b"", body), digest_size=12).hexdigest()}"'
    headers = {"etag": tag, **headers}
    if known is not None and tag in {each.strip() for each in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
