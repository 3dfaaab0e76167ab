"""A topic read whole, from its beginning or from a moment on."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.publisher import Publisher
from chassis.table import CompactedTable
from chassis.testing import FakeClock, eventually
from contracts import topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.envelope import Envelope
from contracts.words import Role

NOW = FakeClock().now()


def granted(user, version=1):
    data = MembershipGranted(group_id="g1", user_id=user, name=user, role=Role.USER, version=version)
    return Envelope(id=uuid4(), source="/services/auth", time=NOW, data=data)


def ended(user):
    return Envelope(id=uuid4(), source="/services/auth", time=NOW, data=MembershipEnded(group_id="g1", user_id=user))


class Members:
    """A table in memory, as a service would keep it."""

    def __init__(self):
        self.versions = {}

    def take(self, envelope):
        match envelope.data:
            case MembershipGranted(user_id=user, version=version):
                self.versions[user] = version
            case MembershipEnded(user_id=user):
                self.versions.pop(user, None)


@pytest.fixture
async def publisher(kafka, metrics):
    publisher = Publisher(kafka, metrics)
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
async def follow(kafka, metrics):
    made = []

    async def follow(topic, on_record, **options):
        table = CompactedTable(kafka, topic, on_record, metrics, **options)
        made.append(table)
        await table.start()
        return table

    yield follow
    for table in made:
        await table.stop()


@pytest.fixture
async def topic(make_topic):
    return await make_topic(topics.AUTH_MEMBERSHIPS, compacted=True)


async def test_caught_up_means_that_all_that_was_there_has_been_taken_in(topic, publisher, follow):
    for number in range(50):
        await publisher.publish(topic, granted(f"u{number % 10}", number))
    await publisher.publish(topic, ended("u3"))
    members = Members()
    table = await follow(topic, members.take)
    assert table.not_ready() is not None
    await table.caught_up()
    assert members.versions == {f"u{number % 10}": number for number in range(40, 50) if number != 43}
    assert table.not_ready() is None


async def test_what_comes_later_is_taken_in_as_it_comes_tombstones_too(topic, publisher, follow):
    members = Members()
    table = await follow(topic, members.take)
    await table.caught_up()
    await publisher.publish(topic, granted("u1", 7))
    await eventually(lambda: _equal(members.versions, {"u1": 7}))
    await publisher.publish(topic, ended("u1"))
    await eventually(lambda: _equal(members.versions, {}))


async def test_reading_from_a_moment_leaves_out_what_was_written_before(topic, publisher, follow):
    await publisher.publish(topic, granted("before"))
    moment = datetime.now(UTC)
    await eventually(lambda: _later_than(moment))
    start = datetime.now(UTC)
    members = Members()
    await publisher.publish(topic, granted("after"))
    table = await follow(topic, members.take, start_at=start)
    await table.caught_up()
    assert members.versions == {"after": 1}


async def test_reading_from_a_moment_after_the_last_record_waits_for_what_comes(topic, publisher, follow):
    await publisher.publish(topic, granted("before"))
    moment = datetime.now(UTC)
    await eventually(lambda: _later_than(moment))
    members = Members()
    table = await follow(topic, members.take, start_at=datetime.now(UTC))
    await table.caught_up()
    assert members.versions == {}
    await publisher.publish(topic, granted("after"))
    await eventually(lambda: _equal(members.versions, {"after": 1}))


async def test_a_record_that_is_not_taken_in_leaves_a_hole_and_not_a_stop(topic, publisher, follow, metrics):
    taken = []

    async def choosy(envelope):
        if envelope.data.user_id == "bad":
            raise LookupError
        taken.append(envelope.data.user_id)

    await publisher.publish(topic, granted("bad"))
    await publisher.publish(topic, granted("good"))
    table = await follow(topic, choosy)
    await table.caught_up()
    assert taken == ["good"]
    assert metrics.dead_lettered.labels(topic.name, "failed")._value.get() == 1


async def test_a_table_goes_on_where_it_was_when_kafka_comes_back(topic, publisher, follow, plain_infrastructure):
    seen = []
    table = await follow(topic, lambda envelope: seen.append(envelope.data.version))
    await publisher.publish(topic, granted("u1", 1))
    await table.caught_up()
    await eventually(lambda: _equal(seen, [1]))
    await plain_infrastructure.kafka.kill()
    await plain_infrastructure.kafka.start()
    await eventually(lambda: publisher_works(publisher, topic), within=90)
    await eventually(lambda: _equal(seen[:2], [1, 2]), within=90)
    assert seen.count(1) == 1


async def test_a_topic_that_is_not_there_is_told_in_words(topic, follow):
    from dataclasses import replace

    table = await follow(replace(topic, name="test.nowhere"), lambda _: None)
    await eventually(lambda: _says(table.not_ready(), "no such topic"))


async def publisher_works(publisher, topic):
    await publisher.publish(topic, granted("u1", 2))


def _equal(one, other):
    assert one == other


def _later_than(moment):
    assert (datetime.now(UTC) - moment).total_seconds() > 0.01


def _says(reason, words):
    assert reason is not None
    assert words in reason
