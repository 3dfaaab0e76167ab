"""What the record of an attempt holds: positions and frames, sentences, interrupted transactions, lost rights."""

import asyncio

import pytest
from sqlalchemy import text

from contracts import ocpp, topics
from contracts.auth import MembershipGranted
from contracts.restart import CancelRestart, RefusalReason, Status, When
from contracts.words import Role
from restart_orchestrator.states import Moved

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7


async def test_each_piece_of_evidence_has_its_position_and_its_frame(orchestrator):
    attempt = await orchestrator.ask()
    told = [
        (topics.OCPP_ANSWERS, ocpp.ResetSent, {"message_id": "m", "sent_at": orchestrator.clock.now()}, "sent"),
        (
            topics.OCPP_ANSWERS,
            ocpp.ResetAccepted,
            {"message_id": "m", "answer_epoch": SESSION, "answered_at": orchestrator.clock.now()},
            "accepted",
        ),
    ]
    for topic, kind, facts, frame in told:
        about = {"charger_id": CHARGER, "attempt_id": attempt, "epoch": SESSION, "frame": frame}
        await orchestrator.hear(topic, kind(**about, **facts))
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=10)
    booted = ocpp.ChargerBooted(charger_id=CHARGER, epoch=SESSION + 1, frame="booted")
    (said,) = await orchestrator.hear(topics.OCPP_OBSERVATIONS, booted)
    evidence = [one for move in await orchestrator.moves(attempt) for one in move.new_evidence]
    assert [one.frame for one in evidence] == ["sent", "accepted", None, None, "booted"]
    assert all(one.position for one in evidence)
    assert evidence[-1].position == f"ocpp.observations.v1/{said.position.partition}/{said.position.offset}"
    stored = [move for move in await orchestrator.history(attempt) if isinstance(move, Moved)]
    assert [one for move in stored for one in move.evidence] == evidence


async def test_each_transition_is_stored_with_a_sentence_and_how_sure_it_is(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    async with orchestrator.database.begin() as session:
        rows = await session.execute(
            text(
                "select transition ->> 'sentence' as sentence, transition ->> 'confidence' as sure "
                "from attempt_transitions where attempt_id = :id and version > 0 order by version"
            ),
            {"id": attempt},
        )
        told = [(row.sentence, row.sure) for row in rows]
    assert told == [
        ("A Reset is on its way.", "proven"),
        ("The Reset was written to the charger's socket (session 7).", "proven"),
    ]


async def test_the_event_names_the_transactions_that_the_restart_interrupted(orchestrator):
    await orchestrator.begin_charging()
    attempt = await orchestrator.ask(interrupt_charging=True)
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    assert (await orchestrator.moves(attempt))[-1].interrupted == ()
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=10)
    await orchestrator.boot(SESSION + 1)
    await orchestrator.end_charging(SESSION + 1, reason="HardReset", after=1)
    await orchestrator.pass_time(60)
    last = (await orchestrator.moves(attempt))[-1]
    assert (last.status, last.interrupted) == (Status.RESTARTED, ("1",))


async def test_faults_of_before_and_after_are_compared(orchestrator):
    broken = orchestrator.status(state="faulted").model_copy(update={"error_code": "GroundFailure"})
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, broken)
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=10)
    await orchestrator.boot(SESSION + 1)
    await orchestrator.pass_time(61)
    assert (await orchestrator.moves(attempt))[-1].verdict.params["faults_gone"] == "1/1 GroundFailure"


async def test_a_person_who_lost_the_role_is_told_which(orchestrator):
    await orchestrator.disconnect()
    attempt = await orchestrator.ask(when=When.ONLINE)
    demoted = MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=Role.USER, version=2)
    await orchestrator.hear(topics.AUTH_MEMBERSHIPS, demoted)
    await orchestrator.connect(SESSION + 1)
    await orchestrator.pass_time(10)
    last = (await orchestrator.moves(attempt))[-1]
    assert [(one.reason, one.params) for one in last.refusals] == [
        (RefusalReason.ROLE, {"role": "user", "was": "administrator"})
    ]
    assert await orchestrator.resets() == []


@pytest.mark.parametrize("first", ["withdrawal", "dispatch"])
async def test_of_a_withdrawal_and_a_dispatch_at_once_one_wins_and_all_are_told_the_same(orchestrator, first):
    """Both are decided under the charger's lock, in the order in which they get it."""
    await orchestrator.disconnect()
    attempt = await orchestrator.ask(when=When.ONLINE)
    await orchestrator.connect(SESSION + 1)
    orchestrator.clock.advance(6)
    cancel = CancelRestart(attempt_id=attempt, charger_id=CHARGER, cancelled_by=PERSON)
    both = [orchestrator.hear(topics.RESTART_REQUESTS, cancel), orchestrator.service.timers._fire_some()]
    await asyncio.gather(*(both if first == "withdrawal" else reversed(both)))
    last, held = (await orchestrator.moves(attempt))[-1], (await orchestrator.held(attempt)).attempt
    assert (last.status, last.version, last.cancelled_by) == (held.status, held.version, held.cancelled_by)
    won = {Status.CANCELLED: (PERSON, 0, None), Status.DISPATCHING: (None, 1, PERSON)}
    asked = last.withdrawal.asked_by if last.withdrawal else None
    assert (last.cancelled_by, len(await orchestrator.resets()), asked) == won[last.status]


async def test_a_late_answer_and_a_return_revise_a_lost_one_once(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.pass_time(301)
    await orchestrator.connect(SESSION + 1, after=600)
    await orchestrator.boot(SESSION + 1)
    await orchestrator.answer(
        attempt, ocpp.ResetAccepted, answer_epoch=SESSION + 1, answered_at=orchestrator.clock.now()
    )
    await orchestrator.pass_time(61)
    moves = await orchestrator.moves(attempt)
    assert [move.status for move in moves if move.verdict is not None and move.deadline is None][-1] is Status.RESTARTED
    assert moves[-1].verdict.missing == ("late_answer",)
    before = len(moves)
    await orchestrator.disconnect(SESSION + 1, after=60)
    await orchestrator.connect(SESSION + 2, after=60)
    await orchestrator.boot(SESSION + 2)
    await orchestrator.pass_time(600)
    assert len(await orchestrator.moves(attempt)) == before
