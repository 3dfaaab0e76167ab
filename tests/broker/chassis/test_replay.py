"""A replay finds what differs, puts it right, and sends nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Column, Table, Text, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import CreateSchema

from chassis.database import Database, service_metadata
from chassis.kafka import KafkaConnection
from chassis.projection import Projection
from chassis.replay import SUFFIX, replay
from chassis.tables import chassis_tables
from contracts import registry, topics
from contracts.auth import GroupDefined
from contracts.envelope import Envelope

metadata = service_metadata("replayed")
GROUPS = Table("groups", metadata, Column("group_id", Text, primary_key=True), Column("name", Text, nullable=False))
CHECKPOINTS = chassis_tables(metadata).checkpoints


async def apply(session, envelopes, tables):
    for envelope in envelopes:
        row = {"group_id": envelope.data.group_id, "name": envelope.data.name}
        statement = upsert(tables["groups"]).values(row)
        await session.execute(
            statement.on_conflict_do_update(index_elements=["group_id"], set_={"name": statement.excluded.name})
        )


GROUPS_VIEW = Projection("groups", (topics.AUTH_GROUPS,), (GROUPS,), apply)


async def end_offsets(kafka):
    consumer = AIOKafkaConsumer(**kafka.client_options())
    await consumer.start()
    try:
        everything = [TopicPartition(topic.name, n) for topic in topics.ALL for n in range(topic.partitions)]
        return dict(await consumer.end_offsets(everything))
    finally:
        await consumer.stop()


@pytest.fixture
async def kafka(plain_infrastructure):
    await plain_infrastructure.create_topics(topics.ALL)
    return KafkaConnection(plain_infrastructure.kafka.address)


@pytest.fixture
async def names(kafka):
    """Groups that Kafka knows, each defined twice: the later name counts."""
    names = {f"g-{uuid4().hex[:12]}": f"Group {number}" for number in range(30)}
    producer = kafka.idempotent_producer()
    await producer.start()
    try:
        for said in (dict.fromkeys(names, "An older name"), names):
            for group, name in said.items():
                envelope = Envelope(
                    uuid4(), "/services/auth", datetime.now(UTC), GroupDefined(group_id=group, name=name)
                )
                record = registry.encode(topics.AUTH_GROUPS, envelope)
                await producer.send_and_wait(
                    topics.AUTH_GROUPS.name, record.value, key=record.key, headers=list(record.headers)
                )
        # What a projection skips, a replay skips as well.
        await producer.send_and_wait(topics.AUTH_GROUPS.name, b"not an event", key=b"x")
    finally:
        await producer.stop()
    return names


@pytest.fixture
async def database(new_database, kafka, names):
    """A live projection that has read everything."""
    database = Database(await new_database(), "replayed")
    async with database.engine.begin() as connection:
        await connection.execute(CreateSchema("replayed"))
        await connection.run_sync(metadata.create_all)
    async with database.begin() as session:
        for at, offset in (await end_offsets(kafka)).items():
            if at.topic == topics.AUTH_GROUPS.name and offset:
                await session.execute(
                    insert(CHECKPOINTS).values(
                        consumer="test.auth.groups.v1", topic=at.topic, partition=at.partition, next_offset=offset
                    )
                )
    await rebuild(database, kafka)
    yield database
    await database.dispose()


async def rebuild(database, kafka, view=GROUPS_VIEW, **options):
    return await replay(
        view, service="test", database=database, kafka=kafka, progress=lambda _done, _total: None, **options
    )


async def live(database):
    async with database.begin() as session:
        return {row.group_id: row.name for row in await session.execute(select(GROUPS))}


async def spoil(database, names):
    missing, changed, *_ = names
    async with database.begin() as session:
        await session.execute(delete(GROUPS).where(GROUPS.c.group_id == missing))
        await session.execute(update(GROUPS).where(GROUPS.c.group_id == changed).values(name="Spoilt"))
        await session.execute(insert(GROUPS).values(group_id="nobody-said-so", name="Invented"))


async def test_a_projection_that_is_right_is_the_same_row_by_row(database, kafka, names):
    found = await rebuild(database, kafka)
    assert [table.same for table in found.tables] == [True]
    assert not found.switched
    assert names.items() <= (await live(database)).items()


async def test_a_spoilt_projection_is_told_and_put_right(database, kafka, names):
    before = await live(database)
    await spoil(database, names)
    found = await rebuild(database, kafka)
    [table] = found.tables
    assert (table.missing, table.changed, table.extra) == (1, 1, 1)
    assert {kind for kind, _, _ in table.samples} == {"missing", "changed", "extra"}
    assert found.switched
    assert await live(database) == before


async def test_a_dry_run_changes_nothing(database, kafka, names):
    await spoil(database, names)
    spoilt = await live(database)
    found = await rebuild(database, kafka, dry_run=True)
    assert not found.tables[0].same
    assert not found.switched
    assert await live(database) == spoilt


async def test_what_derives_from_the_rows_is_brought_in_line_when_they_were_put_right(database, kafka, names):
    seen = []

    async def settle(session):
        seen.append({row.group_id for row in await session.execute(select(GROUPS))})

    view = replace(GROUPS_VIEW, settle=settle)
    await rebuild(database, kafka, view)
    await spoil(database, names)
    await rebuild(database, kafka, view, dry_run=True)
    assert seen == [], "nothing was put right"
    await rebuild(database, kafka, view)
    assert seen == [set(await live(database))]


async def test_a_replay_writes_to_no_topic(database, kafka, names):
    before = await end_offsets(kafka)
    await spoil(database, names)
    await rebuild(database, kafka)
    assert await end_offsets(kafka) == before


async def test_a_replay_leaves_no_table_behind(database, kafka):
    await rebuild(database, kafka)
    async with database.begin() as session:
        connection = await session.connection()
        there = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync, schema="replayed"))
    assert not [name for name in there if name.endswith(SUFFIX)]


async def test_only_what_the_live_projection_has_seen_is_compared(database, kafka, names):
    async with database.begin() as session:
        await session.execute(delete(CHECKPOINTS))
    found = await rebuild(database, kafka, dry_run=True)
    assert found.records == 0
