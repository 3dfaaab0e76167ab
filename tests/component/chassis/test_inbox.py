"""A message is handled once by each consumer."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import text

from chassis import inbox


async def test_a_message_is_claimed_once_by_each_consumer(database):
    message = uuid4()
    for consumer in ("a", "b"):
        for expected in (True, False, False):
            async with database.begin() as session:
                assert await inbox.claim(session, consumer=consumer, message_id=message) is expected


async def test_a_claim_that_was_rolled_back_can_be_made_again(database, roll_back):
    message = uuid4()
    await roll_back(lambda session: inbox.claim(session, consumer="a", message_id=message))
    async with database.begin() as session:
        assert await inbox.claim(session, consumer="a", message_id=message)


async def test_of_two_who_claim_at_the_same_time_one_waits_and_loses(database):
    message = uuid4()
    async with database.begin() as first:
        assert await inbox.claim(first, consumer="a", message_id=message)

        async def second() -> bool:
            async with database.begin() as session:
                return await inbox.claim(session, consumer="a", message_id=message)

        waiting = asyncio.create_task(second())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
    assert await waiting is False


async def test_many_are_claimed_in_one_statement_and_only_the_new_ones_come_back(database):
    known, new, newer = uuid4(), uuid4(), uuid4()
    async with database.begin() as session:
        await inbox.claim(session, consumer="a", message_id=known)
    async with database.begin() as session:
        assert await inbox.claim_many(session, "a", [new, known, newer, new]) == {new, newer}


async def test_pruning_forgets_only_old_claims_and_not_more_than_asked(database, rows):
    async with database.begin() as session:
        await inbox.claim_many(session, "a", [uuid4() for _ in range(5)])
        await session.execute(text("update inbox set claimed_at = claimed_at - interval '40 days'"))
        await inbox.claim(session, consumer="a", message_id=uuid4())
    now = datetime.now(UTC)
    async with database.begin() as session:
        assert await inbox.prune(session, now=now, at_most=3) == 3
        assert await inbox.prune(session, now=now, at_most=3) == 2
        assert await inbox.prune(session, now=now, at_most=3) == 0
    assert await rows("select count(*) from inbox") == [(1,)]


def test_claims_are_remembered_longer_than_any_topic_keeps_what_is_read_with_them():
    assert timedelta(days=30) < inbox.RETENTION
