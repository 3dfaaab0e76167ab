"""Heartbeats a second that one bridge process validates, counts and answers, beside aiohttp that only answers."""

from dataclasses import dataclass

from bench.report import print_figure
from bench.rig import CORES, Server, bare, bridge, identities, load, plan

SECONDS = 8.0
CHARGERS = 100
TARGET = 10_000


@dataclass(frozen=True)
class Rate:
    """What a closed loop brought."""

    per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


async def closed_loop(server: Server, names: list[str], charging: str) -> tuple[Rate, dict[str, int]]:
    """Everyone says a message when the one before is answered; returns the rate, and how often each was answered."""
    async with load(plan(server, names, charging=charging, seconds=SECONDS)) as loader:
        loader.go_on()
        await loader.hear()
        loader.go_on()
        await loader.hear()
        before = server.cpu()
        result = await loader.hear()
        spent = server.cpu() - before
        loader.go_on()
    if result["wrong"] or result["lost"]:
        raise SystemExit(f"{result['lost']} connections were lost, and these answers were wrong: {result['wrong']}")
    answers = result["answers"]
    rate = Rate(answers / result["seconds"], spent / answers * 1e6, result["p50_ms"], result["p99_ms"])
    return rate, result["said"]


def row(rate: Rate) -> tuple[str, ...]:
    """For the table."""
    return (f"{rate.per_second:,.0f}", f"{rate.cpu_us:.0f}", f"{rate.p50_ms:.2f}", f"{rate.p99_ms:.2f}")


COLUMNS = ("a second", "CPU µs each", "p50 ms", "p99 ms")


async def measure(*, chargers: int = CHARGERS) -> int:
    """The floor, then the bridge, then the floor again, since the machine's speed may change meanwhile."""
    names = identities(chargers)
    async with bare(len(names)) as server:
        first, _ = await closed_loop(server, names, "heartbeat")
    async with bridge(names, frames_per_second=1_000_000) as (server, _stack):
        ours, _ = await closed_loop(server, names, "heartbeat")
    async with bare(len(names)) as server:
        second, _ = await closed_loop(server, names, "heartbeat")
    floor = max(first, second, key=lambda rate: rate.per_second)
    print_figure(
        "heartbeats",
        f"closed loop of {len(names)} chargers, {SECONDS:g} s, {CORES.note()}",
        COLUMNS,
        {"the bridge": row(ours), "floor: aiohttp that only answers": row(floor)},
        figure=ours.per_second,
        floor=floor.per_second,
        unit="heartbeats a second",
        target=f"at least {TARGET}",
        met=ours.per_second >= TARGET,
    )
    return 0
