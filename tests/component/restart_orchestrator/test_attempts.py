"""From a request to a verdict, on a real database: what is stored, what is said, what is armed."""

import pytest

from chassis import migrations
from contracts import ocpp, topics
from contracts.restart import Cause, Confidence, Health, Outcome, RefusalReason, Status, Step
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


async def test_a_lost_charger_that_returns_is_judged_anew(orchestrator, lose):
    attempt = await lose()
    await orchestrator.connect(SESSION + 1, after=3600)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)
    lost, *_, last = [move for move in await orchestrator.moves(attempt) if move.verdict is not None]
    assert last.status is Status.RESTARTED
    assert last.revises == lost.version
    assert not (await orchestrator.held(attempt)).watching


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
