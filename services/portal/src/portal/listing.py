"""Finding which chargers and which restarts a list shows: filters, order and pages."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.http import Problem
from contracts.restart import Outcome, Status
from portal.models import ChargerState


class ChargerSort(StrEnum):
    """What a list of chargers is ordered by; then by label."""

    LABEL = "label"
    ATTENTION = "attention"
    MODEL = "model"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class ChargerFilter:
    """Which chargers. Nothing given leaves all of them.

    Attributes:
        q: part of a label, id, model, site or group.
        states: one of these.
        attention: whether it is offline, lost or faulted.
    """

    q: str = ""
    group_id: str | None = None
    model: str | None = None
    states: tuple[ChargerState, ...] = ()
    attention: bool | None = None
    sort: ChargerSort = ChargerSort.LABEL


ATTENTION = (ChargerState.FAULTED, ChargerState.LOST, ChargerState.OFFLINE)
"""The states in which somebody should look at a charger."""

STATUSES_OF: Mapping[Outcome, tuple[Status, ...]] = {
    Outcome.RESTARTED: (Status.RESTARTED,),
    Outcome.NOT_RESTARTED: (Status.NOT_RESTARTED, Status.REJECTED, Status.UNSUPPORTED, Status.UNDELIVERED),
    Outcome.LOST: (Status.LOST,),
    Outcome.REFUSED: (Status.REFUSED,),
    Outcome.EXPIRED: (Status.EXPIRED,),
    Outcome.CANCELLED: (Status.CANCELLED,),
}


@dataclass(frozen=True, slots=True)
class RestartFilter:
    """Which restarts. Nothing given leaves all of them.

    Attributes:
        ended: whether there is a verdict.
        verdicts: one of these.
        since: requested then or later.
        before: requested earlier.
    """

    charger_id: str | None = None
    group_id: str | None = None
    requested_by: str | None = None
    ended: bool | None = None
    verdicts: tuple[Outcome, ...] = ()
    since: datetime | None = None
    before: datetime | None = None


_MATCHING = """
    select c.charger_id, c.model, coalesce(lower(c.site), '') as site, lower(c.label) as label
    from chargers c left join groups g using (group_id)
    where c.group_id = any(cast(:group_ids as text[]))
        and (:model = '' or c.model = :model)
        and (:q = '' or strpos(lower(concat_ws(' ', c.label, c.charger_id, c.model, c.site, g.name)), lower(:q)) > 0)
"""
_STATED = """
    select m.*, coalesce(s.state, 'never_connected') as state
    from matching m left join charger_states s using (charger_id)
"""

_ATTENTION = f"state in ({', '.join(repr(state.value) for state in ATTENTION)})"
_KEYS = {
    ChargerSort.LABEL: "''",
    ChargerSort.MODEL: "lower(model)",
    ChargerSort.SITE: "site",
    ChargerSort.ATTENTION: f"case when {_ATTENTION} then '0' else '1' end",
}

_RESTARTS = text("""
    select a.attempt_id, c.label, a.requested_at
    from attempts a left join chargers c using (charger_id)
    where coalesce(c.group_id, a.group_id) = any(cast(:group_ids as text[]))
        and (cast(:charger_id as text) is null or a.charger_id = :charger_id)
        and (cast(:requested_by as text) is null or a.requested_by = :requested_by)
        and (cast(:ended as bool) is null or a.ended = :ended)
        and (cast(:statuses as text[]) is null or a.status = any(:statuses))
        and (cast(:since as timestamptz) is null or a.requested_at >= :since)
        and (cast(:before as timestamptz) is null or a.requested_at < :before)
        and (cast(:after_at as timestamptz) is null
            or (a.requested_at, a.attempt_id) < (:after_at, cast(:after_id as uuid)))
    order by a.requested_at desc, a.attempt_id desc limit :limit
""")


async def chargers(
    connection: AsyncConnection, group_ids: Sequence[str], wanted: ChargerFilter, *, after: str = "", limit: int
) -> tuple[list[str], str | None, int]:
    """The ids of the groups' chargers that are wanted, at most `limit`, behind the page that said `after`; what the
    next page's `after` is, if there is one; and how many there are on all pages.

    Raises Problem (422) for an `after` that no page has said.
    """
    parameters: dict[str, Any] = {
        "group_ids": _of(group_ids, wanted.group_id),
        "model": wanted.model or "",
        "q": wanted.q.strip(),
        "limit": limit + 1,
    }
    conditions = []
    if wanted.states:
        conditions.append("state = any(cast(:states as text[]))")
        parameters["states"] = [state.value for state in wanted.states]
    if wanted.attention is not None:
        conditions.append(_ATTENTION if wanted.attention else f"not {_ATTENTION}")
    by_state = bool(conditions) or wanted.sort is ChargerSort.ATTENTION
    behind = "true"
    if after:
        behind = "(key, label, charger_id) > (:key, :label, :charger_id)"
        parameters |= dict(zip(("key", "label", "charger_id"), _parts(after, 3), strict=True))
    statement = f"""
        with matching as ({_MATCHING}),
            stated as ({_STATED if by_state else "select * from matching"}),
            wanted as materialized (
                select {_KEYS[wanted.sort]} as key, label, charger_id from stated
                where {" and ".join(conditions) or "true"})
        select (select count(*) from wanted), page.key, page.label, page.charger_id
        from (select true) one left join lateral (
            select * from wanted where {behind} order by key, label, charger_id limit :limit) page on true
    """  # noqa: S608 built of constants; what people type is a parameter
    found = (await connection.execute(text(statement), parameters)).all()
    rows = [row for row in found if row[3] is not None]
    more = len(rows) > limit
    following = _cursor(*rows[limit - 1][1:]) if more else None
    return [row[3] for row in rows[:limit]], following, found[0][0]


async def restarts(
    connection: AsyncConnection, group_ids: Sequence[str], wanted: RestartFilter, *, after: str = "", limit: int
) -> tuple[dict[UUID, str | None], str | None]:
    """The ids of the groups' restarts that are wanted, with their chargers' labels, the latest first, at most `limit`,
    behind the page that said `after`; and what the next page's `after` is, if there is one.

    Raises Problem (422) for an `after` that no page has said.
    """
    statuses = [status.value for outcome in wanted.verdicts for status in STATUSES_OF[outcome]]
    after_at, after_id = _moment(after) if after else (None, None)
    found = await connection.execute(
        _RESTARTS,
        {
            "group_ids": _of(group_ids, wanted.group_id),
            "charger_id": wanted.charger_id,
            "requested_by": wanted.requested_by,
            "ended": wanted.ended,
            "statuses": statuses if wanted.verdicts else None,
            "since": wanted.since,
            "before": wanted.before,
            "after_at": after_at,
            "after_id": after_id,
            "limit": limit + 1,
        },
    )
    rows = found.all()
    more, rows = len(rows) > limit, rows[:limit]
    return {row[0]: row[1] for row in rows}, _cursor(rows[-1][2].isoformat(), str(rows[-1][0])) if more else None


def _of(group_ids: Sequence[str], wanted: str | None) -> list[str]:
    return [each for each in group_ids if wanted in (None, each)]


def _cursor(*parts: str) -> str:
    """Where a page ended, as text that may stand in an address."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def _parts(cursor: str, count: int) -> list[str]:
    """Raises Problem (422) when it is no cursor of ours."""
    try:
        parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise _no_cursor() from error
    if not isinstance(parts, list) or len(parts) != count or not all(isinstance(part, str) for part in parts):
        raise _no_cursor()
    if any("\0" in part for part in parts):
        raise _no_cursor()
    return parts


def _moment(cursor: str) -> tuple[datetime, UUID]:
    at, attempt_id = _parts(cursor, 2)
    try:
        moment, identity = datetime.fromisoformat(at), UUID(attempt_id)
    except ValueError as error:
        raise _no_cursor() from error
    if moment.tzinfo is None:
        raise _no_cursor()
    return moment, identity


def _no_cursor() -> Problem:
    why = "it is not what a page of this list gave as `next`"
    errors = [{"field": "query.after", "detail": why, "code": "cursor"}]
    return Problem(422, f"These fields are missing or wrong: query.after ({why})", errors=errors)
