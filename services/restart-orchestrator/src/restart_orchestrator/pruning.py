"""Forgets what nobody asks for any more: attempts that ended long ago, transactions that ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

AT_ONCE = 200
"""So few rows at a time, that no one waits for a lock or for the log of the database."""
_ATTEMPTS = text(
    """
    with old as (
        select t.attempt_id
          from attempt_transitions t join attempts a on a.attempt_id = t.attempt_id
         where t.version = 0 and t.at < :before and a.moved_at < :before and (not a.watching or a.status = 'lost')
         order by t.at limit :most
           for update of a skip locked
    ), history as (
        delete from attempt_transitions t using old where t.attempt_id = old.attempt_id
    )
    delete from attempts a using old where a.attempt_id = old.attempt_id
    """
)
_TRANSACTIONS = text(
    """
    delete from transactions where (charger_id, transaction_id) in (
        select charger_id, transaction_id from transactions where ended and said_at < :before
         order by said_at limit :most for update skip locked)
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """For how long what is kept: an attempt after its last move, a transaction after its end."""

    attempts: timedelta = timedelta(days=400)
    transactions: timedelta = timedelta(days=35)


async def prune_some(session: AsyncSession, now: datetime, keep: Keep) -> bool:
    """Forgets a few of the oldest, in the session's transaction; returns whether there may be more."""
    more = False
    for statement, kept in ((_ATTEMPTS, keep.attempts), (_TRANSACTIONS, keep.transactions)):
        gone = await session.execute(statement, {"before": now - kept, "most": AT_ONCE})
        more = more or gone.rowcount >= AT_ONCE  # type: ignore[attr-defined] # a delete has one
    return more
