"""From the HTTP request to the Reset frame at the charger, beside Kafka, PostgreSQL, Kafka with nothing of ours."""

import asyncio

from bench.bare_way import BareWay
from bench.floor import Floor
from bench.report import Distribution, print_latency
from bench.system import running

WARM_UP = 50
PAUSE_S = 0.1
"""Before each measurement, for the floor as for ours: what the restart before left to do is not part of it."""
ROW = "HTTP request -> Reset frame"
FLOOR = "floor: Kafka, PostgreSQL, Kafka"
BARE = "the same way, bare"


async def measure(*, rounds: int = 300, chargers: int = 100) -> int:
    """Restarts one after the other, each to its verdict, with a hop of the floor and the bare way before each."""
    async with (
        running(chargers) as bench,
        Floor(bench.kafka(), bench.database_url).running() as floor,
        BareWay(bench.kafka(), bench.database_url).running() as bare,
    ):
        hops: list[float] = []
        bares: list[float] = []
        ours: list[float] = []
        for number in range(WARM_UP + rounds):
            charger = bench.chargers[number % len(bench.chargers)]
            await bench.available(charger)
            await asyncio.sleep(PAUSE_S)
            hop = await floor.hop()
            await asyncio.sleep(PAUSE_S)
            without = await bare.restart()
            await asyncio.sleep(PAUSE_S)
            took = await bench.restart(charger)
            if number >= WARM_UP:
                hops.append(hop)
                bares.append(without)
                ours.append(took)
    rows = {ROW: Distribution.of(ours), BARE: Distribution.of(bares), FLOOR: Distribution.of(hops)}
    print_latency("restart-latency", "milliseconds", rows, figure=ROW, floor=FLOOR)
    return 0
