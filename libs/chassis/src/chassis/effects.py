"""What a decision causes, written in one round trip in the caller's transaction: messages and timers."""

from collections.abc import Sequence
from typing import Any

from chassis import database, outbox, timers
from chassis.database import Work
from chassis.outbox import Outbox
from chassis.statements import Part, Write
from chassis.timers import DEFAULT, Alarm, Timers
from contracts.envelope import Envelope
from contracts.topics import Topic

_FORGOTTEN = Part(tables=(("forgotten", timers.forgetting(1, 2)),))
_ARMED = Part(tables=(("armed", timers.arming(1, 2)),))
_ADDED = Part(
    tables=(("added", outbox.INSERT),),
    columns=("array(select id from added order by id) as added", f"{outbox.STANDING} as standing"),
)


async def write(
    session: Work,
    *,
    to: Outbox,
    messages: Sequence[tuple[Topic, Envelope[Any]]],
    by: Timers,
    alarms: Sequence[Alarm],
    settled: Sequence[str] = (),
    also: Sequence[Write] = (),
    name: str = DEFAULT,
) -> None:
    """`Outbox.add_all`, `Timers.arm_many` and `Timers.forget` at once; each keeps its own promises.

    `also`: what else the caller writes, in the same statement.
    """
    if not (messages or alarms or settled or also):
        return
    written = outbox.records(messages)
    caused = list(also)
    if settled:
        caused.append(Write(_FORGOTTEN, (name, list(settled))))
    if alarms:
        caused.append(Write(_ARMED, (name, *timers.columns(alarms, name))))
    if written:
        caused.append(Write(_ADDED, outbox.columns(written)))
    row = await database.write(session, caused)
    if written:
        await to.added(session, written, row["added"], row["standing"])
    if alarms:
        by.armed(session, alarms)
