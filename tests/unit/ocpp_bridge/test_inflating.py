"""Compressed messages, honest ones and bombs: told whole and in order, and inflated a little at a time."""

import asyncio
import random
import zlib
from itertools import pairwise

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketReader

from ocpp_bridge.wire import PING, TEXT, Wire

CHANCE = random.Random(11)  # noqa: S311 no secret
TURN = 64 * 1024
"""More may not be inflated while the other chargers wait: it takes a fraction of a millisecond."""
TAIL = b"\x00\x00\xff\xff"


class Charger:
    """One that compresses, at the other end of a wire: it writes frames, and keeps what the wire told."""

    def __init__(self, *, limit: int = 8_000_000, enough: int = 250_000) -> None:
        self.heard: list[tuple[WSMsgType, bytes]] = []
        self.errors: list[int] = []
        self.reading = True
        self.turns = 0
        self.inflated: list[int] = []
        self._deflate = zlib.compressobj(9, wbits=-15)
        self.wire = Wire(self, limit=limit, enough=enough, wbits=15, patience=60)
        self.wire.listen(self)

    def packed(self, data: bytes) -> bytes:
        return (self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)

    async def says(self, *frames: bytes, cut: int = 1 << 20) -> None:
        """Sends frames, so many bytes at a time, each when the ones before are taken in."""
        data = b"".join(frames)
        for start in range(0, len(data), cut):
            self.wire.data_received(data[start : start + cut])
            while not self.reading:
                await asyncio.sleep(0)
                self.turns += 1
                self.inflated.append(self.wire._inflating._size)

    def received(self, kind: WSMsgType, data: bytes) -> None:
        self.heard.append((kind, data))

    def broken(self, error) -> None:
        self.errors.append(error.code)

    def stuck(self) -> None:
        raise AssertionError

    def gone(self) -> None:
        """Nothing waits for it."""

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        raise AssertionError("the connection is given up")


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True, compressed: bool = True) -> bytes:
    first = (0x80 if fin else 0) | (0x40 if compressed and opcode else 0) | opcode
    if len(payload) < 126:
        return bytes((first, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((first, 0xFF)) + len(payload).to_bytes(8, "big") + bytes(4) + payload


@pytest.mark.parametrize("cut", [1, 7, 1000, 1 << 20])
async def test_messages_that_refer_to_earlier_ones_are_told_whole_and_in_order(cut):
    charger = Charger()
    texts = [CHANCE.randbytes(40) * (number + 1) for number in range(50)]
    packed = [charger.packed(text) for text in texts]
    pieces = [
        frame(payload[:9], fin=False) + frame(b"", 9, compressed=False) + frame(payload[9:], 0) for payload in packed
    ]
    await charger.says(*pieces, cut=cut)
    assert [data for kind, data in charger.heard if kind is TEXT] == texts
    assert sum(kind is PING for kind, _ in charger.heard) == 50


async def test_messages_that_take_many_turns_keep_their_order_with_all_that_follows():
    charger = Charger()
    long = bytes(range(256)) * 900
    await charger.says(
        frame(charger.packed(long)),
        frame(b"not compressed", compressed=False),
        frame(b"ping", 9, compressed=False),
        frame(charger.packed(long)),
        frame(charger.packed(b"last")),
    )
    assert charger.heard == [
        (TEXT, long), (TEXT, b"not compressed"), (PING, b"ping"), (TEXT, long), (TEXT, b"last")
    ]  # fmt: skip
    assert charger.turns >= 2 * len(long) / TURN


async def test_of_a_message_that_is_too_long_only_its_start_is_told_and_the_next_ones_are_understood():
    charger = Charger(enough=1000)
    long = bytes(range(256)) * 4000
    await charger.says(frame(charger.packed(long)), frame(charger.packed(long[:500])))
    assert charger.heard == [(TEXT, long[:1001]), (TEXT, long[:500])]


async def test_a_bomb_is_inflated_no_further_than_the_limit_and_in_many_turns():
    charger = Charger(limit=2_000_000)
    bomb = frame(charger.packed(b" " * 100_000_000))
    await charger.says(bomb)
    assert charger.errors == [1009]
    assert charger.heard == []
    assert max(charger.inflated) <= 2_000_000 + TURN
    assert max(later - earlier for earlier, later in pairwise(charger.inflated)) <= TURN


async def test_many_small_bombs_share_their_turns_as_one_big_one_does():
    charger = Charger()
    bombs = [frame(charger.packed(b" " * 200_000)) for _ in range(50)]
    await charger.says(*bombs)
    assert len(charger.heard) == 50
    assert charger.turns >= 50 * 200_000 / TURN


async def test_blocks_that_stand_for_nothing_take_turns_as_well():
    charger = Charger()
    nothing = b"\x00\x00\x00\xff\xff" * 100_000
    await charger.says(frame(nothing + b"\x00"))
    assert charger.heard == [(TEXT, b"")]
    assert charger.turns >= 8 * len(nothing) / TURN


async def test_a_message_may_end_the_stream_but_not_again_and_again():
    charger = Charger()
    whole = zlib.compressobj(wbits=-15)
    ended = whole.compress(b"ended") + whole.flush(zlib.Z_FINISH)
    await charger.says(frame(ended + b"\x00"), frame(ended + ended + b"\x00"))
    assert charger.heard == [(TEXT, b"ended"), (TEXT, b"endedended")]
    await charger.says(frame(ended * 1000 + b"\x00"))
    assert charger.errors == [1009]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(b"\xff" * 100)], 1007),
        ([frame(b"\x00", fin=False), frame(b"\x00")], 1002),
        ([frame(b"\x00", fin=False), frame(b"\x00", compressed=False)], 1002),
        ([bytes((0xC0, 0x80, 0, 0, 0, 0))], 1002),
    ],
    ids=["no deflate", "a message inside another", "a plain one inside another", "goes on without having begun"],
)
async def test_what_is_no_compressed_message_breaks_the_protocol(frames, code):
    charger = Charger()
    await charger.says(*frames)
    assert charger.errors == [code]
    assert charger.heard == []


async def test_what_is_inflated_is_what_the_parser_itself_would_have_inflated():
    for _ in range(20):
        charger = Charger()
        texts = [bytes(CHANCE.choices(b'{"abc:1,}', k=CHANCE.randrange(5000))) for _ in range(10)]
        stream = b"".join(frame(charger.packed(text)) for text in texts)
        theirs: list[bytes] = []

        class Kept(type(charger.wire._messages)):
            def feed_data(self, data, _size, theirs=theirs):
                theirs.append(data[0:2])

        WebSocketReader(Kept(charger.wire), 8_000_000, compress=True, decode_text=False).feed_data(stream)
        await charger.says(stream, cut=CHANCE.randrange(1, 3000))
        assert charger.heard == theirs
