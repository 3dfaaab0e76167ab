"""Looking inside, over HTTP, for the platform's operators: which chargers are here, and what one of them did last."""

import time
from collections.abc import Callable, Container
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from chassis.clock import Clock
from chassis.http import Operator, Problem
from contracts.words import ChargerId
from ocpp_bridge.black_box import BlackBoxes, Box
from ocpp_bridge.holders import Holders
from ocpp_bridge.session import Session
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.store import UNAVAILABLE

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])


class Deviation(BaseModel):
    """How often a charger deviated from OCPP in one way, since this instance knows it."""

    action: str
    kind: str
    count: int


class Frame(BaseModel):
    """A frame; secrets are hidden. `truncated`: it was longer."""

    at: datetime
    from_charger: bool
    text: str
    truncated: bool


class SessionSummary(BaseModel):
    """A session that this instance holds.

    Attributes:
        accepted: the charger's last boot was accepted.
        clock_skew_s: seconds that its clock is ahead of ours (negative: behind); null before it named a time.
        silent_s: seconds since anything came from it.
    """

    charger_id: str
    bridge: str
    epoch: int
    protocol: str
    since: datetime
    accepted: bool
    vendor: str | None
    model: str | None
    firmware: str | None
    clock_skew_s: float | None
    silent_s: float
    deviations: int


class SessionList(BaseModel):
    """Some of the sessions of this instance, by identity; `next` goes on where these end."""

    bridge: str
    total: int
    items: list[SessionSummary]
    next: str | None


class Inspected(BaseModel):
    """All that is known of one charger.

    Attributes:
        held_here: whether this instance holds its session; else `bridge` names the one that does or did.
        online: whether the session lasts.
        frames: the last ones that passed this instance, the oldest first.
    """

    charger_id: str
    held_here: bool
    online: bool
    bridge: str
    epoch: int
    protocol: str
    since: datetime
    until: datetime | None = None
    accepted: bool
    restarting: bool
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None
    clock_skew_s: float | None = None
    silent_s: float | None = None
    deviations: list[Deviation] = Field(default_factory=list)
    frames: list[Frame] = Field(default_factory=list)


class Inspection:
    """What the routes work with.

    Args:
        instance: the name of this instance, as sessions are held under it.
        restarting: the chargers that are being restarted.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        boxes: BlackBoxes,
        holders: Holders,
        restarting: Container[str],
        instance: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._boxes = boxes
        self._holders = holders
        self._restarting = restarting
        self._instance = instance
        self._clock = clock

    def page(self, after: str, limit: int) -> SessionList:
        """Sessions whose identity comes after `after`, in the order of identities."""
        later = sorted(session.charger_id for session in self._sessions if session.charger_id > after)
        shown = [self._sessions.get(charger_id) for charger_id in later[:limit]]
        return SessionList(
            bridge=self._instance(),
            total=len(self._sessions),
            items=[_summary(session) for session in shown if session is not None],
            next=later[limit - 1] if len(later) > limit else None,
        )

    async def charger(self, charger_id: str) -> Inspected | None:
        """What is known of a charger; None when it never had a session."""
        session, box = self._sessions.get(charger_id), self._boxes.of(charger_id)
        common: dict[str, Any] = {"charger_id": charger_id, "restarting": charger_id in self._restarting}
        common |= self._remembered(box) if box is not None else {}
        if session is not None:
            return Inspected(
                **common,
                held_here=True,
                online=not session.over,
                bridge=session.instance,
                epoch=session.epoch,
                protocol=session.dialect.protocol,
                since=session.opened_at,
                accepted=session.accepted,
                silent_s=_silence(session),
            )
        last = await self._holders.last_session(charger_id)
        if last is None:
            return None
        return Inspected(
            **common,
            held_here=False,
            online=last.closed_at is None,
            bridge=last.instance,
            epoch=last.epoch,
            protocol=last.protocol,
            since=last.opened_at,
            until=last.closed_at,
            accepted=last.accepted,
        )

    def _remembered(self, box: Box) -> dict[str, Any]:
        return {
            "vendor": box.vendor,
            "model": box.model,
            "firmware": box.firmware,
            "serial": box.serial,
            "clock_skew_s": box.clock_skew_s,
            "deviations": [
                Deviation(action=action, kind=kind, count=count)
                for (action, kind), count in (box.deviations.most_common() if box.deviations else ())
            ],
            "frames": [
                Frame(at=kept.at, from_charger=kept.by_charger, text=kept.text, truncated=kept.truncated)
                for kept in box.frames(self._clock.now())
            ],
        }


def _silence(session: Session) -> float:
    return max(0.0, time.monotonic() - session.heard_at)


def _summary(session: Session) -> SessionSummary:
    box = session.box
    return SessionSummary(
        charger_id=session.charger_id,
        bridge=session.instance,
        epoch=session.epoch,
        protocol=session.dialect.protocol,
        since=session.opened_at,
        accepted=session.accepted,
        vendor=box.vendor,
        model=box.model,
        firmware=box.firmware,
        clock_skew_s=box.clock_skew_s,
        silent_s=_silence(session),
        deviations=sum(box.deviations.values()) if box.deviations else 0,
    )


@router.get("", summary="The sessions that this instance holds")
async def list_sessions(
    request: Request,
    _: Operator,
    after: Annotated[str, Query(max_length=48, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> SessionList:
    inspection: Inspection = request.app.state.inspection
    return inspection.page(after, limit)


@router.get("/{charger_id}", summary="A charger: its session, its clock, its deviations, its last frames")
async def get_session(
    request: Request, _: Operator, charger_id: Annotated[ChargerId, Path(description="Its OCPP identity.")]
) -> Inspected:
    inspection: Inspection = request.app.state.inspection
    try:
        found = await inspection.charger(charger_id)
    except UNAVAILABLE as error:
        raise Problem(503, "The charger is not here, and the database does not say where it is") from error
    if found is None:
        raise Problem(404, f"No charger {charger_id} has ever connected")
    return found
