"""What a decision causes, written in one round trip in the caller's transaction: messages and timers."""

from collections.abc import Sequence
from typing import Any

from chassis import outbox, timers
from chassis.database import Work, fetch
from chassis.outbox import Outbox
from chassis.timers import DEFAULT, Alarm, Timers
from contracts.envelope import Envelope
from contracts.topics import Topic

_ALL = (
    f"with forgotten as ({timers.forgetting(5, 6)}), armed as ({timers.arming(5, 7)}), added as ({outbox.INSERT}) "  # noqa: S608 constants
    f"select array(select id from added order by id) as added, {outbox.STANDING} as standing"
)


async def write(
    session: Work,
    *,
    to: Outbox,
    messages: Sequence[tuple[Topic, Envelope[Any]]],
    by: Timers,
    alarms: Sequence[Alarm],
    settled: Sequence[str] = (),
    name: str = DEFAULT,
) -> None:
    """`Outbox.add_all`, `Timers.arm_many` and `Timers.forget` at once; each keeps its own promises."""
    if not (messages or alarms or settled):
        return
    written = outbox.records(messages)
    (row,) = await fetch(session, _ALL, *outbox.columns(written), name, list(settled), *timers.columns(alarms, name))
    if written:
        await to.added(session, written, row["added"], row["standing"])
    if alarms:
        by.armed(session, alarms)
