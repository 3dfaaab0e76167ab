"""What a charger's neighbours notice of abuse: their Heartbeats' latency beside each kind of it, and without."""

import asyncio
import base64
import json
import os
import sys
import time

import aiohttp
import orjson

from bench.abusers import ABUSER, KINDS
from bench.report import Distribution
from bench.rig import CORES, PASSWORD, bridge, identities

SECONDS = 6.0
WARM_UP_S = 1.0
NEIGHBOURS = 20
PAUSE_S = 0.02
TARGET = 2.0
BOOT = '[2,"b","BootNotification",{"chargePointVendor":"Acme","chargePointModel":"One"}]'


class Neighbours:
    """Chargers that do what they should, each a Heartbeat at a time."""

    def __init__(self, port: int, names: list[str], client: aiohttp.ClientSession) -> None:
        self._port = port
        self._names = names
        self._client = client
        self._sockets: list[aiohttp.ClientWebSocketResponse[bool]] = []

    async def connect(self) -> None:
        """All connect and boot."""
        for name in self._names:
            pair = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
            ws = await self._client.ws_connect(
                f"http://127.0.0.1:{self._port}/ocpp/{name}",
                protocols=("ocpp1.6",),
                headers={"Authorization": f"Basic {pair}"},
            )
            await ws.send_str(BOOT)
            await ws.receive_str(timeout=30)
            self._sockets.append(ws)

    async def latency(self, seconds: float) -> list[float]:
        """Milliseconds from each Heartbeat to its answer, over so long."""
        found: list[float] = []
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._beat(ws, until, found) for ws in self._sockets))
        return found

    @staticmethod
    async def _beat(ws: aiohttp.ClientWebSocketResponse[bool], until: float, found: list[float]) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            began = time.perf_counter()
            await ws.send_str(f'[2,"h{number}","Heartbeat",{{}}]')
            answer = orjson.loads(await ws.receive_str(timeout=30))
            found.append((time.perf_counter() - began) * 1000)
            if answer[:2] != [3, f"h{number}"]:
                raise SystemExit(f"a neighbour got a wrong answer: {answer}")
            await asyncio.sleep(PAUSE_S)


async def measure(*, chargers: int = NEIGHBOURS, only: str = "") -> int:
    """Beside each kind of abuse, and without any before each and after the last: the machine's speed may change."""
    kinds = [kind for kind in KINDS if only in kind]
    if not kinds:
        raise SystemExit(f"no kind of abuse has {only!r} in its name; there are: {', '.join(KINDS)}")
    names = identities(chargers + 1)
    rows: dict[str, Distribution] = {}
    async with bridge(names) as (server, _stack), aiohttp.ClientSession() as client:
        if CORES.load >= 0:
            os.sched_setaffinity(0, {CORES.load})
        neighbours = Neighbours(server.port, [name for name in names if name != ABUSER], client)
        await neighbours.connect()
        await neighbours.latency(WARM_UP_S)
        undisturbed = await neighbours.latency(SECONDS)
        for kind in kinds:
            rows[kind] = Distribution.of(await _beside(kind, server.port, neighbours))
            await neighbours.latency(WARM_UP_S)
            undisturbed += await neighbours.latency(SECONDS)
    _print(rows, Distribution.of(undisturbed))
    return 0


async def _beside(kind: str, port: int, neighbours: Neighbours) -> list[float]:
    """The neighbours' latency while somebody does this harm."""
    arguments = [str(port), str(SECONDS + 2 * WARM_UP_S), kind, PASSWORD]
    abuser = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.abusers", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert abuser.stdout is not None
    # What it takes to get ready would be measured with the abuse: it shares the neighbours' core.
    await abuser.stdout.readline()
    await neighbours.latency(WARM_UP_S)
    found = await neighbours.latency(SECONDS)
    await abuser.wait()
    return found


def _print(rows: dict[str, Distribution], normal: Distribution) -> None:
    print(f"\nabuse: Heartbeats of {NEIGHBOURS} neighbours on {os.cpu_count()} cores, milliseconds")
    width = max(map(len, [*rows, "without abuse"]))
    print(f"{'':{width}}  {'n':>6}  {'p50':>7}  {'p99':>7}  {'p50 ratio':>9}  {'p99 ratio':>9}")
    for name, row in {"without abuse": normal, **rows}.items():
        ratios = f"{row.p50 / normal.p50:9.2f}  {row.p99 / normal.p99:9.2f}"
        print(f"{name:{width}}  {row.count:6}  {row.p50:7.2f}  {row.p99:7.2f}  {ratios}")
    worst = max(row.p50 / normal.p50 for row in rows.values())
    tail = max(row.p99 / normal.p99 for row in rows.values())
    print(f"target: at most {TARGET:g} times of normal; worst p50 {worst:.2f}, worst p99 {tail:.2f}\n")
    figure = {"name": "abuse", "figure": round(max(row.p50 for row in rows.values()), 3), "floor": round(normal.p50, 3)}
    print(json.dumps(figure | {"ratio": round(worst, 3), "ratio_p99": round(tail, 3), "unit": "ms, p50, worst kind"}))
