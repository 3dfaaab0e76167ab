"""What is old is forgotten, a few at a time; what may still be asked for is not."""

import pytest
from sqlalchemy import text

from contracts import ocpp, topics
from contracts.restart import Status, When
from restart_orchestrator import pruning
from restart_orchestrator.pruning import Keep, prune_some
from restart_orchestrator.settings import Settings

CHARGER, SESSION = "CHARGER-1", 7
DAY = 86_400.0


async def prune(orchestrator, keep: Keep | None = None) -> int:
    """Forgets all that is old; returns in how many turns."""
    turns = 1
    while True:
        async with orchestrator.database.begin() as session:
            if not await prune_some(session, orchestrator.clock.now(), keep or Keep()):
                return turns
        turns += 1


async def refused(orchestrator) -> None:
    attempt = await orchestrator.ask(by="nobody")
    assert (await orchestrator.held(attempt)).attempt.status is Status.REFUSED


async def test_an_attempt_that_ended_long_ago_is_forgotten_with_its_history(orchestrator):
    await refused(orchestrator)
    orchestrator.clock.advance(399 * DAY)
    await refused(orchestrator)
    await prune(orchestrator)
    assert await orchestrator.count("attempts") == 2
    orchestrator.clock.advance(2 * DAY)
    await prune(orchestrator)
    assert await orchestrator.count("attempts") == 1
    assert await orchestrator.count("attempt_transitions") == 2


async def test_an_open_attempt_is_never_forgotten(orchestrator):
    await orchestrator.disconnect()
    await orchestrator.ask(when=When.ONLINE, expires_at=orchestrator.clock.now().replace(year=2040))
    orchestrator.clock.advance(500 * DAY)
    await prune(orchestrator)
    assert await orchestrator.count("attempts") == 1


async def test_a_lost_attempt_that_still_watches_is_forgotten_in_its_time(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.disconnect(after=5)
    await orchestrator.pass_time(400)
    assert (await orchestrator.held(attempt)).watching
    await prune(orchestrator)
    assert await orchestrator.count("attempts") == 1
    orchestrator.clock.advance(401 * DAY)
    await prune(orchestrator)
    assert await orchestrator.count("attempts") == 0


async def test_it_goes_on_a_few_at_a_time(orchestrator, monkeypatch):
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    for _ in range(5):
        await refused(orchestrator)
    orchestrator.clock.advance(401 * DAY)
    assert await prune(orchestrator) == 3
    assert await orchestrator.count("attempts") == 0


async def test_a_transaction_that_ended_long_ago_is_forgotten_and_one_that_runs_is_not(orchestrator):
    await orchestrator.begin_charging()
    running = ocpp.TransactionStarted(charger_id=CHARGER, epoch=SESSION, transaction_id="2", evse_id=1, connector_id=1)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, running)
    await orchestrator.end_charging()
    await prune(orchestrator)
    assert await orchestrator.count("transactions") == 2
    orchestrator.clock.advance(36 * DAY)
    await prune(orchestrator)
    async with orchestrator.database.begin() as session:
        left = (await session.execute(text("select transaction_id from transactions"))).scalars().all()
    assert left == ["2"]


def test_a_lost_attempt_can_not_be_forgotten_before_it_may_be_judged_again():
    with pytest.raises(ValueError, match="KEEP_ATTEMPTS_DAYS is shorter"):
        Settings(keep_attempts_days=2, revision_window_s=3 * DAY)


def test_bounds_that_leave_no_window_are_refused_in_words():
    with pytest.raises(ValueError, match="LEARNED_DROP_MIN_S is greater"):
        Settings(learned_drop_min_s=200)
