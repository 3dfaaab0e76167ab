"""Processes that their consumer groups know by name: who takes whose place, and who leaves."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from chassis.consumer import Consumers
from chassis.health import Health
from chassis.testing import eventually

NAME = "svc-1"


async def heard(_session, _envelope):
    """Nothing is published here."""


@pytest.fixture
async def join(database, kafka, metrics, make_topic):
    """Lets a process of the name join the group of a topic, the same each time; gives its consumers and subscription."""
    topic = await make_topic()
    async with AsyncExitStack() as stack:

        async def join():
            health = Health()
            consumers = Consumers("svc", database, replace(kafka, instance_id=NAME), metrics, health)
            subscription = consumers.subscribe(topic, heard)
            await consumers.start()
            stack.push_async_callback(consumers.stop)

            async def ready():
                assert health.not_ready() == {}

            await eventually(ready)
            return consumers, subscription

        yield join


async def test_who_comes_back_under_its_name_after_a_kill_is_in_its_group_at_once(join, monkeypatch):
    """Without a name the group would wait until the killed one has been silent for long enough, and deal out again."""

    async def as_the_kernel_ends_it(_coordinator):
        """Without a word to the group."""

    monkeypatch.setattr(
        "aiokafka.consumer.group_coordinator.GroupCoordinator._maybe_leave_group", as_the_kernel_ends_it
    )
    killed, before = await join()
    dealt = before.consumer._coordinator.generation
    await killed.stop()
    _, after = await join()
    assert after.consumer._coordinator.generation == dealt
    assert len(after.consumer.assignment()) == after.processor.topic.partitions


async def test_who_stops_leaves_its_group_at_once_although_the_group_knows_its_name(join, kafka):
    stopped, subscription = await join()
    await stopped.stop()
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    try:
        [described] = await admin.describe_consumer_groups([subscription.group])
    finally:
        await admin.close()
    [(_, _, state, _, _, members, *_)] = described.groups
    assert (state, members) == ("Empty", [])
