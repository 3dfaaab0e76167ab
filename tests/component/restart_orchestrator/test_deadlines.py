"""Deadlines pass once all that was said by then is read, those that are due together in one transaction."""

from sqlalchemy import text

from contracts import topics
from contracts.restart import Status
from restart_orchestrator.hearing import partition_of

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7


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


async def test_of_deadlines_that_are_due_together_each_waits_for_its_own_charger(orchestrator):
    others = (f"CHARGER-{number}" for number in range(2, 99))
    other = next(name for name in others if partition_of(name) != partition_of(CHARGER))
    await orchestrator.introduce(other)
    await orchestrator.connect(charger=other)
    await orchestrator.boot(charger=other)
    orchestrator.clock.advance(60)
    read, unread = await orchestrator.ask(other), await orchestrator.ask()
    await orchestrator.send(read)
    await orchestrator.send(unread)
    orchestrator.ends.of = {topics.OCPP_OBSERVATIONS.name: 9}
    await mark_read(orchestrator, topics.OCPP_OBSERVATIONS, 9, other)
    await mark_read(orchestrator, topics.OCPP_OBSERVATIONS, 8)
    orchestrator.clock.advance(90)
    await orchestrator.pass_time(1)
    assert (await orchestrator.statuses(read))[-1] is Status.NOT_RESTARTED
    assert (await orchestrator.statuses(unread))[-1] is Status.DISPATCHING
    await mark_read(orchestrator, topics.OCPP_OBSERVATIONS, 9)
    await orchestrator.pass_time(1)
    assert (await orchestrator.statuses(unread))[-1] is Status.NOT_RESTARTED


async def mark_read(orchestrator, topic, next_offset, charger=CHARGER):
    async with orchestrator.database.begin() as session:
        await session.execute(
            text(
                "insert into checkpoints (consumer, topic, partition, next_offset) values (:c, :t, :p, :o) "
                "on conflict (consumer, topic, partition) do update set next_offset = excluded.next_offset"
            ),
            {
                "c": f"restart-orchestrator.{topic.name}",
                "t": topic.name,
                "p": partition_of(charger),
                "o": next_offset,
            },
        )
