"""Very many chargers in one cheap process: raw protocols, frames made beforehand, and no more parsing than is needed.

`python -m bench.load` reads a `Plan` as a line of JSON, writes a line of JSON at each milestone, and goes on to the
next phase with each line that it reads. It runs on a core of its own, so that what is measured is the server.
"""

import asyncio
import base64
import os
import random
import re
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import uvloop

SOURCES = 16
"""So many loopback addresses connections come from, so that ephemeral ports do not run out."""
RESERVE = 200
ANSWER_WITHIN_S = 120.0
RETRY_AFTER = re.compile(rb"(?i)\r\nRetry-After: *(\d+)")
INTERVAL = re.compile(rb'"interval": ?(\d+)')
HEARTBEAT = b'[2,"%d","Heartbeat",{}]'
STATUS = (
    b'[2,"%d","StatusNotification",'
    b'{"connectorId":1,"errorCode":"NoError","status":"Available","info":"%d","timestamp":"2026-01-01T00:00:00.000Z"}]'
)
BOOT = (
    b'[2,"boot-%d","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"Load","firmwareVersion":"1.0",'
    b'"chargePointSerialNumber":"%s"}]'
)


@dataclass(frozen=True)
class Plan:
    """What the chargers do.

    Attributes:
        charging: the message of the closed loop: `heartbeat`, `status`, or empty for none.
        seconds: how long the closed loop lasts, after as many seconds of warming up as `warm_up_s`.
        at_once: connections that are being opened at the same time; 0 for no bound.
        core: the core this process keeps to, or -1.
    """

    port: int
    names: list[str]
    password: str
    charging: str = ""
    seconds: float = 0.0
    warm_up_s: float = 1.0
    at_once: int = 0
    core: int = -1


@dataclass
class Counts:
    """What happened."""

    refused: int = 0
    """Handshakes that were answered 503."""
    pending: int = 0
    """Boots that were answered Pending."""
    lost: int = 0
    """Connections that failed or ended otherwise, and were tried again."""
    wrong: list[str] = field(default_factory=list)
    """Answers that are no result, the first few of them."""


def masked(payload: bytes) -> bytes:
    """A text frame of a client, with a mask of zeros: the server's work is the same, and ours is done."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, 0x80 | length)) + b"\0\0\0\0" + payload
    return b"\x81\xfe" + length.to_bytes(2, "big") + b"\0\0\0\0" + payload


class Charger(asyncio.Protocol):
    """One charger: it connects, boots, and then says its messages, each when the one before is answered."""

    __slots__ = (
        "_buffer",
        "_load",
        "_open",
        "_sent_at",
        "_started",
        "_transport",
        "_tries",
        "booted_at",
        "made",
        "name",
        "said",
    )

    def __init__(self, load: "Load", name: str) -> None:
        self.name = name
        self.said = 0
        self.booted_at = 0.0
        self.made: Callable[[int], bytes] | None = None
        self._load = load
        self._open = False
        self._buffer = b""
        self._transport: Any = None
        self._sent_at = 0.0
        self._tries = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._open = False
        self._buffer = b""
        transport.write(self._load.handshake(self.name))

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if not self._open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self._turned_away(data)
                return
            self._open = True
            self.boot()
            data = data[end + 4 :]
        while len(data) >= 2:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            end = start + length
            if len(data) < end:
                break
            if data[0] == 0x81:
                self._answered(data[start:end])
            elif data[0] == 0x89:
                self._transport.write(bytes((0x8A, 0x80 | length)) + b"\0\0\0\0" + data[start:end])
            data = data[end:]
        self._buffer = data

    def boot(self) -> None:
        self._tries += 1
        self._transport.write(masked(BOOT % (self._tries, self.name.encode())))

    def say(self) -> None:
        """The next message of the closed loop."""
        assert self.made is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self.made(self.said))

    def _answered(self, frame: bytes) -> None:
        if self.booted_at:
            self.said += 1
            if frame[1:2] != b"3" and len(self._load.counts.wrong) < 5:
                self._load.counts.wrong.append(frame.decode())
            self._load.answered(self, time.perf_counter() - self._sent_at)
        elif b'"Accepted"' in frame:
            self.booted_at = time.perf_counter()
            self._load.booted(self)
        elif b'"Pending"' in frame and (interval := INTERVAL.search(frame)):
            self._load.counts.pending += 1
            asyncio.get_running_loop().call_later(float(interval[1]), self.boot)
        elif len(self._load.counts.wrong) < 5:
            self._load.counts.wrong.append(frame.decode())

    def _turned_away(self, data: bytes) -> None:
        after = RETRY_AFTER.search(data)
        if after is None and len(self._load.counts.wrong) < 5:
            self._load.counts.wrong.append(data[:200].decode(errors="replace"))
        self._load.counts.refused += 1
        transport, self._transport = self._transport, None
        transport.close()
        self._load.again(self, float(after[1]) if after else 1.0)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._transport is not None and not self._load.over:
            self._load.counts.lost += 1
            self._transport = None
            self._load.again(self, random.uniform(0.5, 1.5))  # noqa: S311


class Load:
    """All chargers of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.counts = Counts()
        self.over = False
        self.chargers = [Charger(self, name) for name in plan.names]
        self._left = len(self.chargers)
        self._all_booted = asyncio.Event()
        self._gate = asyncio.Semaphore(plan.at_once) if plan.at_once else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._until = 0.0
        self._times: list[float] = []
        self._counting = False
        self.answers = 0
        self._idle = 0
        self._all_idle = asyncio.Event()

    def handshake(self, name: str) -> bytes:
        """The request of a charger."""
        basic = base64.b64encode(f"{name}:{self.plan.password}".encode()).decode()
        return (
            f"GET /ocpp/{name} HTTP/1.1\r\nHost: 127.0.0.1:{self.plan.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {basic}\r\n\r\n"
        ).encode()

    async def connect_all(self) -> float:
        """Connects and boots everyone; returns the seconds from the first connection to the last boot."""
        began = time.perf_counter()
        for number, charger in enumerate(self.chargers):
            self._start(charger, number)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._all_booted.wait()
        return time.perf_counter() - began

    def again(self, charger: Charger, after: float) -> None:
        """Has a charger connect once more."""
        asyncio.get_running_loop().call_later(after, self._start, charger, random.randrange(1 << 16))  # noqa: S311

    def _start(self, charger: Charger, number: int) -> None:
        task = asyncio.create_task(self._connect(charger, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, charger: Charger, number: int) -> None:
        source = f"127.0.0.{1 + number % SOURCES}"
        loop = asyncio.get_running_loop()
        if self._gate is not None:
            await self._gate.acquire()
        try:
            await loop.create_connection(lambda: charger, "127.0.0.1", self.plan.port, local_addr=(source, 0))
        except OSError:
            self.counts.lost += 1
            if self._gate is not None:
                self._gate.release()
            self.again(charger, random.uniform(0.5, 1.5))  # noqa: S311

    def booted(self, _charger: Charger) -> None:
        if self._gate is not None:
            self._gate.release()
        self._left -= 1
        if not self._left:
            self._all_booted.set()

    async def closed_loop(self) -> dict[str, Any]:
        """Everyone says a message, and the next one when it is answered, until the time is over."""
        text = HEARTBEAT if self.plan.charging == "heartbeat" else STATUS
        places = text.count(b"%d")
        for number, charger in enumerate(self.chargers):
            # Ids are unique for each charger; heartbeats need no more than a few, which are made beforehand.
            if places == 1:
                made = [masked(text % (number * 64 + each)) for each in range(64)]
                charger.made = lambda said, made=made: made[said % 64]
            else:
                charger.made = lambda said: masked(text % (said, said))
        self._until = time.perf_counter() + self.plan.warm_up_s + self.plan.seconds
        began = time.perf_counter() + self.plan.warm_up_s
        asyncio.get_running_loop().call_later(self.plan.warm_up_s, self._begin_counting)
        for charger in self.chargers:
            charger.say()
        async with asyncio.timeout(self.plan.warm_up_s + self.plan.seconds + ANSWER_WITHIN_S):
            await self._all_idle.wait()
        took = time.perf_counter() - began
        times = sorted(self._times)
        return {
            "answers": self.answers,
            "said": {charger.name: charger.said for charger in self.chargers},
            "seconds": min(took, self.plan.seconds),
            "p50_ms": times[len(times) // 2] * 1000 if times else 0.0,
            "p99_ms": times[int(len(times) * 0.99)] * 1000 if times else 0.0,
        }

    def _begin_counting(self) -> None:
        self._counting = True
        tell({"counting": True})

    def answered(self, charger: Charger, took: float) -> None:
        now = time.perf_counter()
        if now < self._until:
            if self._counting:
                self.answers += 1
                if self.answers % 16 == 0:
                    self._times.append(took)
            charger.say()
            return
        self._idle += 1
        if self._idle == len(self.chargers):
            self._all_idle.set()


def tell(what: dict[str, Any]) -> None:
    """Writes a milestone, with the processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    line = orjson.dumps({**what, "cpu_s": usage.ru_utime + usage.ru_stime})
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def raise_file_limit(wanted: int) -> None:
    """Allows this process so many open files, or says what to do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(
            f"{wanted} open files are needed and the hard limit is {hard}: raise it (ulimit -Hn), or give --chargers"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def run(plan: Plan) -> None:
    """The phases of a plan, each begun by a line on standard input."""
    load = Load(plan)
    loop = asyncio.get_running_loop()
    tell({"ready": True})
    await loop.run_in_executor(None, sys.stdin.readline)
    took = await load.connect_all()
    tell({"booted": len(load.chargers), "seconds": took, **asdict(load.counts)})
    if plan.charging:
        await loop.run_in_executor(None, sys.stdin.readline)
        tell({**await load.closed_loop(), **asdict(load.counts)})
    await loop.run_in_executor(None, sys.stdin.readline)
    load.over = True


def main() -> None:
    """Runs the plan on standard input."""
    plan = Plan(**orjson.loads(sys.stdin.readline()))
    if plan.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {plan.core})
    raise_file_limit(len(plan.names) + RESERVE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(plan))


if __name__ == "__main__":
    main()
