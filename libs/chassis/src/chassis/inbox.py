"""The inbox: a message is handled once by each consumer, however often it is delivered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

RETENTION = timedelta(days=31)
"""How long a claim is remembered. Longer than any topic that is read with an inbox keeps its records, so that even a
consumer group that starts over finds what it did."""

_CLAIM = text(
    "insert into inbox (consumer, message_id) values (:consumer, :message_id) on conflict do nothing returning true"
)
_CLAIM_MANY = text(
    "insert into inbox (consumer, message_id) select :consumer, unnest(cast(:ids as uuid[])) "
    "on conflict do nothing returning message_id"
)
_PRUNE = text(
    "delete from inbox where ctid = any(array(select ctid from inbox where claimed_at < :before limit :at_most))"
)


async def claim(session: AsyncSession, *, consumer: str, message_id: UUID) -> bool:
    """Takes the message for this transaction; False when it was handled before.

    While another transaction holds an uncommitted claim on the same message, this waits for its outcome.
    """
    result = await session.execute(_CLAIM, {"consumer": consumer, "message_id": message_id})
    return result.scalar_one_or_none() is not None


async def claim_many(session: AsyncSession, consumer: str, ids: Sequence[UUID]) -> set[UUID]:
    """Takes many messages in one statement; returns those that were not handled before."""
    result = await session.execute(_CLAIM_MANY, {"consumer": consumer, "ids": sorted(set(ids))})
    return set(result.scalars())


async def prune(session: AsyncSession, *, now: datetime, retention: timedelta = RETENTION, at_most: int = 5000) -> int:
    """Forgets up to `at_most` claims that are older than `retention`; returns how many."""
    result = await session.execute(_PRUNE, {"before": now - retention, "at_most": at_most})
    return int(getattr(result, "rowcount", 0))
