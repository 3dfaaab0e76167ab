"""What a decision causes, written in one round trip in the caller's transaction: messages and timers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import outbox, timers
from chassis.outbox import Outbox
from chassis.timers import DEFAULT, Alarm, Timers
from contracts.envelope import Envelope
from contracts.topics import Topic

_BOTH = text(f"with armed as ({timers.ARM}) {outbox.INSERT}").bindparams(
    bindparam("dues", type_=ARRAY(DateTime(timezone=True)))
)


async def write(
    session: AsyncSession,
    *,
    to: Outbox,
    messages: Sequence[tuple[Topic, Envelope[Any]]],
    by: Timers,
    alarms: Sequence[Alarm],
    name: str = DEFAULT,
) -> None:
    """`Outbox.add_all` and `Timers.arm_many` at once; each keeps its own promises."""
    if not (messages and alarms):
        await to.add_all(session, messages)
        await by.arm_many(session, alarms, name=name)
        return
    await session.execute(_BOTH, outbox.rows(messages) | timers.rows(alarms, name))
    await to.added(session)
    by.armed(session, alarms)
