"""What each group allows when a soft restart brings nothing; every change is written and said in one transaction."""

from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import Clock
from chassis.outbox import Outbox
from chassis.telemetry import current_traceparent
from contracts import topics
from contracts.envelope import Envelope, derived_id, service_source
from contracts.fleet import Escalation, RestartPolicySet
from fleet.tables import groups, restart_policies

SOURCE = service_source(topics.Service.FLEET)
_ORIGIN = uuid5(NAMESPACE_URL, f"{SOURCE}/restart-policies")
DEFAULT_PER_DAY = 2


class UnknownGroupError(Exception):
    """No group of this id has been heard of."""

    def __init__(self, group_id: str) -> None:
        super().__init__(f"there is no group {group_id!r}")


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """What one group allows; version 0 is that of a group that never said so."""

    group_id: str
    escalation: Escalation = Escalation.OFF
    escalations_per_day: int = DEFAULT_PER_DAY
    version: int = 0


class Policies:
    """Reads and changes the restart policies of groups, inside of the caller's transaction."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def of(self, session: AsyncSession, group_id: str) -> RestartPolicy:
        """The group's policy. Raises UnknownGroupError."""
        await self._require_group(session, group_id)
        found = await session.execute(select(restart_policies).where(restart_policies.c.group_id == group_id))
        row = found.one_or_none()
        if row is None:
            return RestartPolicy(group_id)
        return RestartPolicy(group_id, Escalation(row.escalation), row.escalations_per_day, row.version)

    async def set(
        self, session: AsyncSession, group_id: str, escalation: Escalation, escalations_per_day: int | None
    ) -> RestartPolicy:
        """Changes the policy; says so only when something changed. Raises UnknownGroupError.

        `escalations_per_day`: None leaves it as it is.
        """
        await self._require_group(session, group_id, lock=True)
        before = await self.of(session, group_id)
        per_day = before.escalations_per_day if escalations_per_day is None else escalations_per_day
        if (before.escalation, before.escalations_per_day) == (escalation, per_day):
            return before
        after = RestartPolicy(group_id, escalation, per_day, before.version + 1)
        now = self._clock.now()
        facts = {
            "escalation": escalation.value,
            "escalations_per_day": per_day,
            "version": after.version,
            "changed_at": now,
        }
        rows = insert(restart_policies).values(group_id=group_id, **facts)
        await session.execute(rows.on_conflict_do_update(index_elements=["group_id"], set_=facts))
        message = RestartPolicySet(
            group_id=group_id, escalation=escalation, escalations_per_day=per_day, version=after.version
        )
        said = Envelope(
            id=derived_id(_ORIGIN, f"{group_id}/{after.version}"),
            source=SOURCE,
            time=now,
            data=message,
            traceparent=current_traceparent(),
        )
        await self._outbox.add(session, topics.FLEET_RESTART_POLICIES, [said])
        return after

    async def _require_group(self, session: AsyncSession, group_id: str, *, lock: bool = False) -> None:
        """The lock is on the group: its policy may have no row yet, and two first changes must not meet."""
        query = select(groups.c.group_id).where(groups.c.group_id == group_id)
        found = await session.execute(query.with_for_update() if lock else query)
        if found.scalar_one_or_none() is None:
            raise UnknownGroupError(group_id)
