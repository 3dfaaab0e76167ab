"""Inflates what chargers have compressed (RFC 7692), a little at a time: a small frame may stand for gigabytes."""

import zlib

from aiohttp import WebSocketError, WSCloseCode
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

TURN = 64 * 1024
"""What may be inflated before others have their turn: bytes that come out, and those that go in `INPUT_WEIGHS` times.

Blocks that stand for nothing take time as well, and a charger's JSON shrinks to an eighth or so.
"""
INPUT_WEIGHS = 8
PIECE = 2048
STREAMS = 16
"""A message may end the deflate stream, and go on with another, so often (RFC 7692, 7.2.3.5)."""

_NOTHING = memoryview(b"")
_TAIL = b"\x00\x00\xff\xff"
_CONTINUATION, _LAST_DATA_OPCODE = 0, 7

Frame = tuple[bool, int, bytes | bytearray, int]
"""Whether it is its message's last one, opcode, payload, and whether its message is compressed."""


class InflatingReader(WebSocketReader):
    """The parser of a connection on which permessage-deflate was agreed.

    It is `busy` while there is more to inflate than one turn allows. Then nothing may be fed, and `go_on` gives it
    another turn; what it was fed together with the frame at hand waits.

    Args:
        messages: who is told of messages.
        limit: bytes of a message, inflated; a bigger one breaks the protocol with 1009.
        enough: the most that anybody wants to see of a message. The rest is inflated, since the next messages refer to
            it, and dropped.
    """

    __slots__ = (
        "_deflated",
        "_enough",
        "_inflated",
        "_inflater",
        "_is_last",
        "_kind",
        "_left",
        "_messages",
        "_most",
        "_size",
        "_streams",
        "_waiting",
    )  # fmt: skip

    def __init__(self, messages: WebSocketDataQueue, limit: int, *, enough: int) -> None:
        super().__init__(messages, limit, compress=True, decode_text=False)
        self._messages = messages
        self._most = limit
        self._enough = enough
        self._inflater: zlib._Decompress | None = None
        self._waiting: list[Frame] = []
        self._deflated = _NOTHING
        self._is_last = False
        self._kind: int | None = None
        self._inflated = bytearray()
        self._size = self._streams = self._left = 0

    @property
    def busy(self) -> bool:
        """Whether it needs another turn."""
        return bool(self._deflated)

    def feed_data(self, data: bytes | bytearray | memoryview) -> tuple[bool, bytes]:
        """One turn, with what has come."""
        self._left = TURN
        return super().feed_data(data)

    def go_on(self) -> None:
        """One more turn, with nothing new."""
        self._left = TURN
        try:
            self._inflate()
            while self._waiting and not self.busy:
                self._take(*self._waiting.pop(0))
        except Exception as error:  # noqa: BLE001 as where the parser itself catches it
            self._deflated = _NOTHING
            self._waiting.clear()
            self._messages.set_exception(error)

    def _handle_frame(self, fin: bool, opcode: int, payload: bytes | bytearray, compressed: int) -> None:
        """A frame, from the parser."""
        if self.busy or self._waiting:
            self._waiting.append((fin, opcode, payload, compressed))
        else:
            self._take(fin, opcode, payload, compressed)

    def _take(self, fin: bool, opcode: int, payload: bytes | bytearray, compressed: int) -> None:
        if opcode > _LAST_DATA_OPCODE or not compressed:
            super()._handle_frame(fin, opcode, payload, 0)
            return
        if (opcode == _CONTINUATION) == (self._kind is None):
            why = "a message that has not begun goes on" if self._kind is None else "a message begins inside another"
            raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, why)
        if self._kind is None:
            self._kind, self._size, self._streams = opcode, 0, 0
        self._is_last = fin
        self._deflated = memoryview(payload + _TAIL if fin else payload)
        self._inflate()

    def _inflate(self) -> None:
        """Inflates the frame at hand as far as this turn goes, and tells of the message when it is whole."""
        if not self.busy:
            return
        while self.busy and self._left > 0:
            found = self._piece()
            self._inflated += found[: self._enough + 1 - len(self._inflated)]
        if self._is_last and not self.busy and self._kind is not None:
            kind, message = self._kind, self._inflated
            self._kind, self._inflated = None, bytearray()
            super()._handle_frame(True, kind, message, 0)

    def _piece(self) -> bytes:
        if self._inflater is None:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflater, piece = self._inflater, self._deflated[:PIECE]
        try:
            found = inflater.decompress(piece, self._left)
        except zlib.error as error:
            raise WebSocketError(WSCloseCode.INVALID_TEXT, f"not deflated: {error}") from error
        used = len(piece) - len(inflater.unconsumed_tail or inflater.unused_data)
        self._deflated = self._deflated[used:]
        self._left -= len(found) + INPUT_WEIGHS * used
        self._size += len(found)
        if self._size > self._most:
            raise WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, f"the message has more than {self._most} bytes, inflated")
        if inflater.eof:
            self._inflater = None
            self._streams += 1
            if self._streams > STREAMS:
                raise WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, "the message is of too many deflate streams")
        return found
