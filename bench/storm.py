"""How long it takes until all chargers are back when they connect and boot at once, as after an outage."""

import asyncio

from bench.report import print_figure
from bench.rig import CORES, Server, bare, bridge, identities, load, plan

CHARGERS = 5_000
WITHIN_S = 6.0
RATIO = 2.5
STORMS = 3
SETTLE_S = 5.0
"""Between storms, so that none begins while the connections of the one before are still being ended."""
COLUMNS = ("all back after s", "server CPU s", "CPU µs each", "answered 503", "answered Pending", "lost")


async def storm(server: Server, names: list[str]) -> tuple[float, tuple[str, ...]]:
    """Everyone connects and boots at the same moment; returns when the last was accepted, and a row of the table."""
    async with load(plan(server, names)) as loader:
        before = server.cpu()
        loader.go_on()
        result = await loader.hear()
        spent = server.cpu() - before
        loader.go_on()
    await asyncio.sleep(SETTLE_S)
    if result["wrong"]:
        raise SystemExit(f"these answers were wrong: {result['wrong']}")
    took = float(result["seconds"])
    each = f"{spent / len(names) * 1e6:.0f}"
    counts = (str(result["refused"]), str(result["pending"]), str(result["lost"]))
    return took, (f"{took:.2f}", f"{spent:.2f}", each, *counts)


async def measure(*, chargers: int = CHARGERS) -> int:
    """Three storms of the same chargers at each; the median counts."""
    names = identities(chargers)
    async with bare(len(names)) as server:
        floors = [await storm(server, names) for _ in range(STORMS)]
    async with bridge(names) as (server, _stack):
        storms = [await storm(server, names) for _ in range(STORMS)]
    rows = {f"the bridge, storm {number}": found for number, (_, found) in enumerate(storms, 1)}
    rows |= {f"floor: aiohttp that only answers, {number}": found for number, (_, found) in enumerate(floors, 1)}
    ours, floor = sorted(took for took, _ in storms)[1], sorted(took for took, _ in floors)[1]
    print_figure(
        "storm",
        f"{len(names)} chargers with Basic auth connect and boot at once; {CORES.note()}, Kafka and PostgreSQL on both",
        COLUMNS,
        rows,
        figure=ours,
        floor=floor,
        unit="seconds until all are back, median of 3",
        target=f"at most {WITHIN_S:g} s and {RATIO} times the floor",
        met=ours <= WITHIN_S and ours <= RATIO * floor,
    )
    return 0
