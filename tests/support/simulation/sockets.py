"""Connections between chargers and bridges: ordered frames, latency, and every way in which they can end."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context

from aiohttp import WSMessage, WSMsgType

from ocpp_bridge.wire import Listening, Nobody
from simulation.loop import OUTSIDE, Process, VirtualLoop

Message = tuple[WSMsgType, bytes]
CODE_LENGTH = 2


class Line:
    """One connection between a charger and a bridge.

    Attributes:
        process: of the bridge that holds it.
        mute: nothing gets through any more, and nobody is told.
        epoch: the number that the bridge gave the session, once it has.
    """

    def __init__(
        self, loop: VirtualLoop, charger_id: str, protocol: str, process: Process, trouble: asyncio.Event
    ) -> None:
        self._loop = loop
        self._trouble = trouble
        self._last = {True: 0.0, False: 0.0}
        self.charger_id = charger_id
        self.protocol = protocol
        self.process = process
        self.mute = False
        self.gone = False
        self.epoch: int | None = None
        self.opened_at = loop.time()
        self.ended_at: float | None = None
        self.charger = ChargerEnd(self)
        self.bridge = BridgeEnd(self)

    @property
    def needs_watching(self) -> bool:
        """Whether only pings can tell that nobody is there."""
        return not self.bridge.closed and (self.mute or self.gone or not self.charger.reading)

    def unnoticed(self) -> None:
        """Something happened that only a ping can find out."""
        self._trouble.set()

    def carry(self, message: Message, *, to_bridge: bool) -> None:
        """Takes a frame to the other side, after those before it."""
        if self.mute or self.gone:
            return
        self._loop.call_at(self._arrival(to_bridge), self._arrive, message, to_bridge, context=self._at(to_bridge))

    def cut(self, *, by_bridge: bool) -> None:
        """Ends TCP; the other side learns of it, unless the connection is mute."""
        if self.gone:
            return
        self.gone = True
        self.ended_at = self._loop.time()
        mine: Callable[[], None] = self.bridge.over if by_bridge else self.charger.over
        self._loop.call_soon(mine, context=self._at(by_bridge))
        if not self.mute:
            other: Callable[[], None] = self.charger.over if by_bridge else self.bridge.over
            self._loop.call_at(self._arrival(not by_bridge), other, context=self._at(not by_bridge))

    def reset(self) -> None:
        """Ends TCP for both sides, as a router that restarts does."""
        if not self.gone:
            self.cut(by_bridge=True)
            self._loop.call_at(self._arrival(True), self.bridge.over, context=self._at(True))

    def silence(self) -> None:
        """From now on nothing gets through, in either direction, and no end of TCP either."""
        self.mute = True
        if self.ended_at is None:
            self.ended_at = self._loop.time()
        self.unnoticed()

    def _arrival(self, to_bridge: bool) -> float:
        arrives = max(self._loop.time() + self._loop.random.uniform(0.0005, 0.02), self._last[to_bridge])
        self._last[to_bridge] = arrives
        return arrives

    def _at(self, bridge: bool) -> Context:
        return self.process.context if bridge else OUTSIDE

    def _arrive(self, message: Message, to_bridge: bool) -> None:
        if not self.mute:
            (self.bridge if to_bridge else self.charger).put(message)


class ChargerEnd:
    """The charger's side, with the part of aiohttp's client websocket that simulated chargers use."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._inbox: deque[Message] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.reading = True
        self.closed = False
        self.close_code: int | None = None
        self.protocol: str | None = line.protocol

    def put(self, message: Message) -> None:
        """A frame arrives."""
        if not self.closed:
            self._inbox.append(message)
            self._stir()

    def over(self) -> None:
        """TCP has ended."""
        if not self.closed:
            self.closed = True
            self._inbox.append((WSMsgType.CLOSED, b""))
            self._stir()

    async def receive(self) -> WSMessage:
        """The next message; answers pings meanwhile, which nobody does who does not receive."""
        self.reading = True
        try:
            while True:
                while not self._inbox:
                    self._waiting = asyncio.get_running_loop().create_future()
                    await self._waiting
                kind, data = self._inbox.popleft()
                if kind is WSMsgType.PING:
                    self._line.carry((WSMsgType.PONG, data), to_bridge=True)
                    continue
                if kind is not WSMsgType.TEXT:
                    self.close_code = 1000 if kind is WSMsgType.CLOSE else 1006
                    return WSMessage(kind, data, None)
                return WSMessage(kind, data.decode(), None)
        except asyncio.CancelledError:
            self.reading = False
            self._line.unnoticed()
            raise

    async def send_frame(self, data: bytes, kind: WSMsgType) -> None:
        if self.closed:
            raise ConnectionResetError("the connection is closed")
        self._line.carry((kind, bytes(data)), to_bridge=True)

    async def close(self) -> bool:
        if not self.closed:
            self._line.carry((WSMsgType.CLOSE, b""), to_bridge=True)
            self.closed = True
        return True

    def shut_down(self) -> None:
        """Ends TCP without a close frame."""
        self.closed = True
        self._line.cut(by_bridge=False)

    def _stir(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class BridgeEnd:
    """The bridge's side, in the place of `ocpp_bridge.wire.Wire`; its own transport too."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.transport = self
        self.closed = False
        self._deaf = False
        self._told = False
        self._listening: Listening = Nobody()
        self.on_frame: Callable[[bytes], None] = lambda _: None

    def listen(self, listening: Listening) -> None:
        self._listening = listening

    def write(self, data: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        if self.closed:
            raise ConnectionResetError("the connection is over")
        self.line.carry((kind, bytes(data)), to_bridge=False)

    def deafen(self) -> None:
        self._deaf = True

    def data_received(self, data: bytes) -> None:
        raise AssertionError(f"nothing comes with a handshake here, but {data!r} did")

    def put(self, message: Message) -> None:
        """A frame arrives."""
        if not self._deaf and not self.closed:
            kind, data = message
            if kind is WSMsgType.TEXT:
                self.on_frame(data)
            self._listening.received(
                kind, int.from_bytes(data[:CODE_LENGTH], "big") if kind is WSMsgType.CLOSE else data
            )

    def over(self) -> None:
        """TCP has ended."""
        if not self._told:
            self.closed = self._told = self._deaf = True
            self._listening.gone()

    def abort(self) -> None:
        self.closed = True
        self.line.cut(by_bridge=True)

    def close(self) -> None:
        self.abort()

    def is_closing(self) -> bool:
        return self.closed
