"""`python -m bench.abusers PORT SECONDS KIND PASSWORD`: clients that mean harm, at a rate that a small attack has."""

import asyncio
import base64
import contextlib
import os
import sys
import zlib
from collections.abc import Awaitable, Callable

import aiohttp

ABUSER = "BENCH-00000"
"""The charger whose credentials the abuser has; the others are its neighbours."""

_HEAD = (
    "GET /ocpp/{name} HTTP/1.1\r\nHost: bridge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    "Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {pair}\r\n\r\n"
)
GONE = (ConnectionError, aiohttp.ClientError, TimeoutError, OSError)


class Abuser:
    """One address with one charger's password."""

    def __init__(self, port: int, password: str, client: aiohttp.ClientSession) -> None:
        self._port = port
        self._pair = base64.b64encode(f"{ABUSER}:{password}".encode()).decode()
        self._client = client

    async def every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Acts again and again, without waiting for what comes of it."""
        acting: set[asyncio.Task[None]] = set()

        async def once() -> None:
            with contextlib.suppress(*GONE):
                await act()

        while True:
            if len(acting) < 1000:
                task = asyncio.create_task(once())
                acting.add(task)
                task.add_done_callback(acting.discard)
            await asyncio.sleep(seconds)

    async def wrong_password(self) -> None:
        """One handshake with a wrong password."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        wrong = base64.b64encode(f"{ABUSER}:wrong".encode()).decode()
        writer.write(_HEAD.format(name=ABUSER, pair=wrong).encode())
        await reader.readline()
        writer.close()

    async def slow_handshake(self) -> None:
        """A connection that sends half of its request, and waits."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"GET /ocpp/slow HTTP/1.1\r\nHost: br")
        await reader.read(-1)
        writer.close()

    async def talking(self, frames: Callable[[aiohttp.ClientWebSocketResponse[bool]], Awaitable[None]]) -> None:
        """Sessions, one after the other, on each of which frames are sent until it is ended."""
        while True:
            with contextlib.suppress(*GONE):
                async with self._client.ws_connect(
                    f"http://127.0.0.1:{self._port}/ocpp/{ABUSER}",
                    protocols=("ocpp2.0.1",),
                    headers={"Authorization": f"Basic {self._pair}"},
                    compress=15,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                ) as ws:
                    reading = asyncio.create_task(_read(ws))
                    try:
                        while not ws.closed:
                            await frames(ws)
                    finally:
                        reading.cancel()
            await asyncio.sleep(0.1)


async def _read(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    async for _ in ws:
        pass


async def _flood(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    for number in range(100):
        await ws.send_str(f'[2,"f{number}","Heartbeat",{{}}]', compress=0)
    await asyncio.sleep(0.05)


async def _pings(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    for _ in range(100):
        await ws.ping()
    await asyncio.sleep(0.05)


async def _nothing(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    await ws.close()


async def _garbage(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    await ws.send_str("garbage", compress=0)
    await ws.send_bytes(os.urandom(500), compress=0)
    await asyncio.sleep(0.01)


async def _giant(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    await ws.send_str('[2,"g","DataTransfer",{"data":"' + "x" * 1_000_000 + '"}]', compress=0)
    await asyncio.sleep(0.1)


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b" " * 100_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    payload = packed.removesuffix(b"\x00\x00\xff\xff")
    return b"\xc1\xff" + len(payload).to_bytes(8, "big") + b"\x00\x00\x00\x00" + payload


BOMB = _bomb()


async def _bombs(ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
    transport = ws._response.connection.transport  # type: ignore[union-attr]  # noqa: SLF001
    transport.write(BOMB)  # type: ignore[union-attr]
    await asyncio.sleep(0.2)


KINDS: dict[str, Callable[[Abuser], Awaitable[None]]] = {
    "500 wrong passwords a second": lambda abuser: abuser.every(0.002, abuser.wrong_password),
    "200 slow handshakes a second": lambda abuser: abuser.every(0.005, abuser.slow_handshake),
    "a flood of frames": lambda abuser: abuser.talking(_flood),
    "a flood of pings": lambda abuser: abuser.talking(_pings),
    "a charger that comes and goes": lambda abuser: abuser.talking(_nothing),
    "garbage and binary frames": lambda abuser: abuser.talking(_garbage),
    "frames of 1 MB": lambda abuser: abuser.talking(_giant),
    "deflate bombs of 100 MB": lambda abuser: abuser.talking(_bombs),
}


async def abuse(port: int, seconds: float, kind: str, password: str) -> None:
    """Does harm for so long, and says when it begins."""
    async with aiohttp.ClientSession() as client:
        print("ready", flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await KINDS[kind](Abuser(port, password, client))


if __name__ == "__main__":
    asyncio.run(abuse(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]))
