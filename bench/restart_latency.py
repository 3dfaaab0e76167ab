"""From the HTTP request to the Reset frame at the charger, beside Kafka, PostgreSQL, Kafka with nothing of ours."""

import asyncio

from bench.floor import Floor
from bench.report import Distribution, print_latency
from bench.system import running

WARM_UP = 50
PAUSE_S = 0.1
"""Before each measurement, for the floor as for ours: what the restart before left to do is not part of it."""
ROW = "HTTP request -> Reset frame"
FLOOR = "floor: Kafka, PostgreSQL, Kafka"


async def measure(*, rounds: int = 300, chargers: int = 100) -> int:
    """Restarts one after the other, each to its verdict, with a hop of the floor before each, under the same load."""
    async with running(chargers) as bench, Floor(bench.kafka(), bench.database_url).running() as floor:
        hops: list[float] = []
        ours: list[float] = []
        for number in range(WARM_UP + rounds):
            charger = bench.chargers[number % len(bench.chargers)]
            await bench.available(charger)
            await asyncio.sleep(PAUSE_S)
            hop = await floor.hop()
            await asyncio.sleep(PAUSE_S)
            took = await bench.restart(charger)
            if number >= WARM_UP:
                hops.append(hop)
                ours.append(took)
    rows = {ROW: Distribution.of(ours), FLOOR: Distribution.of(hops)}
    print_latency("restart-latency", "milliseconds", rows, figure=ROW, floor=FLOOR)
    return 0
