"""The HTTP API about chargers and restarts; other services' calls are in forward.py, the streams in streams.py."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response

from chassis.http import PROBLEM
from contracts.words import ChargerId
from portal import acting, asking, lookups
from portal.asking import RestartRequest
from portal.context import Portal
from portal.models import Attempt, Charger, Chargers, Me
from portal.people import Caller

router = APIRouter(prefix="/api/v1")

ChargerIdInPath = Annotated[ChargerId, Path(description="The charger's OCPP identity.")]
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no such character, so that nothing with one can be found either."""
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Of your choice, new for each restart that you mean. The same key is the same attempt.",
    ),
]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    about = {
        400: "The body can't be read.",
        401: "Not signed in, or the token has expired.",
        403: "Not allowed.",
        404: "There is none that you may know of.",
        409: "Too late.",
        422: "The request is not understood; the fields are named.",
        503: "Kafka does not answer; send it again with the same Idempotency-Key.",
    }
    shape = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
        },
        "required": ["type", "title", "status"],
    }
    return {status: {"description": about[status], "content": {PROBLEM: {"schema": shape}}} for status in statuses}


@router.get("/me", tags=["me"], summary="Who is asking, and in which groups", responses=_problems(401))
async def get_me(portal: Portal, person: Caller) -> Me:
    return await lookups.me(portal, person)


@router.get("/chargers", tags=["chargers"], summary="The chargers of your groups", responses=_problems(401, 422))
async def get_chargers(
    portal: Portal,
    person: Caller,
    q: Annotated[
        str, Query(max_length=200, pattern=NO_NUL, description="Part of a label, id, model, site or group.")
    ] = "",
    after: Annotated[str, Query(max_length=48, pattern=NO_NUL, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Chargers:
    return (await lookups.chargers(portal, person, q=q, after=after, limit=limit))[0]


@router.get(
    "/chargers/{charger_id}",
    tags=["chargers"],
    summary="A charger, and whether you may restart it now",
    responses=_problems(401, 404, 422),
)
async def get_charger(charger_id: ChargerIdInPath, portal: Portal, person: Caller) -> Charger:
    return await lookups.charger(portal, person, charger_id)


@router.post(
    "/chargers/{charger_id}/restarts",
    tags=["restarts"],
    status_code=202,
    summary="Ask for a restart",
    description="Accepted means that the request is kept. Whether the charger restarts is in the attempt's verdict; "
    "what is not allowed is refused there too, with every reason. While an attempt is open, the answer is that one.",
    responses=_problems(400, 401, 403, 404, 422, 503),
)
async def post_restart(
    charger_id: ChargerIdInPath,
    portal: Portal,
    person: Caller,
    response: Response,
    *,
    asked: RestartRequest | None = None,
    key: IdempotencyKey = None,
) -> Attempt:
    attempt = await acting.request_restart(
        portal,
        charger_id,
        person.user_id,
        asked or RestartRequest(),
        asking.attempt_id_for(person.user_id, charger_id, key),
    )
    response.headers["location"] = f"/api/v1/restarts/{attempt.attempt_id}"
    return attempt


@router.get(
    "/restarts/{attempt_id}",
    tags=["restarts"],
    summary="An attempt with its timeline, evidence and verdict",
    responses=_problems(401, 404, 422),
)
async def get_restart(attempt_id: UUID, portal: Portal, person: Caller) -> Attempt:
    return (await lookups.attempt(portal, person, attempt_id))[0]


@router.delete(
    "/restarts/{attempt_id}",
    tags=["restarts"],
    status_code=202,
    summary="Take the request back, while nothing was sent",
    description="The answer is the attempt as it is; that it was cancelled is said by its verdict.",
    responses=_problems(401, 403, 404, 409, 422, 503),
)
async def delete_restart(attempt_id: UUID, portal: Portal, person: Caller) -> Attempt:
    return await acting.take_back(portal, person, attempt_id)
