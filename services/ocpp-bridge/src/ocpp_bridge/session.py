"""One websocket of one charger: reads frames, answers CALLs in their order, sends ours one at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

import structlog
from aiohttp import WebSocketError, WSCloseCode, WSMsgType

from ocpp_bridge import frames
from ocpp_bridge.allowance import Allowance, Limits
from ocpp_bridge.black_box import Box
from ocpp_bridge.dialects import Dialect
from ocpp_bridge.frames import Call, CallError, CallResult, CallResultError, Send, UnknownKind, Unreadable
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.schemas import Violation
from ocpp_bridge.wire import CLOSE, PING, PONG, TEXT, Wire, close_frame

log = structlog.stdlib.get_logger(__name__)

Why = Literal["closed", "lost", "silent", "replaced", "bridge_stopped", "refused"]
"""How a session ended, in the words of ChargerDisconnected."""

SEND_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0

_CODES: dict[Why, WSCloseCode] = {
    "replaced": WSCloseCode.POLICY_VIOLATION,
    "refused": WSCloseCode.POLICY_VIOLATION,
    "bridge_stopped": WSCloseCode.GOING_AWAY,
}


class SessionEndedError(Exception):
    """The session is over; nothing can be sent on it any more."""


Answering = Callable[["Session", Call, bytes], bytes | Awaitable[bytes | None]]
"""Gives the frame that answers a CALL: at once, or when all it waits for is done; None when it gets no answer."""

StrayAnswer = Callable[["Session", CallResult | CallError], None]
"""Told of an answer that this session is not waiting for."""


class Session:
    """A session number `epoch` of a charger, from the opened websocket to its end.

    There is no task for it: what comes is handled as it comes, what is waited for calls back.

    Attributes:
        instance: the name of the bridge instance that holds it.
        accepted: the charger's last boot, on this session or an earlier one, was accepted.
        rejected: the last boot was rejected: nothing may be sent to the charger (B03.FR.03).
        fenced: a newer session has begun: nothing that still comes here counts.
        box: what is remembered of the charger for those who look inside.
        turn: held by whoever has a CALL of ours under way: one at a time (2.x part 4, 4.1.1).
        opened_at: when it began.
        began_at: the same in monotonic seconds, or when the last Reset was written on it.
        heard_at: monotonic seconds of the last frame, ping or pong.
        pinged_at: monotonic seconds of the last ping of ours.
        asked_at: monotonic seconds of the first ping since then; greater than `heard_at` while nothing has answered it.
    """

    __slots__ = (
        "__weakref__", "_allowance", "_answering", "_calls", "_deadline", "_expected", "_finished", "_limits",
        "_metrics", "_on_end", "_on_gone", "_stray", "_why", "_wire", "_worker", "accepted", "asked_at", "began_at",
        "box", "charger_id", "dialect", "epoch", "fenced", "heard_at", "instance", "opened_at", "pinged_at",
        "rejected", "turn",
    )  # fmt: skip

    def __init__(
        self,
        wire: Wire,
        *,
        charger_id: str,
        epoch: int,
        instance: str,
        dialect: Dialect,
        opened_at: datetime,
        accepted: bool,
        limits: Limits,
        answering: Answering,
        stray: StrayAnswer,
        on_end: Callable[["Session"], None],
        on_gone: Callable[["Session"], None],
        metrics: BridgeMetrics,
        box: Box,
    ) -> None:
        now = time.monotonic()
        self.box = box
        self.charger_id = charger_id
        self.epoch = epoch
        self.instance = instance
        self.dialect = dialect
        self.opened_at = opened_at
        self.accepted = accepted
        self.rejected = False
        self.fenced = False
        self.turn = asyncio.Lock()
        self.began_at = self.heard_at = self.pinged_at = self.asked_at = now
        self._wire = wire
        self._on_end = on_end
        self._on_gone = on_gone
        self._limits = limits
        self._answering = answering
        self._stray = stray
        self._metrics = metrics
        self._allowance = Allowance(limits, now)
        self._calls: list[tuple[Call, bytes]] = []
        self._worker: asyncio.Future[bytes | None] | None = None
        self._expected: tuple[str, asyncio.Future[CallResult | CallError]] | None = None
        self._why: Why | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._finished = False
        wire.listen(self)

    @property
    def why(self) -> Why | None:
        """How it ended; None while it lasts."""
        return self._why

    @property
    def over(self) -> bool:
        """Whether it has ended or is being ended."""
        return self._why is not None

    def received(self, kind: WSMsgType, data: Any) -> None:
        """A message or control frame came."""
        self.heard_at = now = time.monotonic()
        if kind is TEXT:
            if self._why is None:
                self._take(data, now)
        elif kind is PING:
            if self._may_go_on(now):
                self._quietly(data, PONG)
        elif kind is CLOSE:
            if self._why is None:
                self._quietly(close_frame(data or WSCloseCode.OK), CLOSE)
            self._wire.deafen()
            self._wire.transport.close()
            self._give_up_later()
            self._finish("closed")
        elif kind is PONG:
            self._may_go_on(now)
        elif kind is WSMsgType.BINARY and self._why is None:
            self._refuse_bad(Unreadable(frames.UNREADABLE_ID, "OCPP-J frames are text frames"), now)

    def broken(self, error: WebSocketError) -> None:
        """The charger broke the websocket protocol: it is told so, and not read any more."""
        log.warning(
            "the charger broke the websocket protocol", charger=self.charger_id, epoch=self.epoch, why=str(error)
        )
        self._metrics.bad_frames.labels(self.dialect.protocol, f"ws {error.code}").inc()
        if self._why is None:
            self._quietly(close_frame(error.code), CLOSE)
        self._give_up_later()
        self._finish("refused")

    def stuck(self) -> None:
        """The charger has not read for some time."""
        self.end("silent")

    def gone(self) -> None:
        """The connection is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._finish("lost")
        self._on_gone(self)

    def _finish(self, how: Why) -> None:
        if self._finished:
            return
        self._finished = True
        if self._why is None:
            self._why = how
        self._nobody_answers()
        self._on_end(self)

    def _take(self, data: bytes, now: float) -> None:
        if not self._may_go_on(now, len(data)):
            return
        self.box.keep(data, by_charger=True, now=now)
        if len(data) > self._limits.frame_soft_limit:
            self._refuse_big(data, now)
            return
        frame = frames.parse(data)
        match frame:
            case Call():
                self._take_call(frame, data)
            case CallResult() | CallError():
                self._take_answer(frame)
            case Unreadable():
                self._refuse_bad(frame, now)
            case Send() | CallResultError() if self.dialect.sends:
                self._metrics.unanswerable.labels(self.dialect.protocol, type(frame).__name__).inc()
            case Send(message_id=message_id) | CallResultError(message_id=message_id):
                self._refuse_kind(message_id)
            case UnknownKind(message_id=message_id):
                self._refuse_kind(message_id)

    def _may_go_on(self, now: float, size: int = 0) -> bool:
        """Counts a frame, a long one for several; too many of them end the session."""
        if self._why is None and not self._allowance.frame(now, size):
            self._flooded("more frames than it may send")
        return self._why is None

    def _take_call(self, call: Call, data: bytes) -> None:
        if self._worker is None:
            self._begin(call, data)
        elif len(self._calls) >= self._limits.waiting_calls:
            self._flooded("more CALLs than are answered")
        else:
            self._calls.append((call, data))

    def _begin(self, call: Call, data: bytes) -> None:
        answer = self._answering(self, call, data)
        if isinstance(answer, bytes):
            self._quietly(answer)
        else:
            # Answers to our own CALLs and pongs are read on while this one waits for Kafka.
            self._worker = asyncio.ensure_future(answer)
            self._worker.add_done_callback(self._answered)

    def _answered(self, answered: asyncio.Future[bytes | None]) -> None:
        """Answers the CALL at hand, and then those that came meanwhile, in their order.

        It goes on when the socket has ended, since what was said was said; a newer session ends it.
        """
        self._worker = None
        reply = None if answered.cancelled() else answered.result()
        if reply is not None:
            self._quietly(reply)
        while self._calls and self._worker is None and not self.fenced:
            self._begin(*self._calls.pop(0))

    def _take_answer(self, frame: CallResult | CallError) -> None:
        if self._expected is not None and self._expected[0] == frame.message_id and not self._expected[1].done():
            self._expected[1].set_result(frame)
        else:
            self._stray(self, frame)

    async def begin_call(self, message_id: str, data: bytes) -> asyncio.Future[CallResult | CallError]:
        """Writes a CALL; the caller holds `turn` and waits for the answer with `end_call`. Raises SessionEndedError."""
        future: asyncio.Future[CallResult | CallError] = asyncio.get_running_loop().create_future()
        self._expected = (message_id, future)
        try:
            self.send(data)
        except SessionEndedError:
            self._expected = None
            raise
        return future

    async def end_call(
        self, answer: asyncio.Future[CallResult | CallError], *, within: float
    ) -> CallResult | CallError:
        """Waits for the answer to the CALL that was begun. Raises SessionEndedError, or TimeoutError after `within`."""
        try:
            async with asyncio.timeout(within):
                return await answer
        finally:
            self._expected = None

    def send(self, data: bytes) -> None:
        """Writes a text frame. Raises SessionEndedError when the session is over."""
        if self._why is not None:
            raise SessionEndedError
        try:
            self._wire.write(data)
        except ConnectionError as error:
            raise SessionEndedError from error
        self.box.keep(data, by_charger=False, now=time.monotonic())

    def ping(self) -> None:
        """Asks for a pong; `heard_at` tells when it came."""
        self.pinged_at = time.monotonic()
        if self.asked_at <= self.heard_at:
            self.asked_at = self.pinged_at
        self._quietly(b"", PING)

    def fence(self) -> None:
        """A newer session has begun: nothing that comes from now on counts."""
        self.fenced = True
        self._calls.clear()
        self.end("replaced")

    def end(self, why: Why) -> None:
        """Ends the session: with a close frame, or at once when nobody is there to read it."""
        if self._why is not None:
            return
        self._why = why
        self._nobody_answers()
        if why == "silent":
            self._wire.transport.abort()
            return
        self._quietly(close_frame(_CODES.get(why, WSCloseCode.OK), why), CLOSE)
        self._give_up_later()

    def _give_up_later(self) -> None:
        """Reads on until the charger's own close frame comes (RFC 6455, 7.1.1), but not for ever."""
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self._wire.transport.abort)

    def _nobody_answers(self) -> None:
        if self._expected is not None and not self._expected[1].done():
            self._expected[1].set_exception(SessionEndedError())

    def _refuse_big(self, data: bytes, now: float) -> None:
        limit = self._limits.frame_soft_limit
        log.warning("a frame is too big", charger=self.charger_id, epoch=self.epoch, limit=limit)
        kind, message_id = frames.opening(data)
        why = f"the frame has more than {limit} bytes"
        bad = Unreadable(message_id, why, asked=kind is None or kind == frames.CALL)
        self._refuse_bad(bad, now, code=self.dialect.codes[Violation.FORMAT], reason="too big")

    def _refuse_bad(self, bad: Unreadable, now: float, *, code: str | None = None, reason: str = "unreadable") -> None:
        self._metrics.bad_frames.labels(self.dialect.protocol, reason).inc()
        if not self._allowance.bad_frame(now):
            self._flooded("too many frames that are none")
        elif bad.asked:
            error = frames.call_error(bad.message_id, code or self.dialect.unreadable, bad.why)
            self._quietly(error)

    def _refuse_kind(self, message_id: str) -> None:
        self._metrics.bad_frames.labels(self.dialect.protocol, "message type").inc()
        if self.dialect.unknown_kind is not None:
            error = frames.call_error(message_id, self.dialect.unknown_kind, "the message type is 2, 3 or 4")
            self._quietly(error)

    def _flooded(self, why: str) -> None:
        log.warning(
            "the charger floods its session, which is closed", charger=self.charger_id, epoch=self.epoch, why=why
        )
        self._metrics.floods.labels(self.dialect.protocol).inc()
        self.fenced = True
        self.end("refused")

    def _quietly(self, data: bytes, kind: WSMsgType = TEXT) -> None:
        """Writes, to a charger that may be gone by now."""
        try:
            if kind is TEXT:
                self.send(data)
            else:
                self._wire.write(data, kind)
        except (SessionEndedError, ConnectionError):
            pass
