"""The feed of changes: pointers to what changed, numbered in the order of commits, so that a stream can resume."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Work, fetch
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message
from contracts.fleet import ChargerRegistered, ChargerRemoved
from contracts.ocpp import AboutCharger
from contracts.restart import TERMINAL, AttemptMoved

CHANNEL = "portal_feed"
"""PostgreSQL notifies here after each commit that added to the feed, with the last cursor that it added."""

_APPEND = f"""
    with locked as materialized (
        select pg_advisory_xact_lock(hashtext('portal.feed'))
    ), added as (
        insert into feed (kind, charger_id, group_id, user_id, attempt_id, version)
        select kind, charger_id, group_id, user_id, attempt_id, version
          from locked, unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::int[])
          with ordinality as row (kind, charger_id, group_id, user_id, attempt_id, version, place)
         order by place
        returning cursor
    )
    select max(cursor) as last, pg_notify('{CHANNEL}', max(cursor)::text) from added
"""  # noqa: S608 a constant
"""Cursors are drawn when the lock is held: the rows come from a join with it, and are numbered after the sort."""
_LOCK = "select pg_advisory_xact_lock(hashtext('portal.feed'))"
_PRUNE = "delete from feed where cursor <= $1"
_AFTER = text(
    "select cursor, kind, charger_id, group_id, user_id, attempt_id, version from feed "
    "where cursor > :cursor and cursor <= :until order by cursor limit :limit"
)
_BOUNDS = text("select coalesce(min(cursor), 0), coalesce(max(cursor), 0) from feed")


class Kind(StrEnum):
    """What changed."""

    CHARGER = "charger"
    ATTEMPT = "attempt"
    VERDICT = "verdict"
    RIGHTS = "rights"


@dataclass(frozen=True, slots=True)
class Pointer:
    """One change. `rights` names a group and, unless all of its members are meant, a person."""

    kind: Kind
    charger_id: str | None = None
    group_id: str | None = None
    user_id: str | None = None
    attempt_id: UUID | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A change at its place in the feed."""

    cursor: int
    pointer: Pointer


def pointers(messages: Iterable[Envelope[Message]]) -> list[Pointer]:
    """What the messages change for those who look, each thing once, at its last place."""
    found: dict[Pointer, None] = {}
    for message in messages:
        for pointer in _pointers(message.data):
            found.pop(pointer, None)
            found[pointer] = None
    return list(found)


def _pointers(said: Message) -> Iterable[Pointer]:
    match said:
        case AttemptMoved(status=status, attempt_id=attempt_id, charger_id=charger_id, version=version):
            yield Pointer(Kind.ATTEMPT, charger_id=charger_id, attempt_id=attempt_id, version=version)
            if status in TERMINAL:
                yield Pointer(Kind.VERDICT, charger_id=charger_id, attempt_id=attempt_id, version=version)
            yield Pointer(Kind.CHARGER, charger_id=charger_id)
        case ChargerRegistered(charger_id=charger_id) | ChargerRemoved(charger_id=charger_id):
            yield Pointer(Kind.CHARGER, charger_id=charger_id)
        case AboutCharger(charger_id=charger_id):
            yield Pointer(Kind.CHARGER, charger_id=charger_id)
        case (
            MembershipGranted(group_id=group_id, user_id=user_id) | MembershipEnded(group_id=group_id, user_id=user_id)
        ):
            yield Pointer(Kind.RIGHTS, group_id=group_id, user_id=user_id)
        case PlanSet(group_id=group_id):
            yield Pointer(Kind.RIGHTS, group_id=group_id)


async def append(session: Work, changes: Sequence[Pointer], *, keep: int) -> None:
    """Adds the changes at the end of the feed; one of the last statements of the transaction that makes them.

    The lock is held until the commit is visible, so cursors grow in the order in which changes can be seen, over all
    processes; a plain sequence does not, and a reader that resumes would skip rows. `keep` rows are kept, or a
    hundredth more.
    """
    if not changes:
        return
    (row,) = await fetch(
        session,
        _APPEND,
        [change.kind.value for change in changes],
        [change.charger_id for change in changes],
        [change.group_id for change in changes],
        [change.user_id for change in changes],
        [change.attempt_id for change in changes],
        [change.version for change in changes],
    )
    last, often = row["last"], max(1, keep // 100)
    if last // often != (last - len(changes)) // often:
        await fetch(session, _PRUNE, last - keep)


async def lock(session: Work) -> None:
    """Takes the lock of `append` without adding anything, until the transaction ends."""
    await fetch(session, _LOCK)


async def bounds(connection: AsyncConnection) -> tuple[int, int]:
    """The first and the last cursor in the feed; zeros when it is empty."""
    first, last = (await connection.execute(_BOUNDS)).one()
    return first, last


async def after(connection: AsyncConnection, cursor: int, *, until: int = 2**62, limit: int = 500) -> list[Entry]:
    """The changes that follow `cursor`, oldest first, at most `limit`, none beyond `until`."""
    rows = await connection.execute(_AFTER, {"cursor": cursor, "until": until, "limit": limit})
    return [Entry(row[0], Pointer(Kind(row[1]), *row[2:])) for row in rows]
