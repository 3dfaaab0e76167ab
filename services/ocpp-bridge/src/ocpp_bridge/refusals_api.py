"""Who was not let in lately, over HTTP, for the platform's operators."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from chassis.http import Operator
from contracts.words import ChargerId
from ocpp_bridge.refusals import Refusals

router = APIRouter(prefix="/api/v1/refusals", tags=["sessions"])


class Refusal(BaseModel):
    """Somebody who called himself this charger was not let in, so many times since the one before of its kind."""

    charger_id: str
    why: str
    address: str
    count: int
    last_at: datetime


class RefusalList(BaseModel):
    """The last refusals that this instance told of, the newest first."""

    items: list[Refusal]


@router.get("", summary="The chargers that this instance did not let in lately, and why")
async def list_refusals(
    request: Request,
    _: Operator,
    charger_id: Annotated[ChargerId | None, Query(description="Of this charger alone.")] = None,
) -> RefusalList:
    refusals: Refusals = request.app.state.refusals
    return RefusalList(
        items=[
            Refusal.model_validate(event.model_dump())
            for event in refusals.last()
            if charger_id in (None, event.charger_id)
        ]
    )
