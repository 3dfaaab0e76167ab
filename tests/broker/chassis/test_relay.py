"""Nothing is lost or reordered between the outbox and Kafka."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections import defaultdict
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.database import Database
from chassis.outbox import Outbox
from chassis.relay import Relay
from chassis.testing import FakeClock, eventually
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected

NOW = FakeClock().now()
PROGRAM = Path(__file__).with_name("relay_process.py")


class Process:
    """What one process of the service has: a relay, and an outbox that wakes it."""

    def __init__(self, url, kafka, metrics):
        self.database = Database(url, "svc")
        self.relay = Relay(self.database, kafka, metrics)
        self.outbox = Outbox("svc", wake=self.relay.wake, leading=lambda: self.relay.leading, offer=self.relay.offer)

    async def say(self, topic, *messages):
        """Says (charger, epoch) pairs in one transaction."""
        async with self.database.begin() as session:
            await self.outbox.add(session, topic, [connected(*message) for message in messages])

    async def stop(self):
        await self.relay.stop()
        await self.database.dispose()


def connected(charger, epoch):
    data = ChargerConnected(charger_id=charger, epoch=epoch, protocol="p", bridge="b", since=NOW)
    return Envelope(id=uuid4(), source="/services/svc", time=NOW, data=data)


def by_key(records):
    """Numbers by key, in the order in which they stand in the topic; each message id once."""
    found, ids = defaultdict(list), set()
    for record in records:
        message_id = UUID(dict(record.headers)["ce_id"].decode())
        if message_id not in ids:
            ids.add(message_id)
            found[record.key.decode()].append(json.loads(record.value)["epoch"])
    return dict(found)


@pytest.fixture
async def make(database_url, kafka, metrics):
    made = []

    async def make(*, start=True):
        process = Process(database_url, kafka, metrics)
        made.append(process)
        if start:
            await process.relay.start()
        return process

    yield make
    for process in made:
        await process.stop()


async def test_messages_are_published_right_after_their_commit_with_their_headers(make, make_topic, read, rows):
    topic = await make_topic()
    process = await make()
    records = await read(topic)
    await process.say(topic, ("CP1", 1))
    await eventually(lambda: _equal(len(records), 1))
    headers = dict(records[0].headers)
    assert headers["ce_type"] == b"ocpp.charger-connected.v1"
    assert headers["content-type"] == b"application/json"
    await eventually(lambda: _rows(rows, "select id from outbox", []))


async def test_each_key_keeps_its_order_under_a_load_of_many_pages(make, make_topic, read, rows):
    topic = await make_topic()
    process = await make()
    records = await read(topic)
    numbers = count(1)
    for _ in range(30):
        await process.say(topic, *((f"CP{number % 5}", number) for number in (next(numbers) for _ in range(100))))
    await eventually(lambda: _equal(len(records), 3000), within=60)
    found = by_key(records)
    assert {key: sorted(epochs) for key, epochs in found.items()} == found
    assert sum(map(len, found.values())) == 3000
    await eventually(lambda: _rows(rows, "select count(*) from outbox", [(0,)]))


async def test_what_was_written_while_no_relay_ran_is_published_at_the_start(make, make_topic, read):
    topic = await make_topic()
    process = await make(start=False)
    await process.say(topic, *(("CP1", number) for number in range(1200)))
    records = await read(topic)
    await process.relay.start()
    await eventually(lambda: _equal(by_key(records), {"CP1": list(range(1200))}), within=60)


async def test_a_tombstone_is_published_without_a_value(make, make_topic, read):
    from contracts import topics
    from contracts.auth import MembershipEnded

    topic = await make_topic(topics.AUTH_MEMBERSHIPS)
    process = await make()
    records = await read(topic)
    ended = Envelope(id=uuid4(), source="/services/auth", time=NOW, data=MembershipEnded(group_id="g1", user_id="u1"))
    async with process.database.begin() as session:
        await process.outbox.add(session, topic, [ended])
    await eventually(lambda: _equal([(record.key, record.value) for record in records], [(b"g1/u1", None)]))


async def test_only_one_process_publishes_and_another_ones_commits_reach_it(make, make_topic, read):
    topic = await make_topic()
    leader = await make()
    await eventually(lambda: _equal(leader.relay.leading, True))
    standby = await make()
    await eventually(lambda: _equal(standby.relay.trouble(), None))
    records = await read(topic)
    await standby.say(topic, ("CP1", 1))
    await leader.say(topic, ("CP1", 2))
    await eventually(lambda: _equal(by_key(records), {"CP1": [1, 2]}), within=60)
    assert (leader.relay.leading, standby.relay.leading) == (True, False)


async def test_what_two_processes_say_in_turn_of_one_key_keeps_its_order(make, make_topic, read):
    topic = await make_topic()
    leader = await make()
    await eventually(lambda: _equal(leader.relay.leading, True))
    standby = await make()
    records = await read(topic)
    for number in range(100):
        await (standby if number % 3 == 0 else leader).say(topic, ("CP1", number))
    await eventually(lambda: _equal(by_key(records), {"CP1": list(range(100))}))


async def test_what_is_offered_to_the_relay_is_published_without_being_read(make, make_topic, read, rows, monkeypatch):
    topic = await make_topic()
    process = await make()
    records = await read(topic)
    await process.say(topic, ("CP1", 1))  # the relay learns the topic's partitions by reading
    await eventually(lambda: _equal(by_key(records), {"CP1": [1]}))
    monkeypatch.setattr(process.relay, "wake", lambda: pytest.fail("the relay is to read"))
    await process.say(topic, ("CP1", 2), ("CP2", 1))
    await eventually(lambda: _equal(by_key(records), {"CP1": [1, 2], "CP2": [1]}))
    monkeypatch.undo()
    await eventually(lambda: _rows(rows, "select count(*) from outbox", [(0,)]))


async def test_another_process_takes_over_when_the_leader_leaves(make, make_topic, read):
    topic = await make_topic()
    leader = await make()
    await eventually(lambda: _equal(leader.relay.leading, True))
    standby = await make()
    records = await read(topic)
    await leader.say(topic, ("CP1", 1))
    await leader.relay.stop()
    await standby.say(topic, ("CP1", 2))
    await eventually(lambda: _equal(by_key(records), {"CP1": [1, 2]}), within=60)
    assert standby.relay.leading


async def test_a_leader_whose_database_connection_dies_goes_on_with_a_new_one(make, make_topic, read, database):
    topic = await make_topic()
    process = await make()
    await eventually(lambda: _equal(process.relay.leading, True))
    records = await read(topic)
    await process.say(topic, ("CP1", 1))
    async with database.begin() as session:
        await session.execute(
            text("select pg_terminate_backend(pid, 20000) from pg_locks where locktype = 'advisory' and granted")
        )
    await process.say(topic, ("CP1", 2))
    await eventually(lambda: _equal(by_key(records), {"CP1": [1, 2]}), within=60)
    await eventually(lambda: _equal(process.relay.leading, True))


async def test_messages_wait_while_kafka_is_away_and_go_out_in_order_when_it_is_back(
    make, make_topic, read, plain_infrastructure, monkeypatch
):
    monkeypatch.setattr("chassis.relay.OVERDUE_S", 0.5)
    topic = await make_topic()
    process = await make()
    await process.say(topic, ("CP1", 0))
    records = await read(topic)
    await eventually(lambda: _equal(by_key(records), {"CP1": [0]}))
    await plain_infrastructure.kafka.kill()
    try:
        for number in range(1, 20):
            await process.say(topic, ("CP1", number))
        await eventually(lambda: _says(process.relay.trouble(), "Kafka"), within=60)
    finally:
        await plain_infrastructure.kafka.start()
    await eventually(lambda: _equal(by_key(records), {"CP1": list(range(20))}), within=120)
    await eventually(lambda: _equal(process.relay.trouble(), None), within=60)


async def test_nothing_is_lost_or_reordered_however_often_the_process_is_killed(
    database, kafka_bootstrap, make_topic, read, rows
):
    topic = await make_topic()
    records = await read(topic)
    async with database.begin() as session:
        for number in range(7):
            await session.execute(text("insert into things values (:name, 0)"), {"name": f"CP{number}"})
    chance = random.Random(7)  # noqa: S311 the same moments in every run

    def start(mode):
        return subprocess.Popen(
            [sys.executable, PROGRAM, database.dsn, kafka_bootstrap, topic.name, str(topic.partitions), mode]
        )

    for _ in range(6):
        process = start("write")
        wanted = len(records) + chance.randint(20, 300)
        await eventually(lambda wanted=wanted: _at_least(len(records), wanted), within=120)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    process = start("drain")
    try:
        await eventually(lambda: _rows(rows, "select count(*) from outbox", [(0,)]), within=120)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
    said = dict(await rows("select name, number from things"))
    expected = {name: list(range(1, number + 1)) for name, number in said.items()}
    await eventually(lambda: _equal(by_key(records), expected), within=60)
    last = {record.key.decode(): json.loads(record.value)["epoch"] for record in sorted(records, key=_place)}
    assert last == said


def _place(record):
    return record.partition, record.offset


def _equal(one, other):
    assert one == other


def _at_least(number, wanted):
    assert number >= wanted


def _says(reason, word):
    assert reason is not None
    assert word in reason


async def _rows(rows, sql, expected):
    assert await rows(sql) == expected
