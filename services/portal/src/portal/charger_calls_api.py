"""The HTTP calls with which the platform's operators reach into a charger: OCPP calls, and new passwords over OCPP."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from chassis.http import PROBLEM, Problem
from chassis.tokens import Person
from contracts.words import ChargerId
from portal import forward
from portal.charger_calls import ChargerCalls
from portal.people import Caller, caller

router = APIRouter(prefix="/api/v1", tags=["operators"])

ANSWER_WITHIN_S = 10.0
_MADE_BY_FLEET = next(call for call in forward.CALLS if call.name == "make_new_password")


async def _operator(person: Caller) -> Person:
    if not person.operator:
        raise Problem(403, "Only operators of this system may call a charger")
    return person


async def _calls(request: Request) -> ChargerCalls:
    calls: ChargerCalls | None = getattr(request.app.state, "charger_calls", None)
    if calls is None:
        raise Problem(503, "This portal does not reach chargers")
    return calls


OperatorHere = Annotated[Person, Depends(_operator)]
Calls = Annotated[ChargerCalls, Depends(_calls)]
ChargerIdInPath = Annotated[ChargerId, Path(description="The charger's OCPP identity.")]


class OcppCall(BaseModel):
    """A call of the charger's own OCPP version, from the list of those that are allowed.

    Attributes:
        action: for instance `GetVariables` (2.x) or `GetConfiguration` (1.6).
        payload: as OCPP's schema of the action has it.
        timeout_s: how long the charger may take to answer.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"action": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"}}]},
    )

    action: str = Field(min_length=1, max_length=64)
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    timeout_s: float = Field(default=ANSWER_WITHIN_S, gt=0, le=120)


class OcppAnswer(BaseModel):
    """What the charger answered; secrets in it are hidden."""

    call_id: UUID
    charger_id: str
    action: str
    answered_at: datetime
    payload: dict[str, JsonValue]


class NewPassword(BaseModel):
    """`via: ocpp`: the charger is told its new password on its open session, and keeps the old one if it refuses."""

    model_config = ConfigDict(extra="forbid")

    via: Literal["ocpp"]
    timeout_s: float = Field(default=ANSWER_WITHIN_S, gt=0, le=120)


PASSWORD_BODY: dict[str, Any] = {"schema": {"type": "object"}, "examples": {"ocpp": {"value": {"via": "ocpp"}}}}
_ABOUT = {
    401: "Not signed in, or the token has expired.",
    403: "Not an operator of this system, or the call is not among those that are allowed.",
    404: "There is no such charger.",
    409: "Not now: the charger is offline, is being restarted, or has just booted; `why` says which.",
    422: "The request, or the call's payload, is not understood.",
    502: "The charger answered with an error, which is in `code` and `description`, or its session ended.",
    503: "Kafka does not answer.",
    504: "The charger did not answer in time. It may have done what it was told.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": about, "content": {PROBLEM: {"schema": {"type": "object"}}}}
    for status, about in _ABOUT.items()
}


@router.post(
    "/chargers/{charger_id}/ocpp-calls",
    summary="Make one OCPP call, and wait for the charger's answer",
    description="For operators of this system. A Reset is never among the allowed calls: ask for a restart. "
    "One call at a time reaches a charger, and none in the first seconds after a boot.",
    responses=PROBLEMS,
)
async def post_ocpp_call(
    charger_id: ChargerIdInPath, person: OperatorHere, calls: Calls, asked: OcppCall
) -> OcppAnswer:
    answered = await calls.call(
        charger_id, person.user_id, asked.action, asked.payload, answer_within_s=asked.timeout_s
    )
    return OcppAnswer(
        call_id=answered.call_id,
        charger_id=charger_id,
        action=asked.action,
        answered_at=answered.answered_at,
        payload=answered.payload,
    )


@router.post(
    "/chargers/{charger_id}/credentials",
    summary="A new password, shown once",
    description="For operators of this system. With `{via: ocpp}` the charger is told its new password on its open "
    "session; the answer comes when it has accepted it and it is kept, and until then the old one holds. Otherwise the "
    "password is fleet's to make or to take, and somebody has to bring it to the charger.",
    responses={200: {"description": "The new password, or what fleet answers."}, **PROBLEMS},
    openapi_extra={"requestBody": {"content": {"application/json": PASSWORD_BODY}}},
)
async def post_credentials(request: Request, charger_id: ChargerIdInPath) -> Response:
    wanted = _over_ocpp(await request.body())
    if wanted is None:
        return await forward.pass_on(_MADE_BY_FLEET, request)
    person, calls = await _operator(await caller(request)), await _calls(request)
    password = await calls.rotate_password(charger_id, person.user_id, answer_within_s=wanted.timeout_s)
    answer = {"charger_id": charger_id, "password": password}
    return JSONResponse(answer, headers={"cache-control": "no-store"})


def _over_ocpp(body: bytes) -> NewPassword | None:
    """What is asked for over OCPP; None when it is for fleet to answer. Raises Problem."""
    try:
        asked = json.loads(body) if body else {}
    except ValueError:
        return None
    if not isinstance(asked, dict) or "via" not in asked:
        return None
    try:
        return NewPassword.model_validate(asked)
    except ValidationError as error:
        wrong = "; ".join(f"{each['loc'][0] if each['loc'] else 'body'}: {each['msg']}" for each in error.errors())
        raise Problem(422, f"Not understood: {wrong}") from error
