"""Publishing without an outbox: done when Kafka has it, or told in words."""

import asyncio
from uuid import uuid4

import pytest

from chassis.kafka import KafkaConnection
from chassis.publisher import Publisher, PublishFailedError
from chassis.testing import FakeClock, eventually
from contracts import topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected

NOW = FakeClock().now()


def connected(charger="CP1", epoch=1):
    data = ChargerConnected(charger_id=charger, epoch=epoch, protocol="p", bridge="b", since=NOW)
    return Envelope(id=uuid4(), source="/services/ocpp-bridge", time=NOW, data=data)


@pytest.fixture
async def publisher(kafka, metrics):
    publisher = Publisher(kafka, metrics, within=30)
    await publisher.start()
    yield publisher
    await publisher.stop()


async def test_a_message_is_in_kafka_when_publish_returns(publisher, make_topic, read):
    topic = await make_topic()
    await publisher.publish(topic, connected())
    records = await read(topic)
    await eventually(lambda: _equal([record.key for record in records], [b"CP1"]))


async def test_many_under_way_at_once_are_pipelined_and_keep_their_order(publisher, make_topic, read):
    topic = await make_topic()
    futures = [publisher.publish_nowait(topic, connected(f"CP{number % 5}", number)) for number in range(5000)]
    async with asyncio.timeout(60):  # one after the other takes longer
        await asyncio.gather(*futures)
    records = await read(topic)
    await eventually(lambda: _equal(len(records), 5000), within=60)
    by_key = {}
    for record in records:
        by_key.setdefault(record.key, []).append(int(record.value.split(b'"epoch":')[1].split(b",")[0]))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_who_gives_up_waiting_does_not_disturb_the_others(publisher, make_topic):
    topic = await make_topic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):  # over as soon as the publisher waits for Kafka
            await publisher.publish(topic, connected(epoch=1))
    await publisher.publish(topic, connected(epoch=2))
    assert publisher.trouble() is None


async def test_a_topic_that_does_not_carry_the_message_is_refused_at_once(publisher):
    with pytest.raises(ValueError, match="does not carry"):
        await publisher.publish(topics.AUTH_GROUPS, connected())


async def test_when_kafka_is_away_the_wait_is_bounded_and_told_in_words_and_it_recovers(
    kafka, metrics, make_topic, plain_infrastructure
):
    publisher = Publisher(kafka, metrics, within=2)
    await publisher.start()
    topic = await make_topic()
    await eventually(lambda: _publishes(publisher, topic), within=90)
    await plain_infrastructure.kafka.kill()
    try:
        async with asyncio.timeout(60):
            with pytest.raises(PublishFailedError, match="has not acknowledged"):
                await publisher.publish(topic, connected(epoch=2))
        assert "has not acknowledged" in (publisher.trouble() or "")
    finally:
        await plain_infrastructure.kafka.start()
    await eventually(lambda: _publishes(publisher, topic), within=90)
    assert publisher.trouble() is None
    await publisher.stop()


async def test_a_publisher_can_be_stopped_while_kafka_is_away(kafka, metrics, make_topic, plain_infrastructure):
    publisher = Publisher(kafka, metrics, within=0.2)
    await publisher.start()
    topic = await make_topic()
    await eventually(lambda: _publishes(publisher, topic), within=90)
    await plain_infrastructure.kafka.kill()
    try:
        with pytest.raises(PublishFailedError):
            await publisher.publish(topic, connected(epoch=2))
        async with asyncio.timeout(60):
            await publisher.stop(within=0.5)
    finally:
        await plain_infrastructure.kafka.start()
    with pytest.raises(PublishFailedError, match="stopped"):
        await publisher.publish(topic, connected())


async def test_an_address_where_no_kafka_is_and_a_wrong_password_are_told_apart(metrics, infrastructure):
    nowhere = Publisher(KafkaConnection("127.0.0.1:1"), metrics)
    with pytest.raises(PublishFailedError, match="cannot be reached"):
        await nowhere.start()
    wrong = Publisher(KafkaConnection(infrastructure.kafka.address, "portal", "wrong"), metrics)
    with pytest.raises(PublishFailedError, match="reachable but refused portal"):
        await wrong.start()


async def test_a_topic_that_is_anothers_to_write_is_refused_in_words(metrics, infrastructure):
    access = infrastructure.kafka_access("portal")
    publisher = Publisher(KafkaConnection(access.bootstrap, access.username, access.password), metrics)
    await eventually(lambda: _starts(publisher), within=30)
    try:
        with pytest.raises(PublishFailedError, match=r"refuses portal this topic .*ocpp\.connectivity\.v1"):
            await publisher.publish(topics.OCPP_CONNECTIVITY, connected())
        assert "portal" in (publisher.trouble() or "")
    finally:
        await publisher.stop()


async def _starts(publisher):
    """A broker that was just told of a user may need a moment to let it in."""
    try:
        await publisher.start()
    except PublishFailedError as error:
        raise AssertionError(str(error)) from error


async def _publishes(publisher, topic):
    try:
        await publisher.publish(topic, connected(epoch=3))
    except PublishFailedError as error:
        raise AssertionError(str(error)) from error


def _equal(one, other):
    assert one == other
