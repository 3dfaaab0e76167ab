"""Each charger's state, kept beside the views so that lists find by it: worked out of six tables for thousands of
chargers at every request, it would cost more than all the rest of a list.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from chassis.database import Database, Work, fetch
from chassis.timers import Alarm, Timer, Timers
from contracts.envelope import Envelope, Message
from contracts.ocpp import FirmwareStatusReported
from portal import feed
from portal.feed import Kind, Pointer

TIMER = "firmware"
"""The timers that go off when a firmware update is not believed in any longer."""

_WORKED_OUT = """
    select m.charger_id, f.updating_until, case
        when o.status not in ('queued', 'awaiting_idle') then 'restarting'
        when k.online is null then 'never_connected'
        when not k.online then case when l.status = 'lost' then 'lost' else 'offline' end
        when f.updating_until is not null then 'updating_firmware'
        when n.faulted then 'faulted'
        when t.charger_id is not null then 'charging'
        when n.charger_id is null then 'connected'
        when n.available then 'available'
        when n.occupied then 'occupied'
        when n.reserved then 'reserved'
        else 'unavailable' end as state
    from {chargers}
        left join connectivity k using (charger_id)
        left join lateral (select said_at + $1::interval as updating_until from firmware_updates
            where charger_id = m.charger_id and updating and said_at + $1::interval > greatest(now(), $2::timestamptz)
        ) f on true
        left join lateral (select min(charger_id) as charger_id, bool_or(state = 'faulted') as faulted,
                coalesce(bool_or(state = 'available') filter (where evse_id > 0 or connector_id > 0),
                    bool_or(state = 'available')) as available,
                coalesce(bool_or(state = 'occupied') filter (where evse_id > 0 or connector_id > 0),
                    bool_or(state = 'occupied')) as occupied,
                coalesce(bool_or(state = 'reserved') filter (where evse_id > 0 or connector_id > 0),
                    bool_or(state = 'reserved')) as reserved
            from connectors where charger_id = m.charger_id) n on true
        left join lateral (select charger_id from transactions
            where charger_id = m.charger_id and ended_at is null limit 1) t on true
        left join lateral (select status from attempts
            where charger_id = m.charger_id and not ended order by requested_at desc limit 1) o on true
        left join lateral (select status from attempts
            where charger_id = m.charger_id and ended and answered_by is null
            order by requested_at desc limit 1) l on true
"""
"""A charger's state in one word, as present.py tells it of a single one. $1: for how long a firmware update is believed
in of which nothing more is heard; $2: it is at least this late.
"""
_KEEP = f"""
    insert into charger_states as kept (charger_id, updating_until, state)
    {_WORKED_OUT.format(chargers="unnest($3::text[]) as m (charger_id)")}
    on conflict (charger_id) do update set updating_until = excluded.updating_until, state = excluded.state
        where (kept.updating_until, kept.state) is distinct from (excluded.updating_until, excluded.state)
"""
_DIFFERING = f"""
    select w.charger_id
    from ({_WORKED_OUT.format(chargers="chargers m")}) w left join charger_states s using (charger_id)
    where (s.updating_until, s.state) is distinct from (w.updating_until, w.state)
"""  # noqa: S608 a constant
_UPDATING = """
    select charger_id, updating_until from charger_states
    where updating_until is not null and ($1::text[] is null or charger_id = any($1))
"""


class States:
    """Keeps the states right, in the transactions that change what they are worked out of.

    Args:
        silence: how long a firmware update is believed in of which nothing more is heard; as the orchestrator does.
        timers: what tells when that is over.
        feed_rows: how long the feed is.
    """

    def __init__(self, *, silence: timedelta, timers: Timers, feed_rows: int) -> None:
        self._silence = silence
        self._timers = timers
        self._feed_rows = feed_rows

    async def follow(self, session: Work, messages: Iterable[Envelope[Message]], changes: Iterable[Pointer]) -> None:
        """Keeps the states of what has changed. The session holds the feed's lock, so nobody else is changing them,
        and what others have committed of other topics is seen.
        """
        changed = {each.charger_id for each in changes if each.kind is Kind.CHARGER and each.charger_id}
        if changed:
            await self._keep(session, changed)
        news = {each.data.charger_id for each in messages if isinstance(each.data, FirmwareStatusReported)}
        if news:
            await self._expect_silence(session, news)

    async def on_silence(self, session: Work, timer: Timer) -> None:
        """Nothing more was heard of a firmware update for so long that it is over, or was heard after all."""
        await feed.append(session, [Pointer(Kind.CHARGER, charger_id=timer.key)], keep=self._feed_rows)
        await self._keep(session, [timer.key], at_least=timer.due)
        await self._expect_silence(session, [timer.key])

    async def start(self, database: Database) -> None:
        """Puts right what differs: an older version of this service may have run in between."""
        async with database.begin() as session:
            await put_right(session, self._silence)
            await self._expect_silence(session, None)

    async def _keep(self, session: Work, charger_ids: Collection[str], *, at_least: datetime | None = None) -> None:
        await fetch(session, _KEEP, self._silence, at_least, sorted(charger_ids))

    async def _expect_silence(self, session: Work, charger_ids: Collection[str] | None) -> None:
        """Arms a timer for each of these chargers, or of all, that is believed to be updating its firmware."""
        rows = await fetch(session, _UPDATING, None if charger_ids is None else list(charger_ids))
        alarms = [Alarm(row["charger_id"], row["updating_until"], {}) for row in rows]
        await self._timers.arm_many(session, alarms, name=TIMER)


async def put_right(session: Work, silence: timedelta) -> None:
    """Works out every charger's state anew, and keeps what differs."""
    differing = [row["charger_id"] for row in await fetch(session, _DIFFERING, silence, None)]
    if differing:
        await feed.lock(session)
        await fetch(session, _KEEP, silence, None, differing)
