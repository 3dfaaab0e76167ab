"""OCPP calls that operators make: handed to the bridge through Kafka, and waited for until the charger has answered."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import text

from chassis.clock import Clock
from chassis.database import Database
from chassis.http import Problem
from chassis.publisher import PublishFailedError
from chassis.trace import current_traceparent
from contracts import topics
from contracts.calls import (
    CallAnswered,
    CallAsked,
    CallCharger,
    CallEnded,
    CallFailed,
    CallFailure,
    PasswordRotated,
    RotatePassword,
)
from contracts.envelope import Envelope, Message, service_source
from contracts.ocpp import ChargerConnected, ChargerDisconnected
from contracts.topics import Service
from portal.context import Publishes

BEGUN_WITHIN = timedelta(seconds=10)
"""A call waits so long for its turn, and for a charger that has just booted."""
ON_THE_WAY_S = 3.0
"""How long the result may be on its way to us, after the charger's own time is over."""
LAST_WORD_S = 1.0
"""So long the bridge may still tell what became of a call, once we have heard that the call's session is over."""
PASSWORD_KEPT_S = 10.0
"""The same for a new password: the charger leaves to come back with it, while fleet has yet to keep it."""

_WHERE = text("""
    select c.charger_id, k.online, k.epoch
    from chargers c left join connectivity k on k.charger_id = c.charger_id where c.charger_id = :charger_id
""")

STATUSES: dict[CallFailure, tuple[int, str]] = {
    "not_connected": (409, "The charger is not connected"),
    "session_ended": (502, "The charger's session ended"),
    "timeout": (504, "The charger did not answer in time"),
    "expired": (504, "The call was not made in time"),
    "call_error": (502, "The charger answered with an error"),
    "refused_by_charger": (409, "The charger refused"),
    "not_allowed": (403, "Not allowed"),
    "attempt_open": (409, "The charger is being restarted"),
    "too_soon_after_boot": (409, "The charger has just booted"),
    "invalid": (422, "Not a valid call"),
    "not_stored": (502, "The charger changed, and it is not known whether that is kept"),
}


@dataclass(slots=True)
class _Waiting:
    charger_id: str
    epoch: int
    result: "asyncio.Future[CallEnded]"
    last_word_s: float


class ChargerCalls:
    """Makes calls, and knows who waits for the answer. Feed it with `take` from results and connectivity."""

    def __init__(self, database: Database, publisher: Publishes, clock: Clock) -> None:
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._waiting: dict[UUID, _Waiting] = {}

    def take(self, envelope: Envelope[Message]) -> None:
        """Takes a record of ocpp.call-results.v1 or ocpp.connectivity.v1 in."""
        said = envelope.data
        if isinstance(said, CallEnded):
            waiting = self._waiting.get(said.call_id)
            if waiting is not None and not waiting.result.done():
                waiting.result.set_result(said)
        elif isinstance(said, ChargerDisconnected):
            self._session_over(said.charger_id, said.epoch)
        elif isinstance(said, ChargerConnected):
            self._session_over(said.charger_id, said.epoch - 1)

    async def call(
        self, charger_id: str, asked_by: str, action: str, payload: dict[str, Any], *, answer_within_s: float
    ) -> CallAnswered:
        """Has the charger called. Raises Problem for whatever comes instead of its answer."""
        asked = CallCharger(
            charger_id=charger_id,
            call_id=uuid4(),
            asked_by=asked_by,
            not_after=self._clock.now() + BEGUN_WITHIN,
            answer_within_s=answer_within_s,
            action=action,
            payload=payload,
        )
        ended = await self._ask(asked)
        if not isinstance(ended, CallAnswered):
            raise _not_answered(ended)
        return ended

    async def rotate_password(self, charger_id: str, asked_by: str, *, answer_within_s: float) -> str:
        """Gives the charger a new password over OCPP, and returns it. Raises Problem when it keeps the old one."""
        key = ECKey.generate_key("P-256")
        asked = RotatePassword(
            charger_id=charger_id,
            call_id=uuid4(),
            asked_by=asked_by,
            not_after=self._clock.now() + BEGUN_WITHIN,
            answer_within_s=answer_within_s,
            reply_key={name: str(value) for name, value in key.as_dict(private=False).items()},
        )
        ended = await self._ask(asked)
        if not isinstance(ended, PasswordRotated):
            raise _not_answered(ended)
        try:
            opened = jwe.decrypt_compact(ended.sealed_password, key).plaintext or b""
        except JoseError as error:
            raise Problem(502, "The charger has a new password, but it can't be read: rotate it again") from error
        return opened.decode()

    async def _ask(self, asked: CallAsked) -> CallEnded:
        epoch = await self._epoch(asked.charger_id)
        within = BEGUN_WITHIN.total_seconds() + asked.answer_within_s + ON_THE_WAY_S
        envelope: Envelope[Message] = Envelope(
            id=asked.call_id,
            source=service_source(Service.PORTAL.value),
            time=self._clock.now(),
            data=asked,
            traceparent=current_traceparent(),
        )
        with self._wait(asked, epoch) as result:
            try:
                await self._publisher.publish(topics.OCPP_CALLS, envelope)
            except PublishFailedError as error:
                raise Problem(503, f"The call can't be passed on at the moment: {error}") from error
            try:
                async with asyncio.timeout(within):
                    return await result
            except TimeoutError:
                raise Problem(
                    504,
                    f"No bridge has told within {within:.0f} s what became of the call; it may have been made",
                    title="No answer",
                    why="timeout",
                    call_id=str(asked.call_id),
                ) from None

    @contextmanager
    def _wait(self, asked: CallAsked, epoch: int) -> Iterator["asyncio.Future[CallEnded]"]:
        result: asyncio.Future[CallEnded] = asyncio.get_running_loop().create_future()
        last_word_s = PASSWORD_KEPT_S if isinstance(asked, RotatePassword) else LAST_WORD_S
        self._waiting[asked.call_id] = _Waiting(asked.charger_id, epoch, result, last_word_s)
        try:
            yield result
        finally:
            del self._waiting[asked.call_id]

    async def _epoch(self, charger_id: str) -> int:
        """The session that the charger has now. Raises Problem when it has none, or nobody knows the charger."""
        async with self._database.begin() as session:
            row = (await session.execute(_WHERE, {"charger_id": charger_id})).first()
        if row is None:
            raise Problem(404, f"There is no charger {charger_id}")
        if not row.online:
            status, title = STATUSES["not_connected"]
            raise Problem(status, "Nothing can be asked of a charger that is offline", title=title, why="not_connected")
        return int(row.epoch)

    def _session_over(self, charger_id: str, epoch: int) -> None:
        """A session is over: calls to it or to older ones get no answer. The bridge says so, unless it died as well."""
        for call_id, waiting in self._waiting.items():
            if waiting.charger_id == charger_id and waiting.epoch <= epoch and not waiting.result.done():
                asyncio.get_running_loop().call_later(waiting.last_word_s, _give_up, call_id, waiting)


def _give_up(call_id: UUID, waiting: _Waiting) -> None:
    if not waiting.result.done():
        detail = "the charger's session ended, perhaps with the bridge that held it; the call may have been made"
        failed = CallFailed(charger_id=waiting.charger_id, call_id=call_id, why="session_ended", detail=detail)
        waiting.result.set_result(failed)


def _not_answered(ended: CallEnded) -> Problem:
    if not isinstance(ended, CallFailed):
        return Problem(502, "The bridge answered something else than was asked", call_id=str(ended.call_id))
    status, title = STATUSES[ended.why]
    said = f"{ended.code}: {ended.description}" if ended.description else ended.code
    detail = " ".join(part for part in (f"{ended.detail[:1].upper()}{ended.detail[1:]}", said and f"({said})") if part)
    more: dict[str, Any] = {"why": ended.why, "call_id": str(ended.call_id)}
    if ended.code is not None:
        more |= {"code": ended.code, "description": ended.description}
    headers = {"retry-after": "5"} if ended.why in {"too_soon_after_boot", "attempt_open"} else None
    return Problem(status, detail or title, title=title, headers=headers, **more)
