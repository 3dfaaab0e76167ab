"""From a request to a verdict, on a real database: what is stored, what is said, what is armed."""

import pytest
from sqlalchemy import text

from chassis import migrations
from contracts import ocpp, topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.fleet import ChargerRemoved
from contracts.restart import CancelRestart, Cause, Confidence, Health, Outcome, RefusalReason, Status, Step, When
from contracts.words import Plan, Role
from restart_orchestrator.states import Opened, evolve
from restart_orchestrator.tables import metadata

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7


async def test_the_models_and_the_migrations_agree(orchestrator):
    directory = migrations.directory_of("restart_orchestrator")
    await migrations.check("restart_orchestrator", metadata, directory, orchestrator.database.dsn)


async def test_from_request_to_verdict(orchestrator):
    attempt = await orchestrator.ask(note="it shows a blank screen")
    (reset,) = await orchestrator.resets()
    assert (reset.charger_id, reset.attempt_id, reset.epoch, reset.strength) == (CHARGER, attempt, SESSION, "auto")
    assert (reset.not_after - orchestrator.clock.now()).total_seconds() == 10

    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=80)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)

    moves = await orchestrator.moves(attempt)
    assert [move.status for move in moves] == [
        Status.DISPATCHING,
        Status.DISPATCHING,
        Status.AWAITING_DROP,
        Status.RESTARTING,
        Status.RESTARTING,
        Status.CHECKING,
        Status.CHECKING,
        Status.RESTARTED,
    ]
    assert [move.version for move in moves] == list(range(1, 9))
    last = moves[-1]
    assert (last.verdict.outcome, last.verdict.confidence, last.verdict.health) == (
        Outcome.RESTARTED,
        Confidence.HIGH,
        Health.OK,
    )
    assert (last.group_id, last.requested_by, last.model, last.epoch) == (GROUP, PERSON, "Terra AC", SESSION)
    assert last.note == "it shows a blank screen"
    assert last.deadline is None
    assert set(last.steps) == {
        Step.REQUESTED,
        Step.SENT,
        Step.ACCEPTED,
        Step.GONE,
        Step.RECONNECTED,
        Step.BACK,
        Step.HEALTHY,
    }
    assert len(await orchestrator.resets()) == 1
    assert not (await orchestrator.held(attempt)).watching


async def test_evidence_names_the_message_and_where_it_stands(orchestrator):
    attempt = await orchestrator.ask()
    (said,) = await orchestrator.hear(
        topics.OCPP_ANSWERS,
        ocpp.ResetSent(
            charger_id=CHARGER,
            attempt_id=attempt,
            epoch=SESSION,
            message_id=str(attempt),
            sent_at=orchestrator.clock.now(),
            frame="[2]",
        ),
    )
    (evidence,) = (await orchestrator.moves(attempt))[-1].new_evidence
    assert evidence.event_id == said.id
    assert evidence.position == f"ocpp.answers.v1/{said.position.partition}/{said.position.offset}"


async def test_everything_of_an_attempt_is_one_trace(orchestrator):
    from chassis.testing.outbox import outbox_messages

    await orchestrator.ask()
    await orchestrator.disconnect(after=1)
    await orchestrator.pass_time(301)
    told = [
        *await outbox_messages(orchestrator.database, topics.OCPP_COMMANDS),
        *await outbox_messages(orchestrator.database, topics.RESTART_ATTEMPTS),
    ]
    assert len(told) == 4
    assert {each.traceparent for each in told} == {"00-" + "a" * 32 + "-" + "b" * 16 + "-00"}
    assert {each.source for each in told} == {"/services/restart-orchestrator"}


async def test_the_history_alone_rebuilds_what_is_stored(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=5)
    await orchestrator.boot(SESSION + 1)
    await orchestrator.pass_time(60)
    history = await orchestrator.history(attempt)
    assert isinstance(history[0], Opened)
    rebuilt = None
    for transition in history:
        rebuilt = evolve(rebuilt, transition)
    assert rebuilt == (await orchestrator.held(attempt)).attempt


# --- refusals, from what other services said ---------------------------------------------------------------------------


async def refused(orchestrator, **changes):
    attempt = await orchestrator.ask(**changes)
    (move,) = await orchestrator.moves(attempt)
    assert move.status is Status.REFUSED
    assert await orchestrator.resets() == []
    return {refusal.reason: refusal.params for refusal in move.refusals}


async def test_a_stranger_is_refused(orchestrator):
    assert set(await refused(orchestrator, by="grace")) == {RefusalReason.NOT_A_MEMBER}


async def test_a_member_who_is_no_longer_one_is_refused(orchestrator):
    await orchestrator.hear(topics.AUTH_MEMBERSHIPS, MembershipEnded(group_id=GROUP, user_id=PERSON))
    assert set(await refused(orchestrator)) == {RefusalReason.NOT_A_MEMBER}


async def test_a_mere_user_is_refused(orchestrator):
    await orchestrator.hear(
        topics.AUTH_MEMBERSHIPS,
        MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=Role.USER, version=2),
    )
    assert await refused(orchestrator) == {RefusalReason.ROLE: {"role": "user"}}


async def test_a_plan_without_the_feature_refuses(orchestrator):
    await orchestrator.hear(
        topics.BILLING_PLANS, PlanSet(group_id=GROUP, plan=Plan.BASIC, features=frozenset(), version=2)
    )
    assert await refused(orchestrator) == {RefusalReason.PLAN: {"plan": "basic"}}


async def test_a_pulsar_cannot_be_restarted(start):
    orchestrator = await start()
    await orchestrator.introduce(model="Pulsar")
    await orchestrator.connect()
    assert await refused(orchestrator) == {RefusalReason.MODEL: {"model": "Pulsar"}}


async def test_an_offline_charger_cannot_be_restarted_now(orchestrator):
    await orchestrator.disconnect()
    since = orchestrator.clock.now().isoformat()
    assert await refused(orchestrator) == {RefusalReason.OFFLINE: {"since": since}}


async def test_a_charging_charger_is_not_interrupted(orchestrator):
    await orchestrator.begin_charging()
    assert await refused(orchestrator) == {RefusalReason.CHARGING: {"connectors": "1"}}


async def test_a_charging_charger_is_interrupted_when_the_person_wants_it_so(orchestrator):
    await orchestrator.begin_charging()
    attempt = await orchestrator.ask(interrupt_charging=True)
    assert await orchestrator.statuses(attempt) == [Status.DISPATCHING]


async def test_a_firmware_update_is_not_interrupted(orchestrator):
    updating = ocpp.FirmwareStatusReported(charger_id=CHARGER, epoch=SESSION, status="Installing", updating=True)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, updating)
    assert set(await refused(orchestrator)) == {RefusalReason.UPDATING_FIRMWARE}


async def test_an_unknown_charger_is_refused_for_all_that_is_not_known_of_it(orchestrator):
    assert set(await refused(orchestrator, charger="NOBODY-KNOWS-IT")) == {
        RefusalReason.NOT_A_MEMBER,
        RefusalReason.PLAN,
        RefusalReason.MODEL,
        RefusalReason.OFFLINE,
    }


async def test_a_charger_that_was_removed_is_unknown(orchestrator):
    await orchestrator.hear(topics.FLEET_CHARGERS, ChargerRemoved(charger_id=CHARGER))
    assert RefusalReason.NOT_A_MEMBER in await refused(orchestrator)


# --- one open attempt per charger --------------------------------------------------------------------------------------


async def test_a_second_request_is_pointed_to_the_open_attempt(orchestrator):
    first = await orchestrator.ask()
    second = await orchestrator.ask()
    (move,) = await orchestrator.moves(second)
    assert move.status is Status.REFUSED
    assert [refusal.reason for refusal in move.refusals] == [RefusalReason.ALREADY_RESTARTING]
    assert move.existing_attempt_id == first
    assert len(await orchestrator.resets()) == 1


async def test_of_two_requests_in_one_batch_the_first_is_the_attempt(orchestrator):
    one, other = orchestrator.request(), orchestrator.request()
    await orchestrator.hear(topics.RESTART_REQUESTS, one, other)
    assert await orchestrator.statuses(one.attempt_id) == [Status.DISPATCHING]
    assert await orchestrator.statuses(other.attempt_id) == [Status.REFUSED]


async def test_the_same_request_again_is_the_same_attempt(orchestrator):
    request = orchestrator.request()
    await orchestrator.hear(topics.RESTART_REQUESTS, request)
    before = await orchestrator.held(request.attempt_id)
    await orchestrator.hear(topics.RESTART_REQUESTS, request, request)
    assert await orchestrator.held(request.attempt_id) == before
    assert len(await orchestrator.moves()) == 1


async def test_after_the_verdict_there_may_be_another_attempt(orchestrator):
    first = await orchestrator.ask()
    await orchestrator.answer(first, ocpp.ResetRejected, answer_epoch=SESSION, answered_at=orchestrator.clock.now())
    second = await orchestrator.ask()
    assert await orchestrator.statuses(first) == [Status.DISPATCHING, Status.REJECTED]
    assert await orchestrator.statuses(second) == [Status.DISPATCHING]


# --- waiting -----------------------------------------------------------------------------------------------------------


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


# --- verdicts that only time can tell ----------------------------------------------------------------------------------


async def test_a_charger_that_stays_has_ignored_it(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.pass_time(60)
    verdict = (await orchestrator.moves(attempt))[-1].verdict
    assert (verdict.cause, verdict.confidence) == (Cause.IGNORED, Confidence.HIGH)


async def test_a_charger_is_asked_for_before_it_is_said_to_have_ignored_it(orchestrator):
    orchestrator.answering = False
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.pass_time(60)
    [asked] = await orchestrator.probes()
    last = (await orchestrator.moves(attempt))[-1]
    assert (asked.attempt_id, asked.epoch, asked.escalation) == (attempt, SESSION, 0)
    assert (last.status, last.deadline) == (Status.AWAITING_DROP, asked.not_after)
    await orchestrator.answer_probes()
    last = (await orchestrator.moves(attempt))[-1]
    assert (last.status, last.verdict.cause) == (Status.NOT_RESTARTED, Cause.IGNORED)
    assert last.new_evidence[0].position.startswith(topics.OCPP_ANSWERS.name)


async def test_when_nobody_says_anything_it_is_lost_and_revised_when_it_boots(orchestrator):
    orchestrator.answering = False
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.pass_time(359)
    assert (await orchestrator.statuses(attempt))[-1] is Status.AWAITING_DROP
    await orchestrator.pass_time(1)
    lost = (await orchestrator.moves(attempt))[-1]
    assert (lost.status, lost.verdict.confidence) == (Status.LOST, Confidence.MEDIUM)
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)
    last = (await orchestrator.moves(attempt))[-1]
    assert (last.status, last.revises) == (Status.RESTARTED, lost.version)


async def test_an_answer_that_is_read_twice_or_late_counts_once(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.pass_time(60)
    moves = await orchestrator.moves(attempt)
    orchestrator.probed.clear()
    await orchestrator.answer_probes()
    assert await orchestrator.moves(attempt) == moves


async def test_a_lost_charger_that_returns_is_judged_anew(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.pass_time(300)
    assert (await orchestrator.statuses(attempt))[-1] is Status.LOST
    await orchestrator.connect(SESSION + 1, after=3600)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)
    lost, *_, last = [move for move in await orchestrator.moves(attempt) if move.verdict is not None]
    assert last.status is Status.RESTARTED
    assert last.revises == lost.version
    assert not (await orchestrator.held(attempt)).watching


async def test_after_a_lost_attempt_news_of_the_charger_are_about_the_next_one(orchestrator):
    lost = await orchestrator.ask()
    await orchestrator.disconnect(after=10)
    await orchestrator.pass_time(300)
    attempt = await orchestrator.ask(when=When.ONLINE)
    assert await orchestrator.statuses(attempt) == [Status.QUEUED]
    assert not (await orchestrator.held(lost)).watching
    await orchestrator.connect(SESSION + 1, after=60)
    await orchestrator.pass_time(5)
    assert (await orchestrator.statuses(attempt))[-1] is Status.DISPATCHING
    assert (await orchestrator.statuses(lost))[-1] is Status.LOST


async def test_a_refused_request_does_not_take_the_news_from_a_lost_attempt(orchestrator):
    lost = await orchestrator.ask()
    await orchestrator.disconnect(after=10)
    await orchestrator.pass_time(300)
    await orchestrator.ask()
    assert (await orchestrator.held(lost)).watching


async def test_a_charger_that_was_never_seen_to_boot_is_judged_by_its_time_away(start):
    orchestrator = await start()
    await orchestrator.introduce()
    await orchestrator.connect()
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=90)
    await orchestrator.pass_time(300)
    last = (await orchestrator.moves(attempt))[-1]
    assert (last.status, last.verdict.confidence) == (Status.RESTARTED, Confidence.LOW)


@pytest.mark.parametrize("why", ["not_connected", "other_session", "expired"])
async def test_what_was_not_delivered_is_over(orchestrator, why):
    attempt = await orchestrator.ask()
    not_sent = ocpp.ResetNotDelivered(charger_id=CHARGER, attempt_id=attempt, epoch=SESSION, why=why)
    await orchestrator.hear(topics.OCPP_ANSWERS, not_sent)
    assert await orchestrator.statuses(attempt) == [Status.DISPATCHING, Status.UNDELIVERED]


async def test_an_answer_about_an_unknown_attempt_is_passed_over(orchestrator):
    from uuid import uuid4

    await orchestrator.send(uuid4())
    assert await orchestrator.count("attempts") == 0


# --- deadlines wait for what was said ----------------------------------------------------------------------------------


async def test_a_deadline_waits_until_what_was_said_by_then_is_read(orchestrator):
    """After a standstill, the backlog comes before the deadlines: here the drop is in Kafka and not yet read."""
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    orchestrator.ends.of = {topics.OCPP_CONNECTIVITY.name: 9}
    await orchestrator.pass_time(59.9)
    orchestrator.clock.advance(0.5)
    assert await orchestrator.service.timers._fire_some()
    assert (await orchestrator.statuses(attempt))[-1] is Status.AWAITING_DROP
    await orchestrator.disconnect()
    await mark_read(orchestrator, topics.OCPP_CONNECTIVITY, 9)
    orchestrator.clock.advance(0.5)
    await orchestrator.service.timers._fire_some()
    assert (await orchestrator.statuses(attempt))[-1] is Status.RESTARTING


async def test_a_deadline_passes_once_everything_is_read(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    orchestrator.ends.of = {topic.name: 9 for topic in (topics.OCPP_CONNECTIVITY, topics.OCPP_ANSWERS)}
    await mark_read(orchestrator, topics.OCPP_CONNECTIVITY, 9)
    await mark_read(orchestrator, topics.OCPP_ANSWERS, 12)
    await orchestrator.pass_time(60)
    assert (await orchestrator.statuses(attempt))[-1] is Status.NOT_RESTARTED


async def test_a_deadline_does_not_wait_for_what_is_said_after_it(orchestrator):
    """Else it would never pass while there is always more to read."""
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    orchestrator.ends.of = {topics.OCPP_OBSERVATIONS.name: 9}
    orchestrator.clock.advance(61)
    while await orchestrator.service.timers._fire_some():
        assert (await orchestrator.statuses(attempt))[-1] is Status.AWAITING_DROP
    orchestrator.ends.of = {topics.OCPP_OBSERVATIONS.name: 99}
    await mark_read(orchestrator, topics.OCPP_OBSERVATIONS, 9)
    await orchestrator.pass_time(1)
    assert (await orchestrator.statuses(attempt))[-1] is Status.NOT_RESTARTED


async def test_a_new_database_goes_by_what_kafka_says_was_read(orchestrator):
    """Its checkpoints are gone, and nothing new may come for long."""
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    orchestrator.ends.of = {topics.OCPP_OBSERVATIONS.name: 9}
    orchestrator.ends.read = {topics.OCPP_OBSERVATIONS.name: 8}
    orchestrator.clock.advance(90)
    assert await orchestrator.service.timers._fire_some()
    assert (await orchestrator.statuses(attempt))[-1] is Status.DISPATCHING
    orchestrator.ends.read = {topics.OCPP_OBSERVATIONS.name: 9}
    await orchestrator.pass_time(1)
    assert (await orchestrator.statuses(attempt))[-1] is Status.NOT_RESTARTED


async def mark_read(orchestrator, topic, next_offset):
    from restart_orchestrator.hearing import partition_of

    async with orchestrator.database.begin() as session:
        await session.execute(
            text("insert into checkpoints (consumer, topic, partition, next_offset) values (:c, :t, :p, :o)"),
            {
                "c": f"restart-orchestrator.{topic.name}",
                "t": topic.name,
                "p": partition_of(CHARGER),
                "o": next_offset,
            },
        )
