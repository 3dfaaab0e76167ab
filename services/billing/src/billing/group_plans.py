"""Which plan each group has: every change writes the row and what is said about it in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plans import PlanOffer
from billing.tables import groups, subscriptions
from chassis.clock import Clock
from chassis.outbox import Outbox
from chassis.telemetry import current_traceparent
from contracts import topics
from contracts.billing import PlanSet
from contracts.envelope import Envelope, derived_id, service_source
from contracts.words import Plan

SOURCE = service_source(topics.Service.BILLING)
_ORIGIN = uuid5(NAMESPACE_URL, SOURCE)


class UnknownGroupError(Exception):
    """No group of this id has been heard of."""

    def __init__(self, group_id: str) -> None:
        super().__init__(f"there is no group {group_id!r}")
        self.group_id = group_id


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The plan of one group."""

    group_id: str
    plan: Plan
    features: frozenset[str]
    version: int


class GroupPlans:
    """Reads and changes the plans of groups, inside of the caller's transaction."""

    def __init__(self, offers: Mapping[Plan, PlanOffer], outbox: Outbox, clock: Clock) -> None:
        self.offers = offers
        self._outbox = outbox
        self._clock = clock

    async def of(self, session: AsyncSession, group_id: str) -> GroupPlan:
        """The group's plan. Raises UnknownGroupError."""
        found = await self._stored(session, [group_id])
        if group_id not in found:
            raise UnknownGroupError(group_id)
        return found[group_id]

    async def set(self, session: AsyncSession, group_id: str, plan: Plan) -> GroupPlan:
        """Gives the group this plan; says so only when something changed. Raises UnknownGroupError."""
        if not await self._exists(session, group_id):
            raise UnknownGroupError(group_id)
        return (await self._change(session, [group_id], lambda _: plan))[group_id]

    async def first_seen(self, session: AsyncSession, group_ids: Sequence[str]) -> None:
        """Gives Basic to each of the groups that has no plan yet."""
        await self._change(session, group_ids, lambda current: current or Plan.BASIC)

    async def follow_offers(self, session: AsyncSession) -> None:
        """Says again what each group's plan carries, where the offers have changed since it was said."""
        group_ids = (await session.execute(select(subscriptions.c.group_id))).scalars().all()
        await self._change(session, group_ids, lambda current: current or Plan.BASIC)

    async def _change(
        self, session: AsyncSession, group_ids: Sequence[str], plan_for: Callable[[Plan | None], Plan]
    ) -> dict[str, GroupPlan]:
        before = await self._stored(session, group_ids, lock=True)
        after: dict[str, GroupPlan] = {}
        for group_id in sorted(set(group_ids)):
            current = before.get(group_id)
            plan = plan_for(current.plan if current else None)
            version = current.version if current else 0
            wanted = GroupPlan(group_id, plan, self.offers[plan].features, version)
            after[group_id] = wanted if wanted == current else GroupPlan(group_id, plan, wanted.features, version + 1)
        await self._record(session, [plan for plan in after.values() if plan != before.get(plan.group_id)])
        return after

    async def _record(self, session: AsyncSession, changed: Sequence[GroupPlan]) -> None:
        if not changed:
            return
        now = self._clock.now()
        rows = insert(subscriptions).values(
            [
                {
                    "group_id": plan.group_id,
                    "plan": plan.plan.value,
                    "features": sorted(plan.features),
                    "version": plan.version,
                    "changed_at": now,
                }
                for plan in changed
            ]
        )
        await session.execute(
            rows.on_conflict_do_update(
                index_elements=[subscriptions.c.group_id],
                set_={name: rows.excluded[name] for name in ("plan", "features", "version", "changed_at")},
            )
        )
        said = [
            PlanSet(group_id=plan.group_id, plan=plan.plan, features=plan.features, version=plan.version)
            for plan in changed
        ]
        await self._outbox.add(
            session,
            topics.BILLING_PLANS,
            [
                Envelope(
                    id=derived_id(_ORIGIN, f"{event.wire_type}/{event.key()}/{event.version}"),
                    source=SOURCE,
                    time=now,
                    data=event,
                    traceparent=current_traceparent(),
                )
                for event in said
            ],
        )

    async def _stored(
        self, session: AsyncSession, group_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, GroupPlan]:
        query = select(subscriptions).where(subscriptions.c.group_id.in_(group_ids)).order_by(subscriptions.c.group_id)
        found = await session.execute(query.with_for_update() if lock else query)
        return {
            row.group_id: GroupPlan(row.group_id, Plan(row.plan), frozenset(row.features), row.version) for row in found
        }

    async def _exists(self, session: AsyncSession, group_id: str) -> bool:
        found = await session.execute(select(groups.c.group_id).where(groups.c.group_id == group_id))
        return found.scalar_one_or_none() is not None
