"""Takes up the calls that operators ask for, where their charger is here, and says what came of each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Coroutine
from typing import Any

import structlog

from chassis.clock import Clock
from chassis.tasks import cancel
from contracts.calls import CallAnswered, CallAsked, CallCharger, CallEnded, CallFailed, RotatePassword
from contracts.envelope import Envelope, Message
from ocpp_bridge.allowed_calls import Forbids, asks_for_boot, obstacle
from ocpp_bridge.black_box import BlackBoxes
from ocpp_bridge.calling import Calling, NoResultError
from ocpp_bridge.credentials import Credentials
from ocpp_bridge.frames import CallResult
from ocpp_bridge.holders import Holders
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.redaction import without_secrets
from ocpp_bridge.session import Session
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.store import UNAVAILABLE

log = structlog.stdlib.get_logger(__name__)

Rotate = Callable[[RotatePassword, Session], Awaitable[CallEnded]]
"""Gives a charger a new password, and tells what came of it. Raises NoResultError."""


class OperatorCalls:
    """The records of ocpp.calls.v1. Every instance reads them all and acts on the chargers whose socket it holds.

    Nothing is remembered of a call: it is short, somebody waits for it, and it is answered or it is lost with us.

    Args:
        open_attempts: the chargers that are being restarted.
        forbids: judges settings that a call would change; see `allowed_calls`.
        rotate: changes a charger's password.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        calling: Calling,
        holders: Holders,
        credentials: Credentials,
        open_attempts: Container[str],
        forbids: Forbids,
        rotate: Rotate,
        publishing: Publishing,
        clock: Clock,
        metrics: BridgeMetrics,
        boxes: BlackBoxes,
    ) -> None:
        self._sessions = sessions
        self._calling = calling
        self._holders = holders
        self._credentials = credentials
        self._open_attempts = open_attempts
        self._forbids = forbids
        self._rotate = rotate
        self._publishing = publishing
        self._clock = clock
        self._metrics = metrics
        self._boxes = boxes
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, envelope: Envelope[Message]) -> None:
        """Takes a record of ocpp.calls.v1 in; what comes of it runs on its own."""
        asked = envelope.data
        if isinstance(asked, CallCharger | RotatePassword):
            self._start(self._carry_out(asked))

    async def finish(self, *, within: float) -> None:
        """Waits for what is under way, for so many seconds; then gives it up."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)
        for task in list(self._under_way):
            await cancel(task)

    async def _carry_out(self, asked: CallCharger | RotatePassword) -> None:
        session = self._sessions.get(asked.charger_id)
        if session is None or session.over:
            await self._not_here(asked)
            return
        began = time.perf_counter()
        try:
            if isinstance(asked, CallCharger):
                ended = await self._call(asked, session)
            else:
                self._still_in_time(asked)
                ended = await self._rotate(asked, session)
        except NoResultError as error:
            ended = self._failed(asked, error)
        outcome = ended.why if isinstance(ended, CallFailed) else "answered"
        action = asked.action if isinstance(asked, CallCharger) else "RotatePassword"
        known = outcome not in {"not_allowed", "invalid"}
        log.info("an operator's call", charger=asked.charger_id, action=action, by=asked.asked_by, outcome=outcome)
        self._metrics.operator_calls.labels(action if known else "other", outcome).inc()
        if outcome in {"answered", "call_error"}:
            self._metrics.operator_call_seconds.observe(time.perf_counter() - began)
        await self._publishing.call_ended(ended)

    async def _call(self, asked: CallCharger, session: Session) -> CallEnded:
        self._allow(asked, session)
        async with self._calling.turn(session, asked):
            self._allow(asked, session)  # a restart may have begun meanwhile
            if asks_for_boot(asked.action, asked.payload):
                session.box.asked_to_boot = True
            result = await self._calling.call(
                session, str(asked.call_id), asked.action, asked.payload, within=asked.answer_within_s
            )
        return self._answered(asked, session, result)

    def _allow(self, asked: CallCharger, session: Session) -> None:
        """Raises NoResultError unless the call may be made now."""
        self._still_in_time(asked)
        credential = self._credentials.of(asked.charger_id)
        found = obstacle(
            session.dialect,
            asked.action,
            asked.payload,
            profile=credential.security_profile if credential is not None else 0,
            attempt_open=asked.charger_id in self._open_attempts,
            forbids=self._forbids,
        )
        if found is not None:
            raise NoResultError(found.why, found.detail)

    def _still_in_time(self, asked: CallAsked) -> None:
        if self._clock.now() > asked.not_after:
            raise NoResultError("expired", "the call came too late to be begun")

    def _answered(self, asked: CallCharger, session: Session, result: CallResult) -> CallAnswered:
        self._boxes.answered(session.box, session.dialect, asked.action, result)
        return CallAnswered(
            charger_id=asked.charger_id,
            call_id=asked.call_id,
            answered_at=self._clock.now(),
            payload=without_secrets(result.payload),
        )

    @staticmethod
    def _failed(asked: CallAsked, error: NoResultError) -> CallFailed:
        refusal = error.refusal
        return CallFailed(
            charger_id=asked.charger_id,
            call_id=asked.call_id,
            why=error.why,
            detail=error.detail,
            code=refusal.code if refusal is not None else None,
            description=refusal.description if refusal is not None else None,
        )

    async def _not_here(self, asked: CallAsked) -> None:
        """Says that the charger has no session, where it is for this instance to say so."""
        if self._clock.now() > asked.not_after:
            return
        try:
            ours = await self._holders.answers_for(asked.charger_id)
        except UNAVAILABLE as error:
            log.warning("it can't be told where a charger is", charger=asked.charger_id, why=repr(error))
            return
        if ours:
            self._metrics.operator_calls.labels("other", "not_connected").inc()
            nobody = NoResultError("not_connected", "the charger has no session")
            await self._publishing.call_ended(self._failed(asked, nobody))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="operator-call")
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an operator's call went wrong", exc_info=error)
