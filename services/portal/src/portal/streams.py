"""Server-sent events: what changes, as it changes, resumable from any event on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from chassis.http import Problem
from chassis.tokens import Person
from portal import lookups
from portal.assets import BUILD
from portal.context import Context, Portal
from portal.live import Event, Subscriber, event
from portal.people import Caller

router = APIRouter(prefix="/api/v1")

SEND_TIMEOUT_S = 30.0
RETRY_MS = 2000
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `hello`, `charger`, `attempt`, `verdict`, `beat`, `reset`, `bye`. Those with an id can "
        "be resumed from, by `Last-Event-ID` or `after`. `reset` says to read the state again and go on.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

After = Annotated[int | None, Query(ge=0, description="The last event you have, where no header can be set.")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID")]


class _Stream(EventSourceResponse):
    """Ends quietly when its reader takes nothing any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


@router.get(
    "/events",
    tags=["events"],
    summary="Everything you may see, live",
    response_class=EventSourceResponse,
    responses=_DESCRIBED,
)
async def get_events(
    portal: Portal, person: Caller, after: After = None, last_event_id: LastEventId = None
) -> Response:
    return _open(portal, person, None, _resume_from(after, last_event_id))


@router.get(
    "/restarts/{attempt_id}/events",
    tags=["restarts", "events"],
    summary="One attempt, live",
    description="Without a cursor it begins with the attempt as it is.",
    response_class=EventSourceResponse,
    responses=_DESCRIBED,
)
async def get_restart_events(
    attempt_id: UUID, portal: Portal, person: Caller, after: After = None, last_event_id: LastEventId = None
) -> Response:
    await lookups.attempt(portal, person, attempt_id)
    return _open(portal, person, attempt_id, _resume_from(after, last_event_id))


def _resume_from(after: int | None, last_event_id: str | None) -> int | None:
    """`Last-Event-ID` wins. One that was never ours is beyond any cursor, so that it is answered with `reset`."""
    if last_event_id:
        return int(last_event_id) if last_event_id.isdigit() and len(last_event_id) < 19 else 2**62  # noqa: PLR2004 a bigint
    return after


def _open(portal: Context, person: Person, attempt_id: UUID | None, resume: int | None) -> EventSourceResponse:
    def beat() -> ServerSentEvent:
        return ServerSentEvent(event="beat", data=event("beat", server_time=_now(portal)).data)

    if portal.hub.is_full_for(person):
        raise Problem(
            429,
            f"You have {portal.settings.streams_per_person} live streams open already; close one",
            headers={"retry-after": "10"},
        )
    return _Stream(
        _events(portal, person, attempt_id, resume),
        ping=portal.settings.beat_s,
        ping_message_factory=beat,
        send_timeout=SEND_TIMEOUT_S,
    )


async def _events(portal: Context, person: Person, attempt_id: UUID | None, resume: int | None) -> AsyncIterator[bytes]:
    subscriber = portal.hub.subscribe(person, attempt_id)
    try:
        yield ServerSentEvent(comment="open", retry=RETRY_MS).encode()
        missed = await portal.hub.replay(subscriber, resume) if resume is not None else []
        cursor = max(subscriber.position, subscriber.after)
        if missed is None:
            missed = [event("reset", cursor, why="cursor_expired")]
        elif resume is None and attempt_id is not None:
            missed = await _as_it_is(portal, person, attempt_id, cursor)
        about = {"server_time": _now(portal), "beat_s": portal.settings.beat_s, "build": BUILD}
        # Who resumes is up to date when it has read so many events.
        yield _sse(event("hello", cursor=str(cursor), missed=len(missed), **about))
        for item in missed:
            yield _sse(item)
        while (news := await _next(portal, subscriber)) is not None:
            yield _sse(news)
    finally:
        portal.hub.unsubscribe(subscriber)


async def _as_it_is(portal: Context, person: Person, attempt_id: UUID, cursor: int) -> list[Event]:
    shown = (await lookups.attempt(portal, person, attempt_id))[0]
    names = ["attempt", "verdict"] if shown.verdict is not None else ["attempt"]
    return [Event(name, shown.model_dump_json(), cursor) for name in names]


async def _next(portal: Context, subscriber: Subscriber) -> Event | None:
    left = (subscriber.person.expires_at - portal.clock.now()).total_seconds()
    try:
        async with asyncio.timeout(max(0.0, left)):
            return await subscriber.queue.get()
    except TimeoutError:
        subscriber.close(event("bye", why="session_ended", retry_ms=0))
        return await subscriber.queue.get()


@lru_cache(maxsize=1024)
def _sse(item: Event) -> bytes:
    """The event as it goes over the wire; made once, however many streams it is told on."""
    event_id = None if item.cursor is None else str(item.cursor)
    return ServerSentEvent(data=item.data, event=item.name, id=event_id).encode()


def _now(portal: Context) -> str:
    return portal.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
