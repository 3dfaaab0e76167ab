"""Websocket frames as they stand on a connection, however it cuts them up."""

import asyncio
import zlib

import pytest
from aiohttp import WSMsgType

from ocpp_bridge.wire import CLOSE, DEFLATE_FROM, PIECE, PING, TEXT, Wire, close_frame

MASK = b"\x01\x02\x03\x04"


class Connection:
    """A transport that keeps what is written."""

    def __init__(self):
        self.written = b""
        self.reading = True
        self.pauses = 0
        self.aborted = False

    def write(self, data):
        self.written += data

    def abort(self):
        self.aborted = True

    close = abort

    def is_closing(self):
        return self.aborted

    def pause_reading(self):
        self.reading = False
        self.pauses += 1

    def resume_reading(self):
        self.reading = True

    def set_protocol(self, protocol):
        raise AssertionError(protocol)


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.heard = []
        self.errors = []
        self.is_stuck = asyncio.Event()
        self.is_gone = 0

    def received(self, kind, data):
        self.heard.append((kind, data))

    def broken(self, error):
        self.errors.append(error.code)

    def stuck(self):
        self.is_stuck.set()

    def gone(self):
        self.is_gone += 1


def frame(payload, opcode=1, *, fin=True, rsv=0):
    first = (0x80 if fin else 0) | rsv | opcode
    length = len(payload)
    if length < 126:
        header = bytes((first, 0x80 | length))
    elif length < 65536:
        header = bytes((first, 0xFE)) + length.to_bytes(2, "big")
    else:
        header = bytes((first, 0xFF)) + length.to_bytes(8, "big")
    return header + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


def made(*, wbits=0, limit=100_000, enough=50_000, patience=60.0):
    connection, listener = Connection(), Listener()
    wire = Wire(connection, limit=limit, enough=enough, wbits=wbits, patience=patience)
    wire.listen(listener)
    return wire, connection, listener


async def read(wire, connection, data):
    """Gives the wire what the connection has read, and waits until it would read on. Returns how many turns it took."""
    wire.data_received(data)
    turns = 1
    while not connection.reading and not connection.aborted:
        await asyncio.sleep(0)
        turns += 1
    return turns


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 1_000_000])
async def test_messages_are_told_whole_and_in_order_however_they_are_cut(piece):
    wire, connection, listener = made()
    long = b"x" * 70_000
    stream = frame(b"one") + frame(b"", 9) + frame(b"tw", fin=False) + frame(b"o", 0) + frame(long)
    for start in range(0, len(stream), piece):
        await read(wire, connection, stream[start : start + piece])
    assert listener.heard == [(TEXT, b"one"), (PING, b""), (TEXT, b"two"), (TEXT, long)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_what_is_written_is_one_frame_of_its_length(size):
    wire, connection, _ = made()
    wire.write(b"y" * size)
    header = {0: 2, 1: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[size]
    assert connection.written[0] == 0x81
    assert len(connection.written) == header + size
    assert connection.written[header:] == b"y" * size


async def test_short_frames_are_never_compressed_and_long_ones_stand_for_themselves():
    wire, connection, _ = made(wbits=15)
    wire.write(b"short")
    assert connection.written[0] == 0x81
    long = b"a long text " * DEFLATE_FROM
    for _ in range(2):
        connection.written = b""
        wire.write(long)
        assert connection.written[0] == 0xC1
        start = 2 if connection.written[1] < 126 else 4
        inflated = zlib.decompressobj(-15).decompress(connection.written[start:] + b"\x00\x00\xff\xff")
        assert inflated == long


async def test_a_compressed_message_is_inflated_only_where_that_was_agreed_on():
    deflate = zlib.compressobj(wbits=-15)
    packed = (deflate.compress(b"hello") + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    wire, _, listener = made(wbits=15)
    wire.data_received(frame(packed, rsv=0x40))
    assert listener.heard == [(TEXT, b"hello")]
    wire, _, listener = made()
    wire.data_received(frame(packed, rsv=0x40))
    assert listener.errors == [1002]


async def test_a_message_above_the_limit_is_refused_by_its_header_and_nothing_behind_it_is_read():
    wire, _, listener = made(limit=1000)
    wire.data_received(frame(b"x" * 2000)[:20])
    assert listener.errors == [1009]
    wire.data_received(frame(b"more"))
    assert listener.heard == []


async def test_who_sends_much_is_taken_in_piece_by_piece_and_not_read_meanwhile():
    wire, connection, listener = made()
    turns = await read(wire, connection, frame(b"y" * 100) * 1000)
    assert len(listener.heard) == 1000
    assert turns >= 1000 * 100 / PIECE
    assert connection.pauses == 1


async def test_what_is_not_taken_in_yet_waits_for_one_who_does_not_read_our_answers():
    wire, connection, listener = made()

    def received(kind, data):
        listener.heard.append((kind, data))
        if len(listener.heard) == 10:
            wire.pause_writing()

    listener.received = received
    wire.data_received(frame(b"y" * 100) * 1000)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(listener.heard) < 2 * PIECE / 100
    wire.resume_writing()
    await read(wire, connection, b"")
    assert len(listener.heard) == 1000


async def test_what_comes_while_it_is_busy_waits_behind_what_came_before():
    wire, connection, listener = made()
    wire.data_received(frame(b"1" * 3000) * 3)
    await read(wire, connection, frame(b"2"))
    assert [data[:1] for _, data in listener.heard] == [b"1", b"1", b"1", b"2"]


async def test_nothing_that_came_in_the_same_piece_counts_once_it_is_deaf():
    wire, _, listener = made()

    def received(kind, data):
        listener.heard.append((kind, data))
        wire.deafen()

    listener.received = received
    wire.data_received(frame(b"one") + frame(b"two"))
    wire.data_received(frame(b"three"))
    assert listener.heard == [(TEXT, b"one")]
    assert listener.errors == []


async def test_who_does_not_read_is_not_read_and_is_stuck_after_the_patience():
    wire, connection, listener = made(patience=0.05)
    wire.pause_writing()
    assert not connection.reading
    wire.resume_writing()
    assert connection.reading
    wire.pause_writing()
    await asyncio.wait_for(listener.is_stuck.wait(), 5)


async def test_the_end_is_told_once_and_nothing_can_be_written_afterwards():
    wire, connection, listener = made()
    connection.abort()
    wire.connection_lost(None)
    assert listener.is_gone == 1
    with pytest.raises(ConnectionError):
        wire.write(close_frame(1000, "bye"), CLOSE)


async def test_a_close_is_told_with_its_code():
    wire, _, listener = made()
    wire.data_received(frame(close_frame(1001, "leaving"), 8))
    assert listener.heard == [(WSMsgType.CLOSE, 1001)]
