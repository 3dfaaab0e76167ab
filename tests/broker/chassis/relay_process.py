"""Writes numbered messages through an outbox and relays them, until it is killed. Run by the crash tests.

Arguments: database URL, Kafka address, topic name, partitions, and `write` or `drain`.
"""

import asyncio
import sys
from dataclasses import replace
from uuid import uuid4

from sqlalchemy import text

from chassis.clock import SystemClock
from chassis.database import Database
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.outbox import Outbox
from chassis.relay import Relay
from contracts import registry, topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected

KEYS = 7


async def write(database: Database, outbox: Outbox, topic: topics.Topic, worker: int) -> None:
    """Gives each key's next number to a message, in the transaction that writes the message down."""
    number = worker
    while True:
        number += 1
        charger = f"CP{number % KEYS}"
        async with database.begin() as session:
            epoch = (
                await session.execute(
                    text("update things set number = number + 1 where name = :name returning number"), {"name": charger}
                )
            ).scalar_one()
            now = SystemClock().now()
            data = ChargerConnected(charger_id=charger, epoch=epoch, protocol="p", bridge="b", since=now)
            await outbox.add(session, topic, [Envelope(id=uuid4(), source="/services/svc", time=now, data=data)])


async def main(url: str, bootstrap: str, name: str, partitions: str, mode: str) -> None:
    topic = replace(topics.OCPP_CONNECTIVITY, name=name, partitions=int(partitions))
    for model in topic.messages:
        registry._MODELS[name, model.wire_type] = model
    database = Database(url, "svc")
    relay = Relay(database, KafkaConnection(bootstrap), Metrics("svc"))
    await relay.start()
    if mode == "write":
        outbox = Outbox("svc", wake=relay.wake, leading=lambda: relay.leading, offer=relay.offer)
        await asyncio.gather(*(write(database, outbox, topic, worker) for worker in range(4)))
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
