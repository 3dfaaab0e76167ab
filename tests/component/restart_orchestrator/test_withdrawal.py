"""A request that is taken back when its Reset is on its way: what is stored of it, and what the bridge is told."""

import pytest

from chassis.testing.outbox import outbox_messages
from contracts import topics
from contracts.ocpp import ResetCharger, ResetNotDelivered, ResetNotWithdrawn, ResetWithdrawn, WithdrawReset
from contracts.restart import CancelRestart, Outcome, Status
from restart_orchestrator.states import evolve

CHARGER, PERSON, SESSION = "CHARGER-1", "ada", 7


def cancel(attempt, by=PERSON):
    return CancelRestart(attempt_id=attempt, charger_id=CHARGER, cancelled_by=by)


async def commands(orchestrator):
    return [each.data for each in await outbox_messages(orchestrator.database, topics.OCPP_COMMANDS)]


async def says(orchestrator, kind, attempt, **facts):
    said = kind(charger_id=CHARGER, attempt_id=attempt, epoch=SESSION, **facts)
    return await orchestrator.hear(topics.OCPP_ANSWERS, said)


async def told(orchestrator, attempt):
    """What was published last, which must be what is stored, and what the stored history leads to."""
    last, held = (await orchestrator.moves(attempt))[-1], (await orchestrator.held(attempt)).attempt
    again = None
    for transition in await orchestrator.history(attempt):
        again = evolve(again, transition)
    assert again == held
    assert (last.status, last.version, last.withdrawal) == (held.status, held.version, held.withdrawal)
    return last


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_the_bridge_is_told_after_the_reset_on_the_same_key(orchestrator, in_one_batch):
    request = orchestrator.request()
    attempt = request.attempt_id
    if in_one_batch:
        await orchestrator.hear(topics.RESTART_REQUESTS, request, cancel(attempt))
    else:
        await orchestrator.hear(topics.RESTART_REQUESTS, request)
        await orchestrator.hear(topics.RESTART_REQUESTS, cancel(attempt))
    reset, withdrawal = await commands(orchestrator)
    assert (type(reset), type(withdrawal)) == (ResetCharger, WithdrawReset)
    assert withdrawal.key() == reset.key()
    assert (withdrawal.attempt_id, withdrawal.epoch, withdrawal.escalation) == (attempt, reset.epoch, 0)
    last = await told(orchestrator, attempt)
    assert (last.status, last.withdrawal.asked_by, last.withdrawal.answer) == (Status.DISPATCHING, PERSON, None)


@pytest.mark.parametrize(("kind", "facts"), [(ResetWithdrawn, {}), (ResetNotDelivered, {"why": "expired"})])
async def test_it_ends_cancelled_when_nothing_was_sent_and_the_charger_is_free_again(orchestrator, kind, facts):
    attempt = await orchestrator.ask()
    await orchestrator.hear(topics.RESTART_REQUESTS, cancel(attempt))
    batch = await says(orchestrator, kind, attempt, **facts)
    last = await told(orchestrator, attempt)
    assert (last.status, last.verdict.outcome, last.cancelled_by) == (Status.CANCELLED, Outcome.CANCELLED, PERSON)
    assert (last.withdrawal.answer, last.withdrawal.event_id) == ("withdrawn", batch[0].id)
    [proof] = last.new_evidence
    assert (proof.kind, proof.event_id, proof.position is not None) == ("not_delivered", batch[0].id, True)
    assert await orchestrator.count("timers") == 0
    moves = await orchestrator.moves(attempt)
    await orchestrator.hear_again(topics.OCPP_ANSWERS, batch)
    assert await orchestrator.moves(attempt) == moves
    assert (await told(orchestrator, await orchestrator.ask())).status is Status.DISPATCHING


async def test_it_goes_on_when_it_was_too_late_and_the_record_says_so(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.hear(topics.RESTART_REQUESTS, cancel(attempt))
    batch = await says(orchestrator, ResetNotWithdrawn, attempt)
    last = await told(orchestrator, attempt)
    assert (last.status, last.withdrawal.answer, last.withdrawal.event_id) == (
        Status.DISPATCHING,
        "too_late",
        batch[0].id,
    )
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    await orchestrator.disconnect(after=10)
    await orchestrator.connect(SESSION + 1, after=80)
    await orchestrator.boot(SESSION + 1, after=1)
    await orchestrator.pass_time(60)
    last = await told(orchestrator, attempt)
    assert (last.verdict.outcome, last.withdrawal.answer) == (Outcome.RESTARTED, "too_late")


async def test_once_it_is_sent_nobody_asks_the_bridge(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    batch = await orchestrator.hear(topics.RESTART_REQUESTS, cancel(attempt))
    last = await told(orchestrator, attempt)
    assert (last.withdrawal.answer, last.withdrawal.event_id) == ("too_late", batch[0].id)
    assert [type(command) for command in await commands(orchestrator)] == [ResetCharger]
    moves = await orchestrator.moves(attempt)
    await orchestrator.hear(topics.RESTART_REQUESTS, cancel(attempt))
    assert await orchestrator.moves(attempt) == moves


async def test_a_stranger_cannot_have_a_reset_withdrawn(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.hear(topics.RESTART_REQUESTS, cancel(attempt, by="grace"))
    assert [type(command) for command in await commands(orchestrator)] == [ResetCharger]
    assert (await told(orchestrator, attempt)).withdrawal is None
