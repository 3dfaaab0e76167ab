"""A lost attempt and one that waits for the same charger, on a real database: both hear of it, until a Reset goes out."""

from sqlalchemy import text

from chassis.testing.outbox import outbox_messages
from contracts import ocpp, topics
from contracts.restart import CancelRestart, Cause, Confidence, Health, RefusalReason, Status, When
from restart_orchestrator.hearing import partition_of

CHARGER, PERSON, SESSION = "CHARGER-1", "ada", 7
DAY = 24 * 3600


async def last(orchestrator, attempt):
    return (await orchestrator.moves(attempt))[-1]


async def mark_read(orchestrator, topic, offset):
    async with orchestrator.database.begin() as session:
        await session.execute(
            text("insert into checkpoints (consumer, topic, partition, next_offset) values (:c, :t, :p, :o)"),
            {"c": f"restart-orchestrator.{topic.name}", "t": topic.name, "p": partition_of(CHARGER), "o": offset},
        )


# --- while the newer attempt only waits --------------------------------------------------------------------------------


async def test_news_go_to_the_lost_attempt_and_to_the_one_that_waits(orchestrator, lose):
    lost = await lose()
    waiting = await orchestrator.ask(when=When.ONLINE)
    assert await orchestrator.statuses(waiting) == [Status.QUEUED]
    assert (await orchestrator.held(lost)).watching
    assert (await orchestrator.held(waiting)).watching

    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(5)

    revised, sent = await last(orchestrator, lost), await last(orchestrator, waiting)
    assert (revised.status, revised.verdict.confidence, revised.verdict.health) == (
        Status.RESTARTED,
        Confidence.HIGH,
        Health.OK,
    )
    assert (sent.status, sent.epoch) == (Status.DISPATCHING, SESSION + 1)
    assert [reset.attempt_id for reset in await orchestrator.resets()] == [lost, waiting]


async def test_what_one_message_causes_has_an_id_of_its_own_for_each_attempt(orchestrator, lose):
    await lose()
    await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)
    told = await outbox_messages(orchestrator.database, topics.RESTART_ATTEMPTS)
    assert len({each.id for each in told}) == len(told)


async def test_a_refused_request_does_not_take_the_news_from_a_lost_attempt(orchestrator, lose):
    lost = await lose()
    await orchestrator.ask()
    assert (await orchestrator.held(lost)).watching


async def test_a_request_that_is_taken_back_leaves_the_lost_attempt_its_whole_day(orchestrator, lose):
    lost = await lose()
    waiting = await orchestrator.ask(when=When.ONLINE)
    taken_back = CancelRestart(attempt_id=waiting, charger_id=CHARGER, cancelled_by=PERSON)
    await orchestrator.hear(topics.RESTART_REQUESTS, taken_back)
    await orchestrator.connect(SESSION + 1, after=3600)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)
    assert (await last(orchestrator, lost)).status is Status.RESTARTED


async def test_of_those_that_wait_there_is_still_one_only(orchestrator, lose):
    await lose()
    waiting = await orchestrator.ask(when=When.ONLINE)
    (move,) = await orchestrator.moves(await orchestrator.ask(when=When.ONLINE))
    assert [refusal.reason for refusal in move.refusals] == [RefusalReason.ALREADY_RESTARTING]
    assert move.existing_attempt_id == waiting


async def test_a_request_that_waits_for_a_transaction_leaves_the_lost_attempt_its_silence(orchestrator, lose):
    lost = await lose()
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.begin_charging(SESSION + 1)
    waiting = await orchestrator.ask(when=When.IDLE)
    await orchestrator.pass_time(300)
    revised = await last(orchestrator, lost)
    assert (revised.status, revised.verdict.cause) == (Status.NOT_RESTARTED, Cause.BLIP)
    assert await orchestrator.statuses(waiting) == [Status.AWAITING_IDLE]


# --- when its Reset is decided on --------------------------------------------------------------------------------------


async def test_a_boot_after_the_newer_reset_never_proves_the_lost_attempt(orchestrator, lose):
    lost = await lose()
    waiting = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.pass_time(5)
    assert (await last(orchestrator, waiting)).status is Status.DISPATCHING
    assert not (await orchestrator.held(lost)).watching
    given_up = await last(orchestrator, lost)

    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.disconnect(SESSION + 1, after=5)
    await orchestrator.connect(SESSION + 2, after=60)
    await orchestrator.boot(SESSION + 2, after=1)
    await orchestrator.pass_time(DAY)

    assert await last(orchestrator, lost) == given_up
    assert (given_up.status, given_up.deadline) == (Status.LOST, None)
    assert (await last(orchestrator, waiting)).status is Status.RESTARTED


async def test_a_boot_before_the_newer_reset_never_proves_the_newer_attempt(orchestrator, lose):
    await lose()
    waiting = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(5)
    sent = ocpp.ResetSent(
        charger_id=CHARGER,
        attempt_id=waiting,
        epoch=SESSION + 1,
        message_id=str(waiting),
        sent_at=orchestrator.clock.now(),
        frame="[2]",
    )
    await orchestrator.hear(topics.OCPP_ANSWERS, sent)
    await orchestrator.pass_time(400)
    assert (await last(orchestrator, waiting)).verdict.cause is Cause.IGNORED


async def test_silence_after_the_newer_reset_is_not_held_against_the_lost_attempt(orchestrator, lose):
    """Its charger boots a moment after the newer Reset, which it ignores, and stays: no blip."""
    lost = await lose()
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.ask()
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(DAY)
    assert (await last(orchestrator, lost)).status is Status.LOST


async def test_an_answer_after_the_newer_reset_does_not_wake_the_lost_attempt(orchestrator):
    lost = await orchestrator.ask()
    await orchestrator.send(lost)
    await orchestrator.disconnect(after=10)
    await orchestrator.pass_time(300)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.ask()
    before = await orchestrator.moves(lost)
    await orchestrator.accept(lost)
    await orchestrator.pass_time(DAY)
    assert await orchestrator.moves(lost) == before


async def test_a_lost_attempt_whose_day_is_over_makes_room_and_moves_no_more(orchestrator, lose):
    lost = await lose()
    before = await orchestrator.moves(lost)
    await orchestrator.pass_time(DAY + 1)
    waiting = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(5)
    assert (await last(orchestrator, waiting)).status is Status.DISPATCHING
    assert await orchestrator.moves(lost) == before
    assert not (await orchestrator.held(lost)).watching


async def test_one_charger_may_be_lost_twice(orchestrator, lose):
    first = await lose()
    second = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.pass_time(5)
    await orchestrator.disconnect(SESSION + 1, after=5)
    await orchestrator.pass_time(300)
    assert [(await last(orchestrator, each)).status for each in (first, second)] == [Status.LOST, Status.LOST]
    assert [(await orchestrator.held(each)).watching for each in (first, second)] == [False, True]


# --- before its Reset is decided on ------------------------------------------------------------------------------------


async def test_the_newer_reset_waits_until_what_was_said_before_it_is_read(orchestrator, lose):
    """We stood still while the charger came back: its return is read first, and its boot is in Kafka."""
    lost = await lose()
    waiting = await orchestrator.ask(when=When.ONLINE)
    orchestrator.ends.of = {topics.OCPP_OBSERVATIONS.name: 9}
    back = ocpp.ChargerConnected(
        charger_id=CHARGER, epoch=SESSION + 1, protocol="ocpp1.6", bridge="bridge-1", since=orchestrator.clock.now()
    )
    await orchestrator.hear(topics.OCPP_CONNECTIVITY, back, after=60)
    await orchestrator.pass_time(1)
    assert await orchestrator.statuses(waiting) == [Status.QUEUED, Status.QUEUED]

    await orchestrator.boot(SESSION + 1)
    await mark_read(orchestrator, topics.OCPP_OBSERVATIONS, 9)
    await orchestrator.pass_time(6)

    assert (await last(orchestrator, waiting)).status is Status.DISPATCHING
    assert (await last(orchestrator, lost)).status is Status.RESTARTED
