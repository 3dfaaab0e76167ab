"""Memory of an idle connection: a charger that has connected and booted and says nothing more."""

import asyncio

from bench.report import print_figure
from bench.rig import CORES, Server, bare, bridge, identities, load, plan

COUNTS = (5_000, 15_000)
WARM_UP = 500
AT_ONCE = 200
SETTLE_S = 3.0
TARGET_KIB = 20.0


async def each(server: Server, names: list[str]) -> float:
    """KiB of memory that each of these connections takes."""
    # What the first connections ever leave behind is not theirs.
    async with load(plan(server, names[:WARM_UP], at_once=AT_ONCE)) as loader:
        loader.go_on()
        await loader.hear()
        loader.go_on()
    await asyncio.sleep(SETTLE_S)
    before = server.memory()
    async with load(plan(server, names, at_once=AT_ONCE)) as loader:
        loader.go_on()
        await loader.hear()
        await asyncio.sleep(SETTLE_S)
        grown = server.memory() - before
        loader.go_on()
    return grown / len(names) / 1024


async def measure(*, chargers: int = 0) -> int:
    """The floor and the bridge with 5,000 and with 15,000 connections, each in a fresh process."""
    counts = (chargers,) if chargers else COUNTS
    rows: dict[str, tuple[str, ...]] = {}
    found: list[tuple[float, float]] = []
    for count in counts:
        names = identities(count)
        async with bare(count) as server:
            floor = await each(server, names)
        async with bridge(names) as (server, _stack):
            ours = await each(server, names)
        rows[f"the bridge, {count:,} connections"] = (f"{ours:.1f}",)
        rows[f"floor: aiohttp that only answers, {count:,}"] = (f"{floor:.1f}",)
        found.append((ours, floor))
    ours, floor = max(found)
    print_figure(
        "connections",
        f"idle connections of chargers that have booted, without TLS; {CORES.note()}",
        ("KiB each",),
        rows,
        figure=ours,
        floor=floor,
        unit="KiB a connection, the most of all counts",
        target=f"at most {TARGET_KIB:g}",
        met=ours <= TARGET_KIB,
    )
    return 0
