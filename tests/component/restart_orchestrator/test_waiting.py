"""Requests that wait until a charger is free or back, on a real database."""

from contracts import ocpp, topics
from contracts.auth import MembershipGranted
from contracts.restart import CancelRestart, Status, When
from contracts.words import Role

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7


async def test_idle_on_1_6_is_sent_when_the_transaction_ends(orchestrator):
    await orchestrator.begin_charging()
    attempt = await orchestrator.ask(when=When.IDLE)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, orchestrator.status(state="occupied"), after=60)
    assert await orchestrator.statuses(attempt) == [Status.AWAITING_IDLE]
    await orchestrator.end_charging(after=600)
    assert await orchestrator.statuses(attempt) == [Status.AWAITING_IDLE, Status.DISPATCHING]
    (reset,) = await orchestrator.resets()
    assert not reset.on_idle


async def test_idle_on_2_0_1_is_left_to_the_charger(orchestrator):
    await orchestrator.disconnect()
    await orchestrator.connect(SESSION + 1, protocol="ocpp2.0.1")
    await orchestrator.begin_charging(SESSION + 1)
    attempt = await orchestrator.ask(when=When.IDLE)
    (reset,) = await orchestrator.resets()
    assert reset.on_idle
    scheduled = ocpp.ResetScheduled(
        charger_id=CHARGER,
        attempt_id=attempt,
        epoch=SESSION + 1,
        message_id="1",
        answer_epoch=SESSION + 1,
        answered_at=orchestrator.clock.now(),
    )
    await orchestrator.hear(topics.OCPP_ANSWERS, scheduled)
    await orchestrator.end_charging(SESSION + 1, after=600)
    assert await orchestrator.statuses(attempt) == [Status.DISPATCHING, Status.AWAITING_IDLE, Status.AWAITING_DROP]


async def test_another_transaction_keeps_a_scheduled_restart_waiting(orchestrator):
    await orchestrator.disconnect()
    await orchestrator.connect(SESSION + 1, protocol="ocpp2.1")
    await orchestrator.begin_charging(SESSION + 1)
    other = ocpp.TransactionStarted(charger_id=CHARGER, epoch=SESSION + 1, transaction_id="2", evse_id=2)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, other)
    attempt = await orchestrator.ask(when=When.IDLE)
    scheduled = ocpp.ResetScheduled(
        charger_id=CHARGER,
        attempt_id=attempt,
        epoch=SESSION + 1,
        message_id="1",
        answer_epoch=SESSION + 1,
        answered_at=orchestrator.clock.now(),
    )
    await orchestrator.hear(topics.OCPP_ANSWERS, scheduled)
    await orchestrator.end_charging(SESSION + 1, after=600)
    assert (await orchestrator.statuses(attempt))[-1] is Status.AWAITING_IDLE


async def test_online_is_sent_shortly_after_the_charger_is_back(orchestrator):
    await orchestrator.disconnect()
    attempt = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1, after=600)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(4.9)
    assert await orchestrator.resets() == []
    await orchestrator.pass_time(0.1)
    (reset,) = await orchestrator.resets()
    assert (reset.attempt_id, reset.epoch) == (attempt, SESSION + 1)
    assert (await orchestrator.statuses(attempt))[-1] is Status.DISPATCHING


async def test_a_person_who_lost_the_role_meanwhile_is_refused_and_nothing_is_sent(orchestrator):
    await orchestrator.disconnect()
    attempt = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.hear(
        topics.AUTH_MEMBERSHIPS,
        MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=Role.OPERATOR, version=2),
    )
    await orchestrator.connect(SESSION + 1, after=600)
    assert await orchestrator.statuses(attempt) == [Status.QUEUED, Status.REFUSED]
    await orchestrator.pass_time(3600)
    assert await orchestrator.resets() == []


async def test_a_request_can_be_taken_back_while_it_waits(orchestrator):
    await orchestrator.disconnect()
    attempt = await orchestrator.ask(when=When.ONLINE)
    taken_back = CancelRestart(attempt_id=attempt, charger_id=CHARGER, cancelled_by=PERSON)
    await orchestrator.hear(topics.RESTART_REQUESTS, taken_back)
    await orchestrator.connect(SESSION + 1, after=600)
    await orchestrator.pass_time(10)
    moves = await orchestrator.moves(attempt)
    assert [move.status for move in moves] == [Status.QUEUED, Status.CANCELLED]
    assert moves[-1].cancelled_by == PERSON
    assert await orchestrator.resets() == []


async def test_a_stranger_cannot_take_a_request_back(orchestrator):
    await orchestrator.disconnect()
    attempt = await orchestrator.ask(when=When.ONLINE)
    taken_back = CancelRestart(attempt_id=attempt, charger_id=CHARGER, cancelled_by="grace")
    await orchestrator.hear(topics.RESTART_REQUESTS, taken_back)
    assert await orchestrator.statuses(attempt) == [Status.QUEUED]


async def test_a_request_and_its_withdrawal_may_come_in_one_batch(orchestrator):
    await orchestrator.disconnect()
    request = orchestrator.request(when=When.ONLINE)
    taken_back = CancelRestart(attempt_id=request.attempt_id, charger_id=CHARGER, cancelled_by=PERSON)
    await orchestrator.hear(topics.RESTART_REQUESTS, request, taken_back)
    assert await orchestrator.statuses(request.attempt_id) == [Status.QUEUED, Status.CANCELLED]
