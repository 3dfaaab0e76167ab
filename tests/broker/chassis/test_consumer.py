"""Consumer groups on a real Kafka: once, in order, at once, and after every failure."""

import asyncio
import re
import time
from statistics import median
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError
from sqlalchemy import text

from chassis.consumer import Consumers, subscribe
from chassis.health import Health
from chassis.kafka import KafkaConnection
from chassis.metrics import Metrics
from chassis.tasks import cancel, wait_for
from chassis.testing import FakeClock, eventually
from contracts import topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected
from contracts.registry import encode

NOW = FakeClock().now()


def connected(charger="CP1", epoch=1):
    data = ChargerConnected(charger_id=charger, epoch=epoch, protocol="p", bridge="b", since=NOW)
    return Envelope(id=uuid4(), source="/services/svc", time=NOW, data=data)


async def insert(session, envelope):
    await session.execute(
        text("insert into things values (:name, :number)"),
        {"name": envelope.data.charger_id, "number": envelope.data.epoch},
    )


@pytest.fixture
async def produce(kafka):
    producer = kafka.idempotent_producer()
    await producer.start()

    async def produce(topic, *envelopes):
        records = [encode(topic, envelope) for envelope in envelopes]
        futures = [
            await producer.send(topic.name, record.value, key=record.key, headers=list(record.headers))
            for record in records
        ]
        await asyncio.gather(*futures)

    produce.raw = producer
    yield produce
    await producer.stop()


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def impatient_health(health, monkeypatch):
    """Looks often, and calls a consumer deaf soon."""
    monkeypatch.setattr("chassis.consumer.LOOK_S", 0.1)
    monkeypatch.setattr("chassis.consumer.DEAF_S", 0.5)
    return health


@pytest.fixture
async def make(database, kafka, metrics, health):
    """Makes consumers of a service and starts them; stops them after the test."""
    made = []

    async def make(declare, *, service="svc"):
        consumers = Consumers(service, database, kafka, metrics, health)
        declare(consumers)
        made.append(consumers)
        await consumers.start()
        return consumers

    yield make
    for consumers in made:
        await consumers.stop()


async def committed(kafka, group, topic):
    consumer = AIOKafkaConsumer(**kafka.client_options(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        offsets = [await consumer.committed(TopicPartition(topic.name, number)) for number in range(topic.partitions)]
        return sum(offset or 0 for offset in offsets)
    finally:
        await consumer.stop()


async def test_every_message_is_handled_once_and_in_order_per_key(make, make_topic, produce, rows):
    topic = await make_topic()
    order = {}

    async def handle(session, envelope):
        order.setdefault(envelope.data.charger_id, []).append(envelope.data.epoch)
        await insert(session, envelope)

    messages = [connected(f"CP{number % 7}", number) for number in range(200)]
    await produce(topic, *messages)
    await make(lambda consumers: consumers.subscribe(topic, handle))
    await produce(topic, *messages)
    await produce(topic, connected("END", 1))
    await eventually(lambda: _equal(order.get("END"), [1]), within=90)
    await eventually(lambda: _rows(rows, "select count(*) from things", [(201,)]), within=90)
    assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_offsets_are_committed_under_the_services_group_after_the_work(make, make_topic, produce, rows, kafka):
    topic = await make_topic()
    consumers = await make(lambda consumers: consumers.subscribe(topic, insert), service="restart-orchestrator")
    await produce(topic, *(connected(f"CP{number}", number) for number in range(20)))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(20,)]))
    await consumers.stop()
    assert await committed(kafka, f"restart-orchestrator.{topic.name}", topic) == 20


async def test_a_batch_whose_world_is_bad_is_read_again_and_nothing_is_lost(make, make_topic, produce, rows):
    topic = await make_topic()
    bad_world = {"is": True}

    async def handle(session, envelope):
        await insert(session, envelope)
        if bad_world["is"] and envelope.data.epoch == 30:
            raise ConnectionError

    def declare(consumers):
        subscription = consumers.subscribe(topic, handle)
        subscription.processor._patience = 0.05

    await make(declare)
    await produce(topic, *(connected(f"CP{number % 7}", number) for number in range(60)))
    await eventually(lambda: _rows(rows, "select count(*) > 20 from things", [(True,)]))
    bad_world["is"] = False
    await eventually(lambda: _rows(rows, "select count(*), count(distinct number) from things", [(60, 60)]), within=90)


async def test_records_that_no_one_can_read_do_not_stop_the_others(make, make_topic, produce, rows):
    topic = await make_topic(partitions=1)
    await produce.raw.send_and_wait(topic.name, b"{", key=b"CP1")
    await produce.raw.send_and_wait(topic.name, b"\xff", key=None, headers=[("ce_id", b"\xff\xfe")])
    await produce.raw.send_and_wait(topic.name, None, key=b"CP1")
    await produce(topic, connected())
    await make(lambda consumers: consumers.subscribe(topic, insert))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(1,)]))
    assert await rows('select "offset" from dead_letters order by 1') == [(0,), (1,), (2,)]


async def test_a_projection_applies_whole_batches_and_says_how_far_it_is(make, make_topic, produce, rows):
    topic = await make_topic()
    sizes = []

    async def handle_batch(session, envelopes):
        sizes.append(len(envelopes))
        for envelope in envelopes:
            await insert(session, envelope)

    await produce(topic, *(connected(f"CP{number % 7}", number) for number in range(300)))
    await make(lambda consumers: consumers.subscribe_batch(topic, handle_batch))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(300,)]), within=90)
    assert len(sizes) < 50
    assert await rows("select sum(next_offset)::int from checkpoints") == [(300,)]


async def test_two_members_share_the_partitions_and_one_takes_over_from_the_other(make, make_topic, produce, rows):
    topic = await make_topic(partitions=6)
    first = await make(lambda consumers: consumers.subscribe(topic, insert))
    await make(lambda consumers: consumers.subscribe(topic, insert))
    await produce(topic, *(connected(f"CP{number}", number) for number in range(50)))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(50,)]), within=90)
    await first.stop()
    await produce(topic, *(connected(f"CP{number}", number) for number in range(50, 100)))
    await eventually(
        lambda: _rows(rows, "select count(*), count(distinct number) from things", [(100, 100)]), within=20
    )


@pytest.fixture
async def by_hand(kafka, database):
    """Reads a topic with nothing of ours, and calls back in a transaction: what a loaded machine can do at best."""
    reading = []

    async def begin(topic, handle):
        consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False)
        await consumer.start()
        consumer.assign([TopicPartition(topic.name, number) for number in range(topic.partitions)])

        async def read():
            async for _ in consumer:
                async with database.begin() as session:
                    await session.execute(text("select 1"))
                    handle()

        reading.append((asyncio.create_task(read()), consumer))

    yield begin
    for task, consumer in reading:
        await cancel(task)
        await consumer.stop()


async def test_a_message_that_comes_after_a_long_silence_is_handled_at_once(make, make_topic, produce, by_hand, health):
    topic = await make_topic()
    handled, floor = asyncio.Event(), asyncio.Event()
    at = {}

    async def handle(session, envelope):
        at[handled] = time.monotonic()
        handled.set()

    def read_by_hand():
        at[floor] = time.monotonic()
        floor.set()

    await by_hand(topic, read_by_hand)
    await make(lambda consumers: consumers.subscribe(topic, handle))
    await eventually(lambda: _equal(health.not_ready(), {}), within=60)
    late = []
    for number in range(10):
        # Between two long polls, during one, and at their ends: at every moment someone must be listening.
        handled.clear()
        floor.clear()
        await wait_for(asyncio.Event(), at_most=0.23)
        await produce(topic, connected(epoch=number))
        await handled.wait()
        await floor.wait()
        late.append(at[handled] - at[floor])
    assert median(late) < 0.1, late


async def test_stopping_is_quick_when_idle_and_waits_for_the_message_at_hand(make, make_topic, produce, rows):
    topic = await make_topic()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(session, envelope):
        await insert(session, envelope)
        if envelope.data.epoch == 2:
            begun.set()
            await go_on.wait()

    consumers = await make(lambda consumers: consumers.subscribe(topic, handle))
    await produce(topic, connected(epoch=1))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(1,)]))
    await produce(topic, connected(epoch=2))
    await begun.wait()
    consumers._broker.config.broker_config.graceful_timeout = 90.0  # one that only waits takes longer than any machine
    stopping = asyncio.create_task(consumers.stop())
    done, _ = await asyncio.wait([stopping], timeout=0.3)
    assert not done
    go_on.set()
    async with asyncio.timeout(60):
        await stopping
    assert await rows("select count(*) from things") == [(2,)]


async def test_a_consumer_goes_on_when_kafka_has_died_and_come_back(
    make, make_topic, produce, rows, plain_infrastructure
):
    topic = await make_topic()
    await make(lambda consumers: consumers.subscribe(topic, insert))
    await produce(topic, connected(epoch=1))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(1,)]))
    await plain_infrastructure.kafka.kill()
    await plain_infrastructure.kafka.start()
    await produce(topic, connected(epoch=2))
    await eventually(lambda: _rows(rows, "select count(*) from things", [(2,)]), within=90)


async def test_a_consumer_that_reads_nothing_although_records_wait_is_not_live(
    make, make_topic, produce, impatient_health, metrics
):
    topic = await make_topic()
    subscriptions = []

    async def deaf(consumer):
        await asyncio.Event().wait()

    def declare(consumers):
        subscription = consumers.subscribe(topic, insert)
        subscription._subscriber.get_msg = deaf
        subscriptions.append(subscription)

    await make(declare)
    await eventually(lambda: _equal(subscriptions[0]._assignments.joined, True), within=60)
    assert impatient_health.not_live() == {}
    await produce(topic, *(connected(f"CP{number}") for number in range(5)))
    await eventually(lambda: _says(impatient_health.not_live(), "5 records wait"))
    lag = sum(sample.value for family in metrics.lag.collect() for sample in family.samples)
    assert lag == 5


async def test_stopping_is_bounded_while_kafka_is_away(make, make_topic, produce, rows, plain_infrastructure):
    topic = await make_topic()
    consumers = await make(lambda consumers: consumers.subscribe(topic, insert))
    await produce(topic, connected())
    await eventually(lambda: _rows(rows, "select count(*) from things", [(1,)]))
    await plain_infrastructure.kafka.kill()
    try:
        async with asyncio.timeout(60):
            await consumers.stop()
    finally:
        await plain_infrastructure.kafka.start()


@pytest.fixture
async def portal(infrastructure):
    """Kafka as the portal may use it."""
    access = infrastructure.kafka_access("portal")
    return KafkaConnection(access.bootstrap, access.username, access.password)


@pytest.mark.parametrize(
    ("topic", "group", "says"),
    [
        (topics.FLEET_CREDENTIALS, None, r"refuses portal this topic .*fleet\.credentials\.v1"),
        (topics.RESTART_ATTEMPTS, "billing.others", r"refuses portal this consumer group .*billing\.others"),
    ],
)
async def test_what_the_service_may_not_read_is_refused_at_the_start_in_words(database, portal, topic, group, says):
    consumers = Consumers("portal", database, portal, Metrics("portal"), Health())
    consumers.subscribe(topic, insert, consumer=group)
    with pytest.raises((GroupAuthorizationFailedError, TopicAuthorizationFailedError)) as caught:
        await _started(consumers)
    assert re.search(says, await portal.explain(caught.value))


async def test_two_subscriptions_of_one_group_are_refused(database, kafka, metrics, health, make_topic):
    topic = await make_topic()
    consumers = Consumers("svc", database, kafka, metrics, health)
    subscribe(consumers, topic, insert)
    with pytest.raises(ValueError, match=topic.name):
        subscribe(consumers, topic, insert)
    subscribe(consumers, topic, insert, consumer="svc.again")


async def _started(consumers):
    """Starts them; a broker that was just told of a user may need a moment to let it in."""

    async def start():
        try:
            await consumers.start()
        except KafkaConnectionError as error:
            raise AssertionError(str(error)) from error

    await eventually(start)


def _equal(one, other):
    assert one == other


def _says(reasons, words):
    assert any(words in reason for reason in reasons.values())


async def _rows(rows, sql, expected):
    assert await rows(sql) == expected
