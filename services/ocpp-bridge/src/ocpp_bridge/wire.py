"""A websocket after its handshake (RFC 6455, 7692): frames in and out, with no task or queue of its own."""

import asyncio
import struct
import zlib
from typing import Any, Protocol

from aiohttp import WebSocketError, WSMessage, WSMsgType
from aiohttp._websocket.models import WSMessageTextBytes
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

from ocpp_bridge.inflating import InflatingReader

TEXT, CLOSE, PING, PONG = WSMsgType.TEXT, WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG
DEFLATE_FROM = 1024
"""Frames of fewer bytes are sent as they are, which permessage-deflate allows: they would need a compressor's memory
and time for nothing."""
PIECE = 2048
"""So many bytes are taken in before others have their turn: they may be sixty frames."""
_FIN, _RSV1 = 0x80, 0x40
_DEFLATE_TAIL = b"\x00\x00\xff\xff"
_LENGTH_IN_TWO, _LENGTH_IN_EIGHT = 126, 127


class Transport(Protocol):
    """What is needed of the transport below."""

    def write(self, data: bytes) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def is_closing(self) -> bool: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...


class Listening(Protocol):
    """Who is told what comes."""

    def received(self, kind: WSMsgType, data: Any) -> None:
        """A whole message, or a control frame; the data of a CLOSE is its code."""
        ...

    def broken(self, error: WebSocketError) -> None:
        """The other side broke the protocol; nothing more is read."""
        ...

    def stuck(self) -> None:
        """The other side has not read for some time."""
        ...

    def gone(self) -> None:
        """The connection is over. The last call."""
        ...


class Nobody:
    """Listens to a wire on which nothing that comes counts."""

    def received(self, kind: WSMsgType, data: Any) -> None:
        """Nothing is done."""

    def broken(self, error: WebSocketError) -> None:
        """Nothing is done."""

    def stuck(self) -> None:
        """Nothing is done."""

    def gone(self) -> None:
        """Nothing is done."""


class _Messages(WebSocketDataQueue):
    """Where the parser leaves messages: they are handled at once, so that none waits in memory."""

    # Nothing of the base is used, and what its constructor makes would be half of a session's memory.
    _size = 0
    _limit = 0
    _stalled_reader = None

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire

    def feed_data(self, data: WSMessage | WSMessageTextBytes, _size: int) -> None:
        self._wire.take(data)

    def feed_eof(self) -> None:
        """The connection's own end tells that."""

    def set_exception(self, exc: BaseException, _cause: BaseException | None = None) -> None:
        self._wire.failed(exc)


class _NoMoreError(Exception):
    """Stops the parser in the middle of what was read."""


class Wire(asyncio.Protocol):
    """The connection's protocol, once the handshake is done.

    Whoever does not read what we write is not read either, so that neither side's answers pile up here; after
    `patience` seconds it is stuck. Whoever sends more than others is taken in piece by piece, and not read meanwhile.

    Args:
        limit: bytes of a message, inflated; a bigger one breaks the protocol with 1009.
        enough: what is told of a longer message that was compressed is one byte more than this.
        wbits: the window of our compressor, 0 where permessage-deflate was not agreed on.
    """

    __slots__ = (
        "_deaf", "_inflating", "_listening", "_messages", "_patience", "_reader", "_rest", "_stuck", "_turn",
        "_wbits", "transport",
    )  # fmt: skip

    def __init__(self, transport: Transport, *, limit: int, enough: int, wbits: int, patience: float) -> None:
        self.transport = transport
        self._messages = _Messages(self)
        self._inflating = InflatingReader(self._messages, limit, enough=enough) if wbits else None
        self._reader = self._inflating or WebSocketReader(self._messages, limit, compress=False, decode_text=False)
        self._rest: memoryview | None = None
        self._turn: asyncio.Handle | None = None
        self._wbits = wbits
        self._patience = patience
        self._deaf = False
        self._stuck: asyncio.TimerHandle | None = None
        self._listening: Listening = Nobody()

    def listen(self, listening: Listening) -> None:
        """Names who is told from now on."""
        self._listening = listening

    def write(self, data: bytes, kind: WSMsgType = TEXT) -> None:
        """Writes one frame. Raises ConnectionError when the connection is over."""
        transport = self.transport
        if transport.is_closing():
            raise ConnectionResetError("the connection is over")
        first, length = _FIN | kind, len(data)
        if self._wbits and length >= DEFLATE_FROM and kind is TEXT:
            data = self._deflated(data)
            first, length = first | _RSV1, len(data)
        if length < _LENGTH_IN_TWO:
            transport.write(bytes((first, length)) + data)
        elif length < 1 << 16:
            transport.write(struct.pack("!BBH", first, _LENGTH_IN_TWO, length) + data)
        else:
            transport.write(struct.pack("!BBQ", first, _LENGTH_IN_EIGHT, length) + data)

    def deafen(self) -> None:
        """Reads on, so that a close frame gets through to the other side, but takes nothing in any more."""
        self._deaf = True

    def take(self, message: WSMessage | WSMessageTextBytes) -> None:
        """From the parser."""
        self._listening.received(message[0], message[1])
        if self._deaf:
            raise _NoMoreError

    def failed(self, error: BaseException) -> None:
        """From the parser: it has stopped."""
        self._deaf = True
        if isinstance(error, _NoMoreError):
            return
        if isinstance(error, WebSocketError):
            self._listening.broken(error)
        else:
            self.transport.abort()
            raise error

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._rest is not None:
            self._rest = memoryview(bytes(self._rest) + data)
        elif len(data) <= PIECE:
            self._reader.feed_data(data)
            if self._inflating is not None and self._inflating.busy:
                self._take_turns(memoryview(b""))
        else:
            self._reader.feed_data(data[:PIECE])
            self._take_turns(memoryview(data)[PIECE:])

    def eof_received(self) -> None:
        """Half a connection is none: the transport closes itself."""

    def connection_lost(self, _error: Exception | None) -> None:
        self._deaf = True
        self._calm()
        self._listening.gone()

    def pause_writing(self) -> None:
        self.transport.pause_reading()
        if self._stuck is None:
            self._stuck = asyncio.get_running_loop().call_later(self._patience, self._listening.stuck)

    def resume_writing(self) -> None:
        self._calm()
        if self._rest is not None:
            self._next_turn()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def _take_turns(self, rest: memoryview) -> None:
        """Leaves what is not taken in yet to the turns that follow."""
        self._rest = rest
        self.transport.pause_reading()
        self._next_turn()

    def _next_turn(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._have_a_turn)

    def _have_a_turn(self) -> None:
        self._turn = None
        rest = self._rest
        if rest is None or self._stuck is not None:
            return
        if not self._deaf and self._inflating is not None and self._inflating.busy:
            self._inflating.go_on()
        elif not self._deaf and rest:
            self._rest = rest[PIECE:]
            self._reader.feed_data(rest[:PIECE])
        else:
            self._rest = None
            if not self.transport.is_closing():
                self.transport.resume_reading()
            return
        self._next_turn()

    def _calm(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _deflated(self, data: bytes) -> bytes:
        # A compressor of its own for each message: what it would remember of the ones before takes 256 KiB.
        deflate = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -self._wbits)
        return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_DEFLATE_TAIL)


def close_frame(code: int, reason: str = "") -> bytes:
    """The payload of a close frame."""
    return struct.pack("!H", code) + reason.encode()[:123]
