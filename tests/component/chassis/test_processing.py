"""What becomes of good, bad, unknown and repeated records."""

import asyncio
from uuid import uuid4

import pytest
import structlog
from aiokafka import ConsumerRecord
from sqlalchemy import text

from chassis.dead_letters import BadMessage, DlqLimit
from chassis.processing import GiveBackError, Processor
from chassis.testing import FakeClock
from chassis.trace import current_span
from contracts import topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerConnected
from contracts.registry import encode

TOPIC = topics.OCPP_CONNECTIVITY
NOW = FakeClock().now()


def connected(charger="CP1", epoch=1, **more):
    data = ChargerConnected(charger_id=charger, epoch=epoch, protocol="ocpp1.6", bridge="b", since=NOW)
    return Envelope(id=uuid4(), source="/services/ocpp-bridge", time=NOW, data=data, **more)


def record(offset, envelope=None, *, key=b"CP1", value=b"", headers=(), partition=0):
    if envelope is not None:
        made = encode(TOPIC, envelope)
        key, value, headers = made.key, made.value, made.headers
    return ConsumerRecord(TOPIC.name, partition, offset, 0, 0, key, value, None, 0, 0, tuple(headers))


def unknown(offset):
    made = encode(TOPIC, connected())
    headers = [(name, b"ocpp.charger-painted.v1" if name == "ce_type" else value) for name, value in made.headers]
    return record(offset, value=b"{}", headers=headers)


async def insert(session, envelope):
    await session.execute(
        text("insert into things values (:name, :number)"),
        {"name": envelope.data.charger_id, "number": envelope.data.epoch},
    )


@pytest.fixture
def make(database, metrics):
    def make(handle=None, **options):
        return Processor(TOPIC, "svc.group", database, metrics, handle=handle, **options)

    return make


def counted(metrics, name):
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"comeback_messages_{name}_total"
    )


async def test_each_message_is_handled_once_however_often_it_is_delivered(make, rows, metrics):
    processor = make(insert)
    one, two = connected(epoch=1), connected(epoch=2)
    await processor.process([record(0, one), record(1, two), record(2, one)])
    await processor.process([record(1, two), record(3, one)])
    assert await rows("select number from things order by number") == [(1,), (2,)]
    assert (counted(metrics, "handled"), counted(metrics, "duplicate")) == (2, 3)


async def test_a_handler_that_fails_leaves_nothing_and_is_tried_again(make, rows, metrics):
    tries = []

    async def flaky(session, envelope):
        await insert(session, envelope)
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("the world is bad")

    await make(flaky).process([record(0, connected())])
    assert len(tries) == 3
    assert await rows("select count(*) from things") == [(1,)]
    assert counted(metrics, "retried") == 2


async def test_a_world_that_stays_bad_gives_the_batch_back_and_nothing_behind_is_handled(make, rows):
    async def failing(session, envelope):
        if envelope.data.epoch == 2:
            raise ConnectionError("the world is bad")
        await insert(session, envelope)

    processor = make(failing, patience=0.1)
    with pytest.raises(GiveBackError, match="the world is bad"):
        await processor.process([record(number, connected(epoch=number + 1)) for number in range(3)])
    assert await rows("select number from things") == [(1,)]
    assert processor.trouble is not None


async def test_a_bad_message_is_kept_aside_as_it_was_and_the_next_one_follows(make, rows):
    async def choosy(session, envelope):
        await insert(session, envelope)
        if envelope.data.epoch == 1:
            raise BadMessage("no such charger")

    bad = connected(epoch=1)
    await make(choosy).process([record(7, bad), record(8, connected(epoch=2))])
    assert await rows("select number from things") == [(2,)]
    encoded = encode(TOPIC, bad)
    assert await rows('select consumer, topic, partition, "offset", key, value, reason from dead_letters') == [
        (
            "svc.group",
            TOPIC.name,
            0,
            7,
            encoded.key,
            encoded.value,
            "ocpp.charger-connected.v1: no such charger",
        )
    ]
    assert (await rows("select headers -> 1 ->> 1 from dead_letters")) == [(str(bad.id),)]


@pytest.mark.parametrize(
    "broken",
    [
        {"value": b"{", "headers": encode(TOPIC, connected()).headers},
        {"value": b"\xff\x00", "headers": ()},
        {"value": None, "headers": encode(TOPIC, connected()).headers},
        {"key": None, "value": b"{}", "headers": [("ce_id", b"\xff\xfe\x00")]},
    ],
)
async def test_a_record_that_cant_be_decoded_is_kept_aside(make, rows, metrics, broken):
    await make(insert).process([record(0, **broken), record(1, connected())])
    assert await rows("select value from dead_letters") == [(broken["value"],)]
    assert await rows("select count(*) from things") == [(1,)]
    assert counted(metrics, "dead_lettered") == 1


async def test_a_message_of_unknown_type_is_counted_and_skipped(make, rows, metrics):
    await make(insert).process([unknown(0), record(1, connected())])
    assert await rows("select count(*) from dead_letters") == [(0,)]
    assert await rows("select count(*) from things") == [(1,)]
    assert counted(metrics, "unknown") == 1


@pytest.mark.parametrize("values", [{"name": "a\0b", "number": 1}, {"name": "a", "number": 2**40}])
async def test_a_value_that_the_database_refuses_is_the_messages_fault(make, rows, values):
    async def handle(session, envelope):
        await session.execute(text("insert into things values (:name, :number)"), values)

    await make(handle, patience=0.2).process([record(0, connected())])
    (reason,) = (await rows("select reason from dead_letters"))[0]
    assert "the database refuses a value" in reason


async def test_the_same_bad_record_read_again_is_kept_once(make, rows):
    processor = make(insert)
    for _ in range(2):
        await processor.process([record(0, value=b"{")])
    assert await rows("select count(*) from dead_letters") == [(1,)]


async def test_too_many_bad_records_stop_consuming_instead_of_emptying_the_topic(make, rows):
    processor = make(insert, limit=DlqLimit(max_consecutive=3), patience=0.01)
    with pytest.raises(GiveBackError, match="the code is more likely wrong"):
        await processor.process([record(number, value=b"{") for number in range(10)])
    assert await rows("select count(*) from dead_letters") == [(3,)]
    assert "3 records in a row" in (processor.trouble or "")


async def test_a_bad_record_before_one_whose_world_is_bad_does_not_use_up_the_limit(make, rows):
    world = {"bad": True}

    async def handle(session, envelope):
        if world["bad"]:
            raise ConnectionError
        await insert(session, envelope)

    processor = make(handle, limit=DlqLimit(max_consecutive=2), patience=0.0)
    records = [record(0, value=b"{"), record(1, connected())]
    for _ in range(5):
        with pytest.raises(GiveBackError, match="ConnectionError"):
            await processor.process(records)
    world["bad"] = False
    await processor.process(records)
    assert await rows("select count(*) from things") == [(1,)]
    assert await rows("select count(*) from dead_letters") == [(1,)]


async def test_a_batch_that_takes_too_long_is_given_back_and_goes_on_where_it_was(make, rows):
    processor = make(insert, longest=0.0)
    records = [record(number, connected(epoch=number)) for number in range(3)]
    for _ in range(2):
        with pytest.raises(GiveBackError, match="took more than"):
            await processor.process(records)
    await make(insert).process(records)
    assert await rows("select number from things order by number") == [(0,), (1,), (2,)]


async def test_stopping_ends_the_waiting_for_a_better_world_at_once(make):
    failed = asyncio.Event()

    async def failing(session, envelope):
        failed.set()
        raise ConnectionError

    processor = make(failing)
    work = asyncio.create_task(processor.process([record(0, connected())]))
    await failed.wait()
    processor.stop()
    async with asyncio.timeout(30):  # it would go on for a minute
        with pytest.raises(GiveBackError, match="stopping"):
            await work


async def test_the_handler_works_in_the_messages_trace_and_its_ids_are_in_every_log_line(make):
    seen = {}

    async def handle(session, envelope):
        seen.update(structlog.contextvars.get_contextvars(), trace=current_span().trace_id)

    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    envelope = connected(traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    await make(handle).process([record(3, envelope)])
    assert seen["trace"] == trace_id
    assert (seen["message_id"], seen["charger_id"]) == (str(envelope.id), "CP1")
    assert structlog.contextvars.get_contextvars() == {}


async def insert_all(session, envelopes):
    for envelope in envelopes:
        await insert(session, envelope)


async def test_a_batch_is_applied_in_one_transaction_with_its_checkpoint(make, rows):
    batches = []

    async def handle_batch(session, envelopes):
        batches.append(len(envelopes))
        await insert_all(session, envelopes)

    processor = make(handle_batch=handle_batch)
    await processor.process([record(number, connected(epoch=number)) for number in range(5)])
    assert batches == [5]
    assert await rows("select consumer, topic, partition, next_offset from checkpoints") == [
        ("svc.group", TOPIC.name, 0, 5)
    ]


async def test_the_partitions_of_a_poll_are_applied_together_each_from_its_own_checkpoint(make, rows):
    batches = []

    async def handle_batch(session, envelopes):
        batches.append([envelope.data.epoch for envelope in envelopes])
        await insert_all(session, envelopes)

    processor = make(handle_batch=handle_batch)
    first = [record(7, connected(epoch=70), partition=1), record(8, connected(epoch=80), partition=1)]
    await processor.process(first)
    await processor.process([record(3, connected(epoch=30)), *first, record(9, connected(epoch=90), partition=1)])
    assert batches == [[70, 80], [30, 90]]
    assert await rows("select partition, next_offset from checkpoints order by 1") == [(0, 4), (1, 10)]


async def test_a_bad_record_holds_up_neither_its_own_partition_nor_another(make, rows):
    async def handle_batch(session, envelopes):
        if any(envelope.data.epoch == 2 for envelope in envelopes):
            raise BadMessage("not this one")
        await insert_all(session, envelopes)

    records = [record(number, connected(epoch=number), partition=number % 2) for number in range(6)]
    await make(handle_batch=handle_batch).process(records)
    assert await rows("select number from things order by number") == [(0,), (1,), (3,), (4,), (5,)]
    assert await rows('select partition, "offset" from dead_letters') == [(0, 2)]
    assert await rows("select partition, next_offset from checkpoints order by 1") == [(0, 5), (1, 6)]


async def test_what_a_checkpoint_says_was_applied_is_not_applied_again(make, rows):
    records = [record(number, connected(epoch=number)) for number in range(6)]
    await make(handle_batch=insert_all).process(records[:4])
    await make(handle_batch=insert_all).process(records[2:])
    await make(handle_batch=insert_all).process(records[:1])
    assert await rows("select number from things order by number") == [(number,) for number in range(6)]
    assert await rows("select next_offset from checkpoints") == [(6,)]


async def test_one_bad_record_in_a_batch_is_found_and_the_others_are_applied(make, rows):
    async def handle_batch(session, envelopes):
        await insert_all(session, envelopes)
        if any(envelope.data.epoch == 2 for envelope in envelopes):
            raise BadMessage("two is wrong")

    await make(handle_batch=handle_batch).process(
        [*(record(number, connected(epoch=number)) for number in range(5)), record(5, value=b"{"), unknown(6)]
    )
    assert await rows("select number from things order by number") == [(0,), (1,), (3,), (4,)]
    assert await rows('select "offset" from dead_letters order by 1') == [(2,), (5,)]
    assert await rows("select next_offset from checkpoints") == [(7,)]


async def test_a_bad_record_that_is_read_again_does_not_move_the_checkpoint_back(make, rows):
    processor = make(handle_batch=insert_all)
    records = [record(0, value=b"{"), *(record(number, connected(epoch=number)) for number in range(1, 4))]
    await processor.process(records)
    await processor.process(records[:1])
    assert await rows("select next_offset from checkpoints") == [(4,)]
    await processor.process(records)
    assert await rows("select number from things order by number") == [(1,), (2,), (3,)]


async def test_a_batch_that_fails_for_the_world_is_tried_until_it_works_and_applied_once(make, rows):
    tries = []

    async def handle_batch(session, envelopes):
        await insert_all(session, envelopes)
        tries.append(len(envelopes))
        if len(tries) < 3:
            raise ConnectionError

    await make(handle_batch=handle_batch).process([record(number, connected(epoch=number)) for number in range(3)])
    assert tries == [3, 1, 1, 1, 1]
    assert await rows("select number from things order by number") == [(0,), (1,), (2,)]


async def test_batches_that_name_the_same_lock_see_what_the_other_has_committed(make, rows, database, metrics):
    """Each adds one to the greatest number of its charger: without the lock two of them would read the same one."""
    both_begin = asyncio.Barrier(2)

    def locks(envelopes):
        return [envelope.data.charger_id for envelope in envelopes]

    async def count_on(session, envelopes):
        greatest = (await session.execute(text("select coalesce(max(number), 0) from things"))).scalar_one()
        await session.execute(text("select pg_sleep(0.05)"))
        await session.execute(text("insert into things values (:name, :number)"), {"name": "x", "number": greatest + 1})

    async def one(partition):
        processor = Processor(TOPIC, f"svc.group{partition}", database, metrics, handle_batch=count_on, locks=locks)
        await both_begin.wait()
        await processor.process([record(0, connected(), partition=partition)])

    await asyncio.gather(one(0), one(1))
    assert await rows("select number from things order by number") == [(1,), (2,)]
