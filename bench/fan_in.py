"""StatusNotifications a second that reach ocpp.observations.v1 before they are answered: none lost, in their order."""

from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.heartbeats import COLUMNS, closed_loop, row
from bench.report import print_figure
from bench.rig import CORES, bare, bridge, identities, kafka_options
from contracts import topics
from contracts.ocpp import ConnectorStatusReported
from ops.stack import Stack

CHARGERS = 500
TARGET = 5_000


async def observed(stack: Stack) -> dict[str, list[int]]:
    """The numbers of the StatusNotifications of each charger, in the order in which readers see them."""
    found: dict[str, list[int]] = {}
    options: dict[str, Any] = dict(kafka_options(stack))
    consumer = AIOKafkaConsumer(topics.OCPP_OBSERVATIONS.name, auto_offset_reset="earliest", **options)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topics.OCPP_OBSERVATIONS.name, n) for n in range(topics.OCPP_OBSERVATIONS.partitions)
        ]
        ends = await consumer.end_offsets(partitions)
        left = {partition for partition, end in ends.items() if end}
        while left:
            for partition, records in (await consumer.getmany(*left, timeout_ms=1000)).items():
                for record in records:
                    if dict(record.headers)["ce_type"].decode() == ConnectorStatusReported.wire_type:
                        data = orjson.loads(record.value)
                        found.setdefault(data["charger_id"], []).append(int(data["info"]))
                if await consumer.position(partition) >= ends[partition]:
                    left.discard(partition)
    finally:
        await consumer.stop()
    return found


def judge(said: dict[str, int], found: dict[str, list[int]]) -> str:
    """Compares what was answered with what Kafka has; raises SystemExit when something is missing or out of order."""
    for name, count in said.items():
        numbers = found.get(name, [])
        if numbers != list(range(count)):
            raise SystemExit(f"{name} was answered {count} times, and Kafka has {len(numbers)}: {numbers[:5]} …")
    return f"all {sum(said.values()):,} that were answered are in Kafka, once each, in their order"


async def measure(*, chargers: int = CHARGERS) -> int:
    """The floor, then the bridge with Kafka, then what Kafka has."""
    names = identities(chargers)
    async with bare(len(names)) as server:
        floor, _ = await closed_loop(server, names, "status")
    async with bridge(names, frames_per_second=1_000_000) as (server, stack):
        ours, said = await closed_loop(server, names, "status")
        verdict = judge(said, await observed(stack))
    print_figure(
        "fan-in",
        f"closed loop of {len(names)} chargers, StatusNotification to Kafka; {CORES.note()}, Kafka on both",
        COLUMNS,
        {"the bridge": row(ours), "floor: aiohttp that only answers": row(floor)},
        figure=ours.per_second,
        floor=floor.per_second,
        unit="StatusNotifications a second",
        target=f"at least {TARGET}",
        met=ours.per_second >= TARGET,
        remark=verdict,
    )
    return 0
