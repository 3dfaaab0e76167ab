"""Carries ResetCharger out, at most once each, and says what became of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4, uuid5

import structlog

from chassis import failpoints
from chassis.clock import Clock
from chassis.tasks import cancel, delays
from contracts.envelope import Envelope, Message
from contracts.ocpp import (
    ResetCharger,
    ResetNotDelivered,
    ResetNotWithdrawn,
    ResetSent,
    ResetWithdrawn,
    WithdrawReset,
)
from ocpp_bridge import frames
from ocpp_bridge.answers import WhyUnanswered, judge, reset_payload, unanswered
from ocpp_bridge.black_box import BlackBoxes
from ocpp_bridge.calling import Calling
from ocpp_bridge.frames import CallError, CallResult
from ocpp_bridge.ledger import UNANSWERED, Entry, Ledger
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.quiet import Quiet
from ocpp_bridge.session import Session, SessionEndedError
from ocpp_bridge.sessions import Sessions, Watch
from ocpp_bridge.store import UNAVAILABLE

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

TELL_LATER_S = 0.001
"""That a Reset was sent is told so much later: whoever passes the frame on, a proxy on this machine perhaps, may get
a core only when this process rests."""


class Resets:
    """The commands of all chargers that have their session here.

    On the way from the command to the frame there is one round trip to the database and nothing else.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        watch: Watch,
        ledger: Ledger,
        publishing: Publishing,
        clock: Clock,
        metrics: BridgeMetrics,
        answer_within: float,
        quiet: Quiet,
        calling: Calling,
        boxes: BlackBoxes,
    ) -> None:
        self._sessions = sessions
        self._watch = watch
        self._ledger = ledger
        self._publishing = publishing
        self._clock = clock
        self._metrics = metrics
        self._answer_within = answer_within
        self._quiet = quiet
        self._calling = calling
        self._boxes = boxes
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, envelope: Envelope[Message]) -> None:
        """Takes a record of ocpp.commands.v1 in; what comes of it runs on its own."""
        match envelope.data:
            case ResetCharger() as command:
                self._start(self._carry_out(command, time.perf_counter()))
            case WithdrawReset() as command:
                self._start(self._withdraw(command))
            case _:
                pass

    def stray_answer(self, session: Session, frame: CallResult | CallError) -> None:
        """An answer that its session does not wait for: perhaps to a Reset of an earlier session, or too late."""
        try:
            UUID(frame.message_id)
        except ValueError:
            return
        self._start(self._late(session, frame))

    async def bridge_lost(self, entry: Entry) -> None:
        """A Reset that a dead instance had claimed: it may have been sent, and is never sent again."""
        await self._unanswered(entry, "bridge_lost")

    async def finish(self, *, within: float) -> None:
        """Waits for what is under way, for so many seconds; then gives it up. The ledger knows what was left."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)
        for task in list(self._under_way):
            await cancel(task)

    async def _carry_out(self, command: ResetCharger, began: float) -> None:
        claim = uuid4()
        session = self._sessions.get(command.charger_id)
        if session is None or session.epoch != command.epoch or session.over or session.rejected:
            await self._decline(command, claim)
            return
        await self._rest(command, session)
        self._calling.make_way(session)
        async with session.turn:
            message_id = _message_id(command)
            if not await self._patiently(lambda: self._ledger.claim(command, message_id, claim)):
                return
            if self._too_late(command, self._clock.now()):
                await self._decline(command, claim)
                return
            await self._send(command, session, began)

    async def _rest(self, command: ResetCharger, session: Session) -> None:
        """Leaves a charger of a delicate model alone when it has just booted, for as long as the Reset may wait."""
        wait = self._quiet.before_reset(session.box)
        if wait > 0:
            left = (command.not_after - self._clock.now()).total_seconds()
            await asyncio.sleep(max(0.0, min(wait, left)))

    async def _send(self, command: ResetCharger, session: Session, began: float) -> None:
        message_id = _message_id(command)
        entry = Entry(command.attempt_id, command.charger_id, command.epoch, message_id, None, command.escalation)
        frame = frames.call(message_id, "Reset", reset_payload(session.dialect, command))
        self._watch.watch(command.charger_id, command.watch_until)
        failpoints.reach(failpoints.RESET_CLAIMED, lambda: command.charger_id)
        try:
            answer = await session.begin_call(message_id, frame)
        except SessionEndedError:
            await self._unanswered(entry, "session_ended")
            return
        session.began_at = time.monotonic()
        failpoints.reach(failpoints.RESET_SENT, lambda: command.charger_id)
        took = time.perf_counter() - began
        telling = self._start(self._tell_sent(command, message_id, frame, at=self._clock.now(), took=took))
        why: WhyUnanswered
        try:
            reply = await session.end_call(answer, within=self._answer_within)
        except TimeoutError:
            why = "timeout"
        except SessionEndedError:
            why = "session_ended"
        else:
            at = self._clock.now()
            self._boxes.answered(session.box, session.dialect, "Reset", reply)
            await asyncio.wait([telling])
            await self._answered(entry, reply, answer_epoch=session.epoch, at=at)
            return
        await asyncio.wait([telling])
        await self._unanswered(entry, why)

    async def _tell_sent(
        self, command: ResetCharger, message_id: str, frame: bytes, *, at: datetime, took: float
    ) -> None:
        await asyncio.sleep(TELL_LATER_S)
        self._metrics.reset_seconds.observe(took)
        log.info("a Reset was sent", charger=command.charger_id, epoch=command.epoch, attempt=str(command.attempt_id))
        sent = ResetSent(
            charger_id=command.charger_id,
            attempt_id=command.attempt_id,
            epoch=command.epoch,
            message_id=message_id,
            sent_at=at,
            frame=frame.decode(),
            escalation=command.escalation,
        )
        await self._publishing.answer(sent)

    async def _answered(self, entry: Entry, reply: CallResult | CallError, *, answer_epoch: int, at: datetime) -> None:
        outcome, event = judge(entry, reply, answer_epoch=answer_epoch, at=at)
        failpoints.reach(failpoints.ANSWER_HEARD, lambda: entry.charger_id)
        await self._publishing.answer(event)
        failpoints.reach(failpoints.ANSWER_PUBLISHED, lambda: entry.charger_id)
        self._metrics.resets.labels(outcome).inc()
        log.info("a Reset was answered", charger=entry.charger_id, attempt=str(entry.attempt_id), outcome=outcome)
        await self._patiently(lambda: self._ledger.settle(entry.attempt_id, outcome, entry.escalation))

    async def _unanswered(self, entry: Entry, why: WhyUnanswered) -> None:
        if not await self._patiently(lambda: self._ledger.is_open(entry.attempt_id, entry.escalation)):
            return  # the answer came on another session meanwhile
        await self._publishing.answer(unanswered(entry, why))
        self._metrics.resets.labels(UNANSWERED).inc()
        log.info("a Reset has no answer", charger=entry.charger_id, attempt=str(entry.attempt_id), why=why)
        await self._patiently(lambda: self._ledger.settle(entry.attempt_id, UNANSWERED, entry.escalation))

    async def _late(self, session: Session, frame: CallResult | CallError) -> None:
        entry = await self._patiently(lambda: self._ledger.find(session.charger_id, frame.message_id))
        if entry is None:
            return
        at = self._clock.now()
        outcome, _ = judge(entry, frame, answer_epoch=session.epoch, at=at)
        if outcome == UNANSWERED == entry.outcome:
            return  # that was said already
        self._metrics.late_answers.inc()
        self._boxes.answered(session.box, session.dialect, "Reset", frame)
        await self._answered(entry, frame, answer_epoch=session.epoch, at=at)

    async def _decline(self, command: ResetCharger, claim: UUID) -> None:
        """Says that nothing was sent and nothing will be, where it is for this instance to say so."""
        expired = self._too_late(command, self._clock.now())
        message_id = _message_id(command)
        why = await self._patiently(lambda: self._ledger.decline(command, message_id, claim, expired=expired))
        if why is None:
            return
        log.info("a Reset is not sent", charger=command.charger_id, attempt=str(command.attempt_id), why=why)
        self._metrics.resets.labels(why).inc()
        await self._publishing.answer(
            ResetNotDelivered(
                charger_id=command.charger_id,
                attempt_id=command.attempt_id,
                epoch=command.epoch,
                escalation=command.escalation,
                why=why,
            )
        )

    async def _withdraw(self, command: WithdrawReset) -> None:
        """Takes a Reset back that is not claimed, and says whether that was so.

        Every instance does both, whoever holds the socket: that one may be dead, or not have read so far.
        """
        claim, message_id = uuid4(), _message_id(command)
        withdrawn = await self._patiently(lambda: self._ledger.withdraw(command, message_id, claim))
        failpoints.reach(failpoints.RESET_WITHDRAWN, lambda: command.charger_id)
        log.info("a Reset is to be taken back", charger=command.charger_id, done=withdrawn)
        answer = ResetWithdrawn if withdrawn else ResetNotWithdrawn
        await self._publishing.answer(
            answer(
                charger_id=command.charger_id,
                attempt_id=command.attempt_id,
                epoch=command.epoch,
                escalation=command.escalation,
            )
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks the database until it answers."""
        for delay in delays(0.02, longest=0.5):
            try:
                return await ask()
            except UNAVAILABLE as error:
                log.warning("the ledger can't be reached", why=repr(error))
            await asyncio.sleep(delay)
        raise AssertionError("delays end never")

    @staticmethod
    def _too_late(command: ResetCharger, now: datetime) -> bool:
        return now > command.not_after

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="reset")
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a Reset went wrong", exc_info=error)


def _message_id(command: ResetCharger | WithdrawReset) -> str:
    """36 characters, unique for ever: the attempt's id for its first Reset, one that derives from it for the next."""
    if command.escalation == 0:
        return str(command.attempt_id)
    return str(uuid5(command.attempt_id, str(command.escalation)))
