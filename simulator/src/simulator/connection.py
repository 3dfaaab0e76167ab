"""One websocket of one charger: calls and their answers, and the many ways in which it can end."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from enum import Enum
from time import monotonic

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from simulator import frames
from simulator.facts import CallRefused, Facts
from simulator.frames import CALL, CALLERROR, CALLRESULT, Incoming, Json

CallHandler = Callable[["Connection", Incoming], None]


class Ending(Enum):
    """How a socket ends, as the other side sees it."""

    ABRUPT = "TCP ends without a close frame"
    CLOSE_FRAME = "a close frame without a code"
    NORMAL = "a close frame with code 1000"
    SILENT = "nothing: the socket stays open and dead"


class SocketGoneError(Exception):
    """The socket ended before the call was answered, or was never there."""


class UnansweredError(Exception):
    """The other side did not answer a call in time."""


class CallRefusedError(Exception):
    """The other side answered a call with a CALLERROR."""

    def __init__(self, action: str, code: str, description: str) -> None:
        super().__init__(f"{action} was answered with CALLERROR {code}: {description}")
        self.code = code


class Connection:
    """Reads frames in a task of its own; sends calls one at a time, as OCPP-J asks of a charger."""

    def __init__(
        self, websocket: ClientWebSocketResponse[bool], number: int, facts: Facts, take_call: CallHandler
    ) -> None:
        self.number = number
        self._websocket = websocket
        self._facts = facts
        self._take_call = take_call
        self._turn = asyncio.Lock()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._waiting: dict[str, tuple[str, asyncio.Future[Json]]] = {}
        self._ended = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @property
    def open(self) -> bool:
        return not self._ended.is_set()

    @property
    def abandoned(self) -> bool:
        """Whether the charger is done with the socket while TCP still holds it open."""
        return self._ended.is_set() and not self._websocket.closed

    async def call(self, action: str, payload: Json, timeout: float) -> Json:  # noqa: ASYNC109 a limit in real seconds
        """Send a CALL and wait for its answer.

        Args:
            action: the OCPP action.
            payload: its fields.
            timeout: seconds to wait for the answer, once sent.

        Raises:
            SocketGoneError: the socket is gone.
            UnansweredError: no answer in time.
            CallRefusedError: the answer is a CALLERROR.
        """
        async with self._turn:
            message_id = frames.new_message_id()
            answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
            self._waiting[message_id] = (action, answer)
            try:
                await self.send(frames.call(message_id, action, payload))
                async with asyncio.timeout(timeout):
                    return await answer
            except TimeoutError:
                self._facts.unanswered += 1
                self._facts.note(self.number, "event", f"no answer to {action} in {timeout:g} s")
                raise UnansweredError(action) from None
            finally:
                self._waiting.pop(message_id, None)

    async def post(self, action: str, payload: Json) -> str:
        """Send a CALL without waiting for a turn or an answer, and return its id: what impolite firmware does."""
        message_id = frames.new_message_id()
        await self.send(frames.call(message_id, action, payload))
        return message_id

    async def reply(self, message_id: str, payload: Json) -> None:
        await self.send(frames.result(message_id, payload))

    async def refuse(self, message_id: str, code: str, description: str = "") -> None:
        await self.send(frames.error(message_id, code, description))

    async def send(self, text: str | bytes) -> None:
        """Send one text frame as it is, well-formed or not.

        Raises:
            SocketGoneError: the socket is gone.
        """
        if not self._thawed.is_set():
            await self._thawed.wait()
        if self._ended.is_set():
            raise SocketGoneError
        self._facts.note(self.number, "sent", text)
        try:
            await self._websocket.send_frame(text if isinstance(text, bytes) else text.encode(), WSMsgType.TEXT)
        except (aiohttp.ClientError, OSError) as broken:
            raise SocketGoneError from broken

    async def ended(self) -> None:
        """Wait until the socket is gone or given up."""
        await self._ended.wait()

    async def end(self, ending: Ending) -> None:
        """End the socket in the given manner; does nothing when it is gone already."""
        if self._ended.is_set():
            return
        self._facts.note(self.number, "event", f"ends its socket: {ending.value}")
        match ending:
            case Ending.SILENT:
                self._stop_reading()
            case Ending.ABRUPT:
                self._stop_reading()
                self._shut_down_tcp()
                await self._close_quietly()
            case Ending.CLOSE_FRAME:
                self._stop_reading()
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await self._websocket.send_frame(b"", WSMsgType.CLOSE)
                self._shut_down_tcp(socket.SHUT_WR)
                await self._close_quietly()
            case Ending.NORMAL:
                self._stop_reading()
                await self._close_quietly()

    async def freeze(self, seconds: float) -> None:
        """Neither read nor write, not even a pong, for so many real seconds: a process that hangs."""
        self._thawed.clear()
        self._reader.cancel()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._thawed.set()
            if not self._ended.is_set():
                self._reader = asyncio.create_task(self._read())

    async def discard(self) -> None:
        """Free a socket that was left silently dead."""
        self._shut_down_tcp()
        await self._close_quietly()

    async def _read(self) -> None:
        receive = self._websocket.receive
        while True:
            message = await receive()
            if message.type is not WSMsgType.TEXT:
                break
            self._facts.note(self.number, "received", message.data)
            try:
                frame = frames.parse(message.data)
            except frames.UnreadableFrameError as why:
                with contextlib.suppress(SocketGoneError):
                    await self.refuse(why.message_id, "ProtocolError", str(why))
                continue
            self._take(frame)
        self._facts.note(self.number, "event", f"socket ended by the other side ({self._websocket.close_code})")
        self._mark_ended()
        await self._close_quietly()

    def _take(self, frame: Incoming) -> None:
        if frame.kind == CALL:
            self._take_call(self, frame)
        elif frame.kind in (CALLRESULT, CALLERROR):
            action, answer = self._waiting.get(frame.message_id, ("", None))
            if frame.kind == CALLERROR:
                refused = CallRefused(monotonic(), frame.message_id, action, frame.error_code)
                self._facts.calls_refused.append(refused)
            if answer is None or answer.done():
                self._facts.answers_unmatched += 1
            elif frame.kind == CALLERROR:
                answer.set_exception(CallRefusedError(action, frame.error_code, frame.error_description))
            else:
                answer.set_result(frame.payload)

    def _stop_reading(self) -> None:
        self._mark_ended()
        self._reader.cancel()

    def _mark_ended(self) -> None:
        self._ended.set()
        self._facts.sockets_ended += 1
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(SocketGoneError())

    def _shut_down_tcp(self, how: int = socket.SHUT_RDWR) -> None:
        # Through a duplicate of the descriptor, because neither aiohttp nor every event loop's transport
        # has a public way of ending TCP without a close frame.
        transport_socket = self._websocket.get_extra_info("socket")
        if transport_socket is None or transport_socket.fileno() < 0:
            return
        with socket.socket(fileno=os.dup(transport_socket.fileno())) as duplicate, contextlib.suppress(OSError):
            duplicate.shutdown(how)

    async def _close_quietly(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            await self._websocket.close()
