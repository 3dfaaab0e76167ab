"""The machine's clock is put forward or back in the middle of an attempt."""

from contracts import ocpp, topics
from contracts.restart import Status

from .conftest import CHARGER, SESSION


async def asked(orchestrator):
    """An attempt whose Reset was accepted right now; nobody answers for its charger."""
    orchestrator.answering = False
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await orchestrator.accept(attempt)
    return attempt


async def test_a_clock_that_is_put_forward_ends_no_wait(orchestrator):
    attempt = await asked(orchestrator)
    orchestrator.clock.jump(3600)
    await orchestrator.pass_time(59)
    assert await orchestrator.probes() == []
    await orchestrator.pass_time(2)
    assert [probe.attempt_id for probe in await orchestrator.probes()] == [attempt]


async def test_a_charger_that_is_away_when_the_clock_is_put_forward_has_all_its_time_to_come_back(orchestrator):
    attempt = await asked(orchestrator)
    await orchestrator.disconnect(after=10)
    orchestrator.clock.jump(3600)
    await orchestrator.pass_time(290)
    assert (await orchestrator.held(attempt)).attempt.status is Status.RESTARTING
    await orchestrator.pass_time(11)
    assert (await orchestrator.held(attempt)).attempt.status is Status.LOST


async def test_a_process_that_begins_when_the_clock_was_put_forward_relies_on_what_the_bridge_has_measured(
    orchestrator, start
):
    attempt = await asked(orchestrator)
    orchestrator.clock.jump(3600)
    other = await start(orchestrator.database.dsn, orchestrator.clock)
    other.answering = False
    await other.pass_time(1)
    [probe] = await other.probes()
    answer = {"epoch": SESSION, "heard_at": other.clock.now(), "asked_at": probe.asked_at}
    there = ocpp.ChargerProbed(charger_id=CHARGER, attempt_id=attempt, lasted_s=1.0, **answer)
    await other.hear(topics.OCPP_ANSWERS, there)
    assert (await other.held(attempt)).attempt.status is Status.AWAITING_DROP
    await other.pass_time(60)
    assert len(await other.probes()) == 2


async def test_a_clock_that_is_put_back_only_makes_a_wait_longer(orchestrator):
    await asked(orchestrator)
    orchestrator.clock.jump(-30)
    await orchestrator.pass_time(89)
    assert await orchestrator.probes() == []
    await orchestrator.pass_time(2)
    assert len(await orchestrator.probes()) == 1
