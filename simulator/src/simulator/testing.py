"""A little server for tests of chargers: answers what chargers send, remembers it, and calls them."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import WSMsgType, web

from simulator import frames
from simulator.frames import CALL, CALLERROR, CALLRESULT, Incoming, Json, timestamp

Responder = Callable[[Json], Json | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame from a charger, with the number of the socket (from 1, over all chargers) that it came on."""

    socket: int
    frame: Incoming
    raw: str


@dataclass(slots=True)
class ServerSocket:
    """One charger's websocket; `close_code` is None while it is open and 1006 when no close frame came."""

    number: int
    identity: str
    websocket: web.WebSocketResponse
    close_code: int | None = None
    close_frame: bool = False


@dataclass(slots=True)
class LittleServer:
    """A websocket server without any rules of its own.

    Attributes:
        passwords: identity to password; None lets everybody in.
        responders: action to the function that answers it; one that returns None leaves the call unanswered.
        refuse_with: an HTTP status for every handshake, or None.
        choose_subprotocol: whether to choose one of those offered.
    """

    passwords: dict[str, bytes] | None = None
    responders: dict[str, Responder] = field(default_factory=dict)
    refuse_with: int | None = None
    choose_subprotocol: bool = True
    seen: list[Seen] = field(default_factory=list)
    sockets: list[ServerSocket] = field(default_factory=list)
    sent_calls: dict[str, str] = field(default_factory=dict)
    url: str = ""
    _runner: web.AppRunner | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _transactions: int = 0

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/ocpp/{identity}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=4096)
        await site.start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}/ocpp"
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self.sockets:
            if socket.close_code is None:
                await socket.websocket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- what chargers said

    def calls(self, action: str | None = None) -> list[Incoming]:
        """CALLs received, oldest first."""
        received = [seen.frame for seen in self.seen if seen.frame.kind == CALL]
        return received if action is None else [frame for frame in received if frame.action == action]

    def actions(self) -> list[str]:
        """The actions of all CALLs received, in order."""
        return [frame.action for frame in self.calls()]

    async def until(self, condition: Callable[[], bool], within: float = 10.0) -> None:
        """Wait until something that changes with frames and sockets is true.

        Raises:
            AssertionError: it did not become true in time; shows what was received instead.
        """
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"did not happen in {within:g} s; received: {[seen.raw for seen in self.seen]}"
            ) from None

    async def received(self, action: str, count: int = 1, within: float = 10.0) -> Incoming:
        """Wait for the count-th CALL of an action and return it."""
        await self.until(lambda: len(self.calls(action)) >= count, within)
        return self.calls(action)[count - 1]

    # -- what the server does

    async def call(self, action: str, payload: Json, message_id: str | None = None) -> str:
        """Send a CALL on the newest open socket and return its id."""
        message_id = message_id or frames.new_message_id()
        self.sent_calls[message_id] = action
        await self.newest().websocket.send_str(frames.call(message_id, action, payload).decode())
        return message_id

    async def answer_to(self, message_id: str, within: float = 10.0) -> Seen:
        """Wait for the CALLRESULT or CALLERROR to a call."""

        def answers() -> list[Seen]:
            wanted = (CALLRESULT, CALLERROR)
            return [seen for seen in self.seen if seen.frame.kind in wanted and seen.frame.message_id == message_id]

        await self.until(lambda: bool(answers()), within)
        return answers()[0]

    async def ask(self, action: str, payload: Json) -> Any:
        """Send a CALL and return the answer's payload, or the error code of a CALLERROR."""
        frame = (await self.answer_to(await self.call(action, payload))).frame
        return frame.payload if frame.kind == CALLRESULT else frame.error_code

    def newest(self) -> ServerSocket:
        """The newest socket that is open."""
        return next(socket for socket in reversed(self.sockets) if socket.close_code is None)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        identity = request.match_info["identity"]
        if self.refuse_with is not None:
            return web.Response(status=self.refuse_with)
        if self.passwords is not None and not self._knows(identity, request.headers.get("Authorization", "")):
            return web.Response(status=401)
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        protocols = (offered[0].strip(),) if self.choose_subprotocol else ()
        websocket = web.WebSocketResponse(protocols=protocols, autoclose=False)
        await websocket.prepare(request)
        socket = ServerSocket(len(self.sockets) + 1, identity, websocket)
        self.sockets.append(socket)
        self._news.set()
        while True:
            message = await websocket.receive()
            if message.type is not WSMsgType.TEXT:
                break
            await self._take(socket, message.data)
        socket.close_frame = message.type is WSMsgType.CLOSE
        socket.close_code = websocket.close_code if socket.close_frame else 1006
        await websocket.close()
        self._news.set()
        return websocket

    def _knows(self, identity: str, authorization: str) -> bool:
        expected = identity.encode() + b":" + (self.passwords or {}).get(identity, b"")
        return authorization == f"Basic {base64.b64encode(expected).decode()}"

    async def _take(self, socket: ServerSocket, text: str) -> None:
        try:
            frame = frames.parse(text)
        except frames.UnreadableFrameError:
            frame = Incoming(0, "")
        self.seen.append(Seen(socket.number, frame, text))
        self._news.set()
        if frame.kind != CALL:
            return
        answer = self.responders.get(frame.action, self._usual(frame.action))(frame.payload)
        if answer is not None:
            await socket.websocket.send_str(orjson.dumps([CALLRESULT, frame.message_id, answer]).decode())

    def _usual(self, action: str) -> Responder:
        match action:
            case "BootNotification":
                return lambda _: {"status": "Accepted", "currentTime": timestamp(), "interval": 300}
            case "Heartbeat":
                return lambda _: {"currentTime": timestamp()}
            case "StartTransaction":
                self._transactions += 1
                number = self._transactions
                return lambda _: {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
            case _:
                return lambda _: {}
