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
    """Somebody was not let in, so many times since the one before of its kind.

    Attributes:
        charger_id: the charger that he called himself; None where he named none that is known.
        cause: what was wrong with a certificate.
        named_by: `certificate`: the name stood in a certificate that was not accepted, and is a claim only.
        claimed_name: what stood there, where that is no charger.
    """

    charger_id: str | None = None
    why: str
    cause: str | None = None
    address: str
    named_by: str = "request"
    claimed_name: str | None = None
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
            if charger_id in (None, getattr(event, "charger_id", None))
        ]
    )
