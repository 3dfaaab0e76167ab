"""Learning from finished attempts on a real database: what is kept, what is published, and what later attempts wait."""

from datetime import timedelta

import pytest

from chassis.testing import FakeClock, eventually
from chassis.testing.outbox import outbox_messages
from contracts import ocpp, topics
from contracts.fleet import ChargerRegistered
from contracts.restart import DurationsLearned, Expected, Spread, Status
from contracts.words import REMOTE_RESTART
from restart_orchestrator.chores import Chores
from restart_orchestrator.durations import Rules
from restart_orchestrator.learning import Learner
from restart_orchestrator.pruning import Keep

RULES = Rules(min_samples=2, min_chargers=3, per_charger=2, kept=6)
GROUP, SESSION = "harbour", 7


@pytest.fixture
def learner(orchestrator):
    return Learner(orchestrator.service.outbox, orchestrator.clock, RULES)


async def learn(orchestrator, learner) -> None:
    orchestrator.clock.advance(60)
    async with orchestrator.database.begin() as session:
        while await learner.learn_some(session):
            pass


async def published(orchestrator) -> list[DurationsLearned]:
    return [each.data for each in await outbox_messages(orchestrator.database, topics.RESTART_DURATIONS)]


async def restart(
    orchestrator, charger: str, *, session: int = SESSION, firmware: str | None = "1.0", boot: float = 30
) -> None:
    """One restart, from a first connection to the verdict: 10 s to drop, `boot` to boot, 2 s to be whole."""
    registered = ChargerRegistered(
        charger_id=charger,
        group_id=GROUP,
        label=charger,
        model="Terra AC",
        abilities=frozenset({REMOTE_RESTART}),
        version=1,
    )
    await orchestrator.hear(topics.FLEET_CHARGERS, registered)
    await orchestrator.connect(session, charger)
    booted = ocpp.ChargerBooted(charger_id=charger, epoch=session, firmware=firmware)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, booted, orchestrator.status(session, charger))
    orchestrator.clock.advance(60)
    attempt = await orchestrator.ask(charger)
    for kind, facts in (
        (ocpp.ResetSent, {"sent_at": orchestrator.clock.now(), "frame": "[2]"}),
        (ocpp.ResetAccepted, {"answer_epoch": session, "answered_at": orchestrator.clock.now()}),
    ):
        about = {"charger_id": charger, "attempt_id": attempt, "epoch": session, "message_id": str(attempt)}
        await orchestrator.hear(topics.OCPP_ANSWERS, kind(**about, **facts))
    await orchestrator.disconnect(session, charger, after=10)
    await orchestrator.connect(session + 1, charger, after=boot)
    booted = ocpp.ChargerBooted(charger_id=charger, epoch=session + 1, firmware=firmware)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, booted)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, orchestrator.status(session + 1, charger), after=2)
    await orchestrator.pass_time(181)
    assert (await orchestrator.held(attempt)).attempt.status is Status.RESTARTED


async def test_finished_restarts_say_how_long_the_next_will_take(orchestrator, learner):
    for charger in ("A", "B", "C"):
        await restart(orchestrator, charger)
    await learn(orchestrator, learner)
    of_model, of_firmware = await published(orchestrator)
    assert (of_model.model, of_model.firmware, of_model.version) == ("Terra AC", None, 1)
    assert (of_firmware.firmware, of_firmware.expected.basis) == ("1.0", "firmware")
    assert of_model.expected == Expected(
        samples=3,
        basis="model",
        drop=Spread(p50_s=10, p95_s=10),
        boot=Spread(p50_s=30, p95_s=30),
        healthy=Spread(p50_s=2, p95_s=2),
        away=Spread(p50_s=32, p95_s=32),
    )


async def test_an_attempt_is_sent_with_what_was_learned_and_its_events_say_so(orchestrator, learner):
    for charger in ("A", "B", "C"):
        await restart(orchestrator, charger)
    await learn(orchestrator, learner)
    await restart(orchestrator, "D")
    (attempt,) = {move.attempt_id for move in await orchestrator.moves() if move.charger_id == "D"}
    moves = await orchestrator.moves(attempt)
    assert {move.firmware for move in moves} == {"1.0"}
    assert {move.expected.basis for move in moves} == {"firmware"}
    held = (await orchestrator.held(attempt)).attempt
    assert held.reset.waits.drop == timedelta(seconds=30)
    assert held.reset.waits.boot == timedelta(seconds=120)
    history = await orchestrator.history(attempt)
    assert history[1].reset == held.reset, "a replay waits as long"


async def test_an_unknown_firmware_goes_by_the_model(orchestrator, learner):
    for charger in ("A", "B", "C"):
        await restart(orchestrator, charger)
    await learn(orchestrator, learner)
    await restart(orchestrator, "D", firmware="2.0")
    (attempt,) = {move.attempt_id for move in await orchestrator.moves() if move.charger_id == "D"}
    last = (await orchestrator.moves(attempt))[-1]
    assert (last.firmware, last.expected.basis) == ("2.0", "model")


async def test_two_chargers_teach_nothing(orchestrator, learner):
    for charger in ("A", "B", "A", "B"):
        await restart(orchestrator, charger, session=SESSION + 2 * len(await orchestrator.moves()))
    await learn(orchestrator, learner)
    assert await published(orchestrator) == []
    assert await orchestrator.count("duration_samples") == 4


async def test_what_did_not_change_is_not_said_again(orchestrator, learner):
    for charger in ("A", "B", "C"):
        await restart(orchestrator, charger)
    await learn(orchestrator, learner)
    said = len(await published(orchestrator))
    await restart(orchestrator, "D")
    await learn(orchestrator, learner)
    assert len(await published(orchestrator)) == said
    for charger in ("E", "F", "G"):
        await restart(orchestrator, charger, boot=100)
    await learn(orchestrator, learner)
    later = (await published(orchestrator))[said:]
    assert [(each.firmware, each.version) for each in later] == [(None, 2), ("1.0", 2)]


async def test_what_is_kept_is_bounded_by_charger_and_by_model(orchestrator, learner):
    for turn in range(3):
        await restart(orchestrator, "A", session=SESSION + 2 * turn)
    await learn(orchestrator, learner)
    assert await orchestrator.count("duration_samples") == RULES.per_charger
    for charger in ("B", "C", "D", "E", "F", "G"):
        await restart(orchestrator, charger)
    await learn(orchestrator, learner)
    assert await orchestrator.count("duration_samples") == RULES.kept


async def test_each_restart_is_learned_from_once_and_a_fresh_one_later(orchestrator, learner):
    await restart(orchestrator, "A")
    at_once = FakeClock((await orchestrator.moves())[-1].moved_at)
    async with orchestrator.database.begin() as session:
        await Learner(orchestrator.service.outbox, at_once, RULES).learn_some(session)
    assert await orchestrator.count("duration_samples") == 0
    for _ in range(2):
        await learn(orchestrator, learner)
    assert await orchestrator.count("duration_samples") == 1


async def test_one_learns_at_a_time(orchestrator, learner):
    await restart(orchestrator, "A")
    orchestrator.clock.advance(60)
    async with orchestrator.database.begin() as one, orchestrator.database.begin() as other:
        await learner.learn_some(one)
        assert not await learner.learn_some(other)
    assert await orchestrator.count("duration_samples") == 1


async def test_the_service_learns_by_itself(orchestrator, learner):
    await restart(orchestrator, "A")
    orchestrator.clock.advance(60)
    chores = Chores(orchestrator.database, orchestrator.clock, learner, Keep(), learn_every_s=0.01, prune_every_s=0.01)
    await chores.start()

    async def learned() -> None:
        assert await orchestrator.count("duration_samples") == 1

    try:
        await eventually(learned)
    finally:
        await chores.stop()
