"""What holds when messages come twice, when two decide at once, and when the process dies in between."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka import ConsumerRecord
from sqlalchemy import text

from chassis.testing.outbox import outbox_messages
from contracts import ocpp, topics
from contracts.envelope import derived_id
from contracts.registry import encode
from contracts.restart import AttemptMoved, Status, When

CHARGER, SESSION = "CHARGER-1", 7
MEMORY = ("connectivity", "connectors", "transactions", "boots", "firmware_updates", "memberships", "plans", "chargers")


async def rows(orchestrator, table):
    async with orchestrator.database.begin() as session:
        found = await session.execute(text(f"select to_jsonb(t) from {table} t order by 1"))  # noqa: S608
        return [row[0] for row in found]


def record(topic, envelope):
    made, at = encode(topic, envelope), envelope.position
    return ConsumerRecord(
        topic=topic.name,
        partition=at.partition,
        offset=at.offset,
        timestamp=0,
        timestamp_type=0,
        key=made.key,
        value=made.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=made.headers,
    )


class CrashError(Exception):
    """The process dies."""


def crash(*_args, **_kwargs):
    raise CrashError


async def written(orchestrator):
    tables = ("attempts", "attempt_transitions", "outbox", "timers")
    return [await orchestrator.count(table) for table in tables]


# --- twice -------------------------------------------------------------------------------------------------------------


async def test_every_message_may_come_twice(orchestrator):
    attempt = await orchestrator.ask()
    told = [
        (
            topics.OCPP_ANSWERS,
            ocpp.ResetAccepted(
                charger_id=CHARGER,
                attempt_id=attempt,
                epoch=SESSION,
                message_id="1",
                answer_epoch=SESSION,
                answered_at=orchestrator.clock.now(),
            ),
        ),
        (
            topics.OCPP_CONNECTIVITY,
            ocpp.ChargerDisconnected(
                charger_id=CHARGER, epoch=SESSION, bridge="b", since=orchestrator.clock.now(), why="lost"
            ),
        ),
        (
            topics.OCPP_CONNECTIVITY,
            ocpp.ChargerConnected(
                charger_id=CHARGER, epoch=SESSION + 1, protocol="ocpp1.6", bridge="b", since=orchestrator.clock.now()
            ),
        ),
        (topics.OCPP_OBSERVATIONS, ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION + 1)),
        (topics.OCPP_OBSERVATIONS, orchestrator.status(SESSION + 1)),
    ]
    for topic, message in told:
        batch = await orchestrator.hear(topic, message, after=1)
        stored = await orchestrator.held(attempt)
        said = await orchestrator.moves()
        memory = [await rows(orchestrator, table) for table in MEMORY]
        await orchestrator.hear_again(topic, batch)
        assert await orchestrator.held(attempt) == stored
        assert await orchestrator.moves() == said
        assert [await rows(orchestrator, table) for table in MEMORY] == memory


async def test_a_batch_that_is_read_again_is_not_handled_again(orchestrator):
    request = orchestrator.said(topics.RESTART_REQUESTS, orchestrator.request())
    processor = orchestrator.processor(topics.RESTART_REQUESTS)
    records = [record(topics.RESTART_REQUESTS, each) for each in request]
    await processor.process(records)
    await processor.process(records)
    assert len(await orchestrator.moves()) == 1
    assert orchestrator.service.metrics.duplicates.labels(topics.RESTART_REQUESTS.name)._value.get() == 1


async def test_what_is_said_derives_its_id_from_what_was_heard(orchestrator):
    request = orchestrator.said(topics.RESTART_REQUESTS, orchestrator.request())
    await orchestrator.hear_again(topics.RESTART_REQUESTS, request)
    (command,) = await outbox_messages(orchestrator.database, topics.OCPP_COMMANDS)
    (move,) = await outbox_messages(orchestrator.database, topics.RESTART_ATTEMPTS)
    attempt = request[0].data.attempt_id
    assert command.id == derived_id(request[0].id, f"{attempt}:0:{ocpp.ResetCharger.wire_type}")
    assert move.id == derived_id(request[0].id, f"{attempt}:1:{AttemptMoved.wire_type}")


async def test_a_deadline_that_passes_twice_counts_once(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    async with orchestrator.database.begin() as session:
        timers = (await session.execute(text("select name, key, due, payload from timers"))).all()
    await orchestrator.pass_time(200)
    told = await orchestrator.moves()
    async with orchestrator.database.begin() as session:
        for timer in timers:
            await orchestrator.service.timers.arm(session, key=timer.key, due=timer.due, payload=timer.payload)
    await orchestrator.pass_time(1)
    assert await orchestrator.moves() == told
    assert await orchestrator.count("timers") == 0


async def test_a_deadline_of_an_unknown_attempt_does_nothing(orchestrator):
    payload = {"attempt_id": str(uuid4()), "charger_id": CHARGER, "waiting_for": "dispatching", "number": 1}
    async with orchestrator.database.begin() as session:
        await orchestrator.service.timers.arm(session, key="x", due=orchestrator.clock.now(), payload=payload)
    await orchestrator.pass_time(1)
    assert await orchestrator.moves() == []


# --- a crash in between ------------------------------------------------------------------------------------------------


DYING = ("restart_orchestrator.store.record", "chassis.effects.write", "chassis.timers.Timers.armed")
"""Before the decision is written, and after it: its transaction is open still."""


@pytest.mark.parametrize("dies_in", DYING)
async def test_a_crash_leaves_nothing_or_all_of_it(orchestrator, monkeypatch, dies_in):
    batch = orchestrator.said(topics.RESTART_REQUESTS, orchestrator.request())
    with monkeypatch.context() as patch:
        patch.setattr(dies_in, crash)
        with pytest.raises(CrashError):
            await orchestrator.hear_again(topics.RESTART_REQUESTS, batch)
    assert await written(orchestrator) == [0, 0, 0, 0]
    await orchestrator.hear_again(topics.RESTART_REQUESTS, batch)
    assert await written(orchestrator) == [1, 2, 2, 1]


async def test_a_crash_while_news_are_handled_forgets_them_with_what_they_caused(orchestrator, monkeypatch):
    attempt = await orchestrator.ask()
    before = await rows(orchestrator, "connectivity")
    gone = ocpp.ChargerDisconnected(
        charger_id=CHARGER, epoch=SESSION, bridge="b", since=orchestrator.clock.now(), why="lost"
    )
    batch = orchestrator.said(topics.OCPP_CONNECTIVITY, gone)

    with monkeypatch.context() as patch:
        patch.setattr("chassis.effects.write", crash)
        with pytest.raises(CrashError):
            await orchestrator.hear_again(topics.OCPP_CONNECTIVITY, batch)
    assert await rows(orchestrator, "connectivity") == before
    assert (await orchestrator.statuses(attempt))[-1] is Status.DISPATCHING
    await orchestrator.hear_again(topics.OCPP_CONNECTIVITY, batch)
    assert (await orchestrator.statuses(attempt))[-1] is Status.RESTARTING


async def test_deadlines_survive_a_restart_of_the_service(orchestrator, start):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    reborn = await start(orchestrator.database.dsn, orchestrator.clock)
    await reborn.pass_time(60)
    assert (await reborn.statuses(attempt))[-1] is Status.NOT_RESTARTED


# --- at once -----------------------------------------------------------------------------------------------------------


async def test_of_many_requests_at_once_one_is_the_attempt(orchestrator):
    requests = [orchestrator.request() for _ in range(8)]
    batches = [orchestrator.said(topics.RESTART_REQUESTS, request) for request in requests]
    await asyncio.gather(*(orchestrator.hear_again(topics.RESTART_REQUESTS, batch) for batch in batches))
    moves = await orchestrator.moves()
    (first,) = [move for move in moves if move.status is Status.DISPATCHING]
    others = [move for move in moves if move.status is Status.REFUSED]
    assert len(others) == 7
    assert {move.existing_attempt_id for move in others} == {first.attempt_id}
    assert len(await orchestrator.resets()) == 1


async def test_the_database_itself_allows_one_open_attempt_only(orchestrator):
    await orchestrator.ask()
    copy = text(
        "insert into attempts (attempt_id, charger_id, status, watching, version, moved_at, state) "
        "select gen_random_uuid(), charger_id, status, watching, version, moved_at, state from attempts"
    )
    with pytest.raises(Exception, match="uq_attempts_watching"):
        async with orchestrator.database.begin() as session:
            await session.execute(copy)


async def test_a_charger_that_returns_while_it_is_asked_for_is_not_missed(orchestrator):
    """Whichever is first: the request sees the session, or the return finds the request waiting."""
    for turn in range(10):
        session = SESSION + 2 * turn
        await orchestrator.disconnect(session)
        request = orchestrator.said(topics.RESTART_REQUESTS, orchestrator.request(when=When.ONLINE))
        back = ocpp.ChargerConnected(
            charger_id=CHARGER,
            epoch=session + 2,
            protocol="ocpp1.6",
            bridge="b",
            since=orchestrator.clock.now(),
        )
        connected = orchestrator.said(topics.OCPP_CONNECTIVITY, back)
        both = [(topics.RESTART_REQUESTS, request), (topics.OCPP_CONNECTIVITY, connected)]
        await asyncio.gather(*(orchestrator.hear_again(*each) for each in (both if turn % 2 else reversed(both))))
        attempt = request[0].data.attempt_id
        await orchestrator.pass_time(5)
        assert (await orchestrator.statuses(attempt))[-1] is Status.DISPATCHING
        await orchestrator.hear(
            topics.OCPP_ANSWERS,
            ocpp.ResetNotDelivered(charger_id=CHARGER, attempt_id=attempt, epoch=session + 2, why="expired"),
        )


async def test_batches_about_the_same_chargers_in_different_orders_do_not_wait_for_each_other_for_ever(orchestrator):
    names = [f"CHARGER-{number}" for number in range(2, 12)]
    for name in names:
        await orchestrator.introduce(name)
        await orchestrator.connect(charger=name)

    async def ask(order):
        requests = [orchestrator.request(name) for name in order]
        await orchestrator.hear_again(topics.RESTART_REQUESTS, orchestrator.said(topics.RESTART_REQUESTS, *requests))

    async def go(order):
        gone = [
            ocpp.ChargerDisconnected(
                charger_id=name, epoch=SESSION, bridge="b", since=orchestrator.clock.now(), why="lost"
            )
            for name in order
        ]
        await orchestrator.hear_again(topics.OCPP_CONNECTIVITY, orchestrator.said(topics.OCPP_CONNECTIVITY, *gone))

    await asyncio.gather(ask(names), go(names[::-1]), ask(names[::-1]), go(names))
    dispatched = {reset.charger_id for reset in await orchestrator.resets()}
    assert len(await orchestrator.resets()) == len(dispatched)


async def test_a_deadline_and_the_news_it_waits_for_may_come_at_once(orchestrator):
    """One of them wins, and the other finds the attempt as it then is."""
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    orchestrator.clock.advance(60)
    gone = ocpp.ChargerDisconnected(
        charger_id=CHARGER, epoch=SESSION, bridge="b", since=orchestrator.clock.now(), why="lost"
    )
    batch = orchestrator.said(topics.OCPP_CONNECTIVITY, gone)

    async def fire():
        while await orchestrator.service.timers._fire_some():
            pass

    await asyncio.gather(fire(), orchestrator.hear_again(topics.OCPP_CONNECTIVITY, batch), fire())
    assert (await orchestrator.statuses(attempt))[-1] in {Status.NOT_RESTARTED, Status.RESTARTING}
    moves = await orchestrator.moves(attempt)
    assert [move.version for move in moves] == list(range(1, len(moves) + 1))


async def test_a_batch_tells_an_attempt_everything_in_order(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.hear(
        topics.OCPP_OBSERVATIONS,
        ocpp.TransactionUpdated(charger_id="CHARGER-2", epoch=1, transaction_id="9"),
        ocpp.SecurityEventReported(charger_id=CHARGER, epoch=SESSION, kind="ResetOrReboot"),
        ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION + 1),
        orchestrator.status(SESSION + 1),
        after=20,
    )
    kinds = [evidence.kind.value for move in await orchestrator.moves(attempt) for evidence in move.new_evidence]
    assert kinds == ["security_event", "boot", "connector_status"]
