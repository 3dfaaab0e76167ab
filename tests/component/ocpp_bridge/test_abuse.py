"""Clients that mean harm, or are broken: each is contained, and the chargers beside it are answered all the while."""

import asyncio
import base64
import contextlib
import os
import time
import zlib
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from chassis.testing import eventually
from contracts.ocpp import ChargerConnected, ChargerDisconnected, ConnectionRefused

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
HANDSHAKE_S = 1.5
"""Soon over for who never comes to an end, and enough for a good neighbour on a loaded machine."""


@asynccontextmanager
async def neighbour(site, bridge):
    """Yields a function that asserts that a well-behaved charger is answered."""
    async with site.booted(bridge, "neighbour") as charger:

        async def is_answered() -> None:
            assert "currentTime" in await charger.call("Heartbeat", {})

        await is_answered()
        yield is_answered
        await is_answered()


async def tcp(bridge) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", bridge.listener.port)


async def ended(reader: asyncio.StreamReader, within: float = 30.0) -> bytes:
    """What came until the other side ended the connection."""
    try:
        return await asyncio.wait_for(reader.read(-1), within)
    except ConnectionResetError:
        return b""


async def test_connections_that_never_send_their_request_are_ended(site):
    bridge = await site.start(handshake_within_s=HANDSHAKE_S)
    async with neighbour(site, bridge) as is_answered:
        clients = [await tcp(bridge) for _ in range(50)]
        for number, (_, writer) in enumerate(clients):
            if number % 2:
                writer.write(b"GET /ocpp/slow HTTP/1.1\r\nHost: x\r\nUpgrade: webs")
        await is_answered()
        await asyncio.gather(*(ended(reader) for reader, _ in clients))
        for _, writer in clients:
            writer.close()
    assert site.metric(bridge, "handshakes_total", answer="slow") == 50


async def test_a_request_that_drips_in_byte_by_byte_has_no_more_time_than_others(site):
    bridge = await site.start(handshake_within_s=0.5)
    reader, writer = await tcp(bridge)
    began = time.monotonic()
    ending = asyncio.create_task(ended(reader, 90))
    for byte in b"GET /ocpp/slow HTTP/1.1\r\n" + b"X-Header: value\r\n" * 1000:
        writer.write(bytes([byte]))
        if (await asyncio.wait([ending], timeout=0.01))[0]:
            break
    await ending
    assert time.monotonic() - began < 60, "all of it takes three minutes"
    writer.close()


@pytest.mark.parametrize(
    "request_line",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS ClientHello
        b"GET /ocpp/x HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /ocpp/" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET /ocpp/x HTTP/1.1\r\nHost: x\r\n" + b"".join(b"H%d: v\r\n" % n for n in range(2000)) + b"\r\n",
        os.urandom(5000).replace(b"\n", b"x"),
    ],
)
async def test_what_is_no_http_request_ends_its_own_connection_only(site, request_line):
    bridge = await site.start(handshake_within_s=HANDSHAKE_S)
    async with neighbour(site, bridge):
        reader, writer = await tcp(bridge)
        writer.write(request_line)
        told = await ended(reader)
        assert b" 101 " not in told
        writer.close()


async def test_half_open_sockets_that_say_nothing_are_found_and_told_of(site):
    bridge = await site.start(watch_ping_interval_s=0.1, pong_timeout_s=0.4)
    site.enroll("garage-1")
    async with neighbour(site, bridge), site.connected(bridge, "garage-1", autoping=False) as charger:
        bridge.watch.watch("garage-1", site.clock.now() + timedelta(minutes=1))
        charger.ws._response.connection.transport.pause_reading()  # it neither reads nor answers any more
        await eventually(lambda: _told(site, "garage-1", "silent"), 30)


async def test_a_client_that_never_reads_its_answers_is_ended_before_it_fills_the_memory(site):
    bridge = await site.start(frames_per_second=1_000_000, watch_ping_interval_s=0.2, pong_timeout_s=1.0)
    site.enroll("garage-1")
    async with neighbour(site, bridge) as is_answered, site.connected(bridge, "garage-1", autoping=False) as charger:
        bridge.watch.watch("garage-1", site.clock.now() + timedelta(minutes=1))
        charger.ws._response.connection.transport.pause_reading()

        async def never_listen() -> None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                for number in range(200_000):
                    await charger.send([2, f"u{number}", "MakeCoffee" + "x" * 900, {}])

        talking = asyncio.create_task(never_listen())
        await is_answered()
        await eventually(lambda: _told(site, "garage-1", "silent", "refused", "lost"), 60)
        talking.cancel()
        await asyncio.wait([talking])


def _told(site, charger_id, *why):
    found = [said.why for said in site.publisher.of(ChargerDisconnected) if said.charger_id == charger_id]
    assert found, site.publisher.published
    assert found[-1] in why


async def test_giant_frames_one_after_the_other_end_the_session_and_nobody_elses(site):
    bridge = await site.start(bad_frames=3)
    async with neighbour(site, bridge) as is_answered, site.booted(bridge, "garage-1") as charger:
        for number in range(20):
            with contextlib.suppress(ConnectionError):  # once it is closed
                await charger.send([2, f"g{number}", "DataTransfer", {"vendorId": "x", "data": "y" * 1_000_000}])
            await is_answered()
        assert await charger.closed() == 1008


async def test_a_compressed_bomb_ends_its_own_session_without_being_inflated(site):
    bridge = await site.start(frame_hard_limit=1_000_000)
    site.enroll("garage-1")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b" " * 200_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    payload = bomb.removesuffix(b"\x00\x00\xff\xff")
    assert len(payload) < 300_000
    async with (
        neighbour(site, bridge) as is_answered,
        site.connected(bridge, "garage-1", "ocpp2.0.1", compress=15) as charger,
    ):
        unmasked = b"\x00\x00\x00\x00"
        frame = b"\xc1\xff" + len(payload).to_bytes(8, "big") + unmasked + payload
        began = time.monotonic()
        charger.ws._response.connection.transport.write(frame)
        assert await charger.closed(60) == 1009
        assert time.monotonic() - began < 60
        await is_answered()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_binary_frames_are_refused_until_they_are_a_flood(site, protocol):
    bridge = await site.start(bad_frames=5)
    async with neighbour(site, bridge), site.booted(bridge, "garage-1", protocol) as charger:
        await charger.ws.send_bytes(os.urandom(1000))
        assert (await charger.receive())[:2] == [4, "-1"]
        for _ in range(8):
            await charger.ws.send_bytes(os.urandom(1000))
        assert await charger.closed() == 1008


@pytest.mark.parametrize(
    "raw",
    [
        b"\x83\x80\x00\x00\x00\x00",  # a reserved opcode
        b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
        b"\x09\x80\x00\x00\x00\x00",  # a ping in pieces
        b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # a length of 2^64 - 1
        b"\x89\xfe\x01\x00\x00\x00\x00\x00" + b"x" * 256,  # a ping that is too long
    ],
)
async def test_a_frame_that_breaks_the_websocket_protocol_ends_its_own_session(site, raw):
    bridge = await site.start()
    async with neighbour(site, bridge), site.booted(bridge, "garage-1") as charger:
        charger.ws._response.connection.transport.write(raw)
        await charger.closed()
        await eventually(lambda: _told(site, "garage-1", "refused", "lost"))


async def test_a_flood_ends_its_own_session_while_neighbours_are_answered(site):
    bridge = await site.start(frames_per_second=50)
    async with neighbour(site, bridge) as is_answered, site.booted(bridge, "garage-1") as charger:

        async def flood() -> None:
            for number in range(20_000):
                await charger.send([2, f"h{number}", "Heartbeat", {}])

        flooding = asyncio.create_task(flood())
        for _ in range(20):
            await is_answered()
        assert await charger.closed() == 1008
        await asyncio.wait([flooding])
        flooding.exception()
    assert site.metric(bridge, "floods_total", protocol="ocpp1.6") == 1


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_pings_are_a_flood_as_well(site, kind):
    bridge = await site.start(frames_per_second=50)
    site.enroll("garage-1")
    async with neighbour(site, bridge) as is_answered, site.connected(bridge, "garage-1") as charger:

        async def flood() -> None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                for _ in range(20_000):
                    await getattr(charger.ws, kind)()

        flooding = asyncio.create_task(flood())
        await is_answered()
        assert await charger.closed() == 1008
        await asyncio.wait([flooding])
    assert site.metric(bridge, "floods_total", protocol="ocpp1.6") == 1


async def test_long_frames_are_a_flood_sooner_than_short_ones(site):
    bridge = await site.start(frames_per_second=10)
    async with neighbour(site, bridge), site.booted(bridge, "garage-1") as charger:
        for number in range(30):
            await charger.send([2, f"l{number}", "DataTransfer", {"vendorId": "x", "data": "y" * 200_000}])
        assert await charger.closed() == 1008
    assert site.metric(bridge, "floods_total", protocol="ocpp1.6") == 1


async def test_a_charger_that_connects_again_and_again_is_told_to_wait_and_keeps_nobody_else_out(site):
    bridge = await site.start(connections_at_once=5, connections_every_s=60)
    site.enroll("garage-1")
    async with neighbour(site, bridge) as is_answered:
        for _ in range(5):
            async with site.connected(bridge, "garage-1"):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with site.connected(bridge, "garage-1"):
                pass
        assert refused.value.status == 429
        assert int(refused.value.headers["Retry-After"]) > 0
        await is_answered()
        async with site.booted(bridge, "garage-2"):
            pass
    # It has shown who it is: nothing is suspicious.
    assert site.publisher.of(ConnectionRefused) == []


async def test_wrong_passwords_use_up_none_of_a_chargers_connections(site):
    bridge = await site.start(connections_at_once=1, connections_every_s=60)
    site.enroll("garage-1")
    for _ in range(3):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with site.connected(bridge, "garage-1", password=b"wrong"):
                pass
    async with site.connected(bridge, "garage-1"):
        pass


async def test_what_is_not_deflated_although_it_says_so_ends_its_own_session(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with neighbour(site, bridge), site.connected(bridge, "garage-1", "ocpp2.0.1", compress=15) as charger:
        charger.ws._response.connection.transport.write(b"\xc1\x85\x00\x00\x00\x00\xff\xff\xff\xff\xff")
        assert await charger.closed() == 1007
        await eventually(lambda: _told(site, "garage-1", "refused"))


async def test_ten_thousand_wrong_passwords_are_401_then_429_and_lock_nobody_else_out(site):
    bridge = await site.start()
    site.enroll("garage-1")
    site.enroll("garage-2")
    pair = base64.b64encode(b"garage-1:wrong").decode()
    head = (
        "GET /ocpp/garage-1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        f"Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {pair}\r\n\r\n"
    ).encode()
    statuses: dict[bytes, int] = {}

    async def guess(times: int) -> None:
        for _ in range(times):
            reader, writer = await tcp(bridge)
            writer.write(head)
            status = (await reader.readline()).split()[1]
            statuses[status] = statuses.get(status, 0) + 1
            writer.close()

    async with neighbour(site, bridge) as is_answered:
        guessing = [asyncio.create_task(guess(500)) for _ in range(20)]
        while not all(task.done() for task in guessing):
            await is_answered()
            await asyncio.wait(guessing, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*guessing)
        assert set(statuses) == {b"401", b"429"}
        assert sum(statuses.values()) == 10_000
        assert statuses[b"401"] <= 100
        # Another charger behind the same address is let in.
        async with site.connected(bridge, "garage-2"):
            pass


@pytest.mark.parametrize(
    "path",
    [
        "with%3Acolon",
        "x" * 49,
        "with%2Fslash",
        "%00",
        "nul%00inside",
        "..%2F..%2Fetc%2Fpasswd",
        "%F0%9F%94%8C",
        "%FF%FE",
        "with%20space",
        "line%0D%0Abreak",
        "%E2%80%AEgarage",
        "garage-1%2500",
        "{{7*7}}",
        "'%20or%201%3D1--",
    ],
)
async def test_an_identity_with_odd_bytes_is_404_and_reaches_nothing(site, path):
    bridge = await site.start()
    site.enroll("garage-1")
    async with neighbour(site, bridge):
        reader, writer = await tcp(bridge)
        writer.write(
            f"GET /ocpp/{path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        assert (await asyncio.wait_for(reader.readline(), 30)).split()[1] in {b"404", b"400"}
        writer.close()
    assert [said.charger_id for said in site.publisher.of(ChargerConnected)] == ["neighbour"]


async def test_a_message_id_used_a_thousand_times_is_answered_each_time_and_kept_nowhere(site):
    bridge = await site.start(frames_per_second=100_000)
    async with neighbour(site, bridge), site.booted(bridge, "garage-1") as charger:
        for _ in range(1000):
            assert "currentTime" in await charger.call("Heartbeat", {}, message_id="always-the-same")


async def test_deeply_nested_json_gets_a_callerror_and_the_socket_lives_on(site):
    bridge = await site.start()
    async with neighbour(site, bridge), site.booted(bridge, "garage-1") as charger:
        await charger.send("[" * 100_000)
        assert (await charger.receive())[0] == 4
        nested = '{"a":' * 200 + "1" + "}" * 200
        await charger.send(f'[2, "n1", "DataTransfer", {{"vendorId": "x", "data": {nested}}}]')
        assert (await charger.receive())[:2] == [4, "n1"]
        assert "currentTime" in await charger.call("Heartbeat", {})
