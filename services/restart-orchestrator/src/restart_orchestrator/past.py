"""What bears on a harder Reset: the group's policy and the charger's recent past, read only when one may follow."""

from dataclasses import replace
from datetime import datetime

from chassis.database import Work, fetch
from contracts.restart import Health
from restart_orchestrator.escalation import A_DAY
from restart_orchestrator.inputs import Past, Standing
from restart_orchestrator.states import Attempt

_BAD_ENDS = frozenset({Health.BOOT_LOOP.value, Health.UNSTABLE.value})
_PAST = """
    select p.per_day,
           (select b.booted_at from recent_boots b where b.charger_id = $2) as booted_at,
           array(select cast(e ->> 'at' as timestamptz)
                   from attempts a, jsonb_array_elements(a.state -> 'escalations') e
                  where a.charger_id = $2 and a.moved_at > $4) as escalated_at,
           (select a.state -> 'verdict' ->> 'health' from attempts a
             where a.charger_id = $2 and a.attempt_id <> $3 and a.state ? 'reset'
             order by a.moved_at desc limit 1) as last_health
      from restart_policies p
     where p.group_id = $1 and p.per_day > 0
"""


async def with_past(session: Work, attempt: Attempt, standing: Standing, now: datetime) -> Standing:
    """The standing, with what is against a harder Reset of this attempt; the charger's lock is held."""
    rows = await fetch(session, _PAST, standing.group_id, attempt.charger_id, attempt.attempt_id, now - A_DAY)
    if not rows:
        return standing
    row = rows[0]
    past = Past(
        per_day=row["per_day"],
        escalated_at=tuple(row["escalated_at"]),
        booted_at=tuple(row["booted_at"] or ()),
        ended_badly=row["last_health"] in _BAD_ENDS,
    )
    return replace(standing, past=past)
