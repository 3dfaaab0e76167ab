"""Composes billing: settings, tables, what it reads and what it serves."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.group_plans import GroupPlans
from billing.plans import PlansUnreadableError, read_plans
from billing.projections import PROJECTIONS
from billing.routes import billing_routes
from billing.settings import Settings
from billing.tables import memberships, metadata
from chassis.app import CannotStartError, Service
from chassis.consumer import subscribe_batch
from chassis.memberships import Rights
from contracts import topics
from contracts.auth import GroupDefined
from contracts.envelope import Envelope


def build(settings: Settings | None = None) -> Service:
    """The service, ready to run. Raises CannotStartError."""
    settings = settings or Settings()
    try:
        offers = read_plans(settings.plans_file)
    except PlansUnreadableError as error:
        raise CannotStartError(str(error)) from error
    service = Service(topics.Service.BILLING.value, settings, metadata)
    group_plans = GroupPlans(offers, service.outbox, service.clock)
    known_groups, known_memberships = PROJECTIONS["groups"], PROJECTIONS["memberships"]

    async def on_groups(session: AsyncSession, envelopes: Sequence[Envelope[Any]]) -> None:
        await known_groups.apply(session, envelopes, known_groups.live)
        seen = [said.data.group_id for said in envelopes if isinstance(said.data, GroupDefined)]
        await group_plans.first_seen(session, seen)

    async def on_memberships(session: AsyncSession, envelopes: Sequence[Envelope[Any]]) -> None:
        await known_memberships.apply(session, envelopes, known_memberships.live)

    async def follow_offers() -> None:
        async with service.database.begin() as session:
            await group_plans.follow_offers(session)

    service.on_start(follow_offers)
    subscribe_batch(service, topics.AUTH_GROUPS, on_groups)
    subscribe_batch(service, topics.AUTH_MEMBERSHIPS, on_memberships)
    service.http.state.keyring = service.keyring
    service.http.include_router(billing_routes(service.database, group_plans, Rights(memberships)))
    return service
