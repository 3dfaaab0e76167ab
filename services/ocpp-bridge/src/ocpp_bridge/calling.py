"""Makes one CALL of ours to a charger: in its turn, not too soon after a boot, with a deadline."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from weakref import WeakKeyDictionary, WeakSet

from chassis.clock import Clock
from contracts.calls import CallAsked, CallFailure
from ocpp_bridge import frames
from ocpp_bridge.frames import CallError, CallResult, Json
from ocpp_bridge.holders import Holders
from ocpp_bridge.quiet import Quiet
from ocpp_bridge.session import Session, SessionEndedError
from ocpp_bridge.store import UNAVAILABLE

GIVES_WAY_S = 3.0
"""So long a charger still has to answer a call once a Reset waits for it."""
LOOK_S = 0.25
"""How often it is looked whether the session of a call that waits still lasts."""
BOOT_REJECTED = "the charger's boot was rejected, and nothing may be sent to it (B03.FR.03)"


class NoResultError(Exception):
    """A call has no CALLRESULT, for a reason of `contracts.calls.CallFailed`.

    Attributes:
        why: in a word; `detail` in a sentence.
        refusal: the charger's CALLERROR, where there is one.
    """

    def __init__(self, why: CallFailure, detail: str = "", *, refusal: CallError | None = None) -> None:
        super().__init__(detail or why)
        self.why: CallFailure = why
        self.detail = detail
        self.refusal = refusal


class Calling:
    """The one way in which calls that are no Reset reach a charger.

    Args:
        on_call: told of each call that is about to be sent.
    """

    def __init__(
        self,
        *,
        holders: Holders,
        quiet: Quiet,
        clock: Clock,
        on_call: Callable[[Session, str, Json], None] | None = None,
    ) -> None:
        self._on_call = on_call
        self._holders = holders
        self._quiet = quiet
        self._clock = clock
        self._under_way: dict[Session, asyncio.Future[CallResult | CallError]] = {}
        self._queues: WeakKeyDictionary[Session, asyncio.Lock] = WeakKeyDictionary()
        self._hurried: WeakSet[Session] = WeakSet()

    @asynccontextmanager
    async def turn(self, session: Session, asked: CallAsked) -> AsyncIterator[None]:
        """Holds the charger's turn, from a moment when it may be called. Raises NoResultError when that never comes.

        Calls queue among themselves, and the first of them alone waits for the turn: so a Reset has one of them before
        it at most, however many there are for a charger that answers nothing any more.
        """
        queue = self._queues.setdefault(session, asyncio.Lock())
        await self._acquire(queue, asked)
        try:
            while True:
                await self._rest(session, asked)
                await self._acquire(session.turn, asked)
                if self._quiet.before_call(session.box) <= 0:
                    break
                session.turn.release()  # it has booted meanwhile
            try:
                yield
            finally:
                self._hurried.discard(session)
                session.turn.release()
        finally:
            queue.release()

    async def _acquire(self, lock: asyncio.Lock, asked: CallAsked) -> None:
        """Raises NoResultError when that takes longer than the call may wait."""
        try:
            async with asyncio.timeout(max(0.0, self._left(asked.not_after))):
                await lock.acquire()
        except TimeoutError:
            raise NoResultError("expired", "another call to the charger was under way all the time") from None

    async def call(self, session: Session, message_id: str, action: str, payload: Json, *, within: float) -> CallResult:
        """Sends a CALL and waits for its answer; the caller has the turn. Raises NoResultError.

        Args:
            session: the charger's.
            message_id: never used for this charger before.
            action: the name of the request.
            payload: its fields, valid for the session's version.
            within: seconds for the charger to answer.
        """
        if session.rejected:
            raise NoResultError("not_allowed", BOOT_REJECTED)
        if not await self._is_ours(session):
            raise NoResultError("session_ended", "the charger has a newer session")
        if self._on_call is not None:
            self._on_call(session, action, payload)
        try:
            answer = await session.begin_call(message_id, frames.call(message_id, action, payload))
        except SessionEndedError:
            raise NoResultError("session_ended", "the session ended before the call was sent") from None
        self._under_way[session] = answer
        if session in self._hurried:
            self.make_way(session)
        try:
            reply = await session.end_call(answer, within=within)
        except SessionEndedError:
            raise NoResultError("session_ended", "the session ended before the charger answered") from None
        except TimeoutError as error:
            why = str(error) or f"no answer within {within:g} s"
            raise NoResultError("timeout", f"{why}; the call may have been carried out all the same") from None
        finally:
            del self._under_way[session]
        if isinstance(reply, CallError):
            raise NoResultError("call_error", "the charger answered with an error", refusal=reply)
        return reply

    def make_way(self, session: Session) -> None:
        """A Reset waits for the turn: whoever has it gets a last moment for its answer."""
        answer = self._under_way.get(session)
        if answer is not None:
            asyncio.get_running_loop().call_later(GIVES_WAY_S, _give_up, answer)
        elif session.turn.locked():
            self._hurried.add(session)  # its call is about to be sent

    async def _rest(self, session: Session, asked: CallAsked) -> None:
        """Waits until the charger's boot is long enough ago. Raises NoResultError when that is too late."""
        while (wait := self._quiet.before_call(session.box, time.monotonic())) > 0:
            if wait > self._left(asked.not_after):
                raise NoResultError("too_soon_after_boot", f"the charger has just booted: try again in {wait:.0f} s")
            await asyncio.sleep(min(wait, LOOK_S))
            if session.over:
                raise NoResultError("session_ended", "the session ended before the call was sent")

    async def _is_ours(self, session: Session) -> bool:
        try:
            return not session.over and await self._holders.is_ours(session.charger_id, session.epoch)
        except UNAVAILABLE:
            return not session.over  # as far as this instance knows

    def _left(self, until: datetime) -> float:
        return (until - self._clock.now()).total_seconds()


def _give_up(answer: "asyncio.Future[CallResult | CallError]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("a restart could not wait any longer"))
