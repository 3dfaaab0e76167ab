"""Billing's HTTP API: the plans, and the plan of a group, for its members; super-administrators may change it."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from billing.group_plans import GroupPlan, GroupPlans, UnknownGroupError
from chassis.database import Database
from chassis.http import CurrentPerson, Problem, current_person
from chassis.memberships import Rights
from chassis.rights import MANAGING_ROLES
from contracts.words import GroupId, Plan


class PlanShown(BaseModel):
    """A plan and what it carries."""

    plan: Plan
    title: str
    features: list[str]


class PlanPage(BaseModel):
    """All plans."""

    items: list[PlanShown]


class PlanWanted(BaseModel):
    """The plan that the group is to have from now on."""

    model_config = ConfigDict(extra="forbid")

    plan: Plan


class GroupPlanShown(BaseModel):
    """The plan of a group and what it carries."""

    group_id: str
    plan: Plan
    features: list[str]

    @classmethod
    def of(cls, plan: GroupPlan) -> "GroupPlanShown":
        return cls(group_id=plan.group_id, plan=plan.plan, features=sorted(plan.features))


def billing_routes(database: Database, group_plans: GroupPlans, rights: Rights) -> APIRouter:
    """The routes, over these parts."""
    routes = APIRouter(prefix="/api/v1", dependencies=[Depends(current_person)], tags=["billing"])

    @routes.get("/plans")
    async def list_plans() -> PlanPage:
        """What each plan carries."""
        offers = group_plans.offers.values()
        return PlanPage(
            items=[PlanShown(plan=each.plan, title=each.title, features=sorted(each.features)) for each in offers]
        )

    @routes.get("/groups/{group_id}/plan")
    async def show_plan(group_id: GroupId, person: CurrentPerson) -> GroupPlanShown:
        """The plan of a group and what it carries."""
        async with database.begin() as session:
            await rights.require(session, person, group_id)
            try:
                return GroupPlanShown.of(await group_plans.of(session, group_id))
            except UnknownGroupError as error:
                raise _not_found(error) from error

    @routes.put("/groups/{group_id}/plan")
    async def set_plan(group_id: GroupId, body: PlanWanted, person: CurrentPerson) -> GroupPlanShown:
        """Gives the group this plan. Asking for the same again changes nothing."""
        async with database.begin() as session:
            await rights.require(session, person, group_id, MANAGING_ROLES)
            try:
                return GroupPlanShown.of(await group_plans.set(session, group_id, body.plan))
            except UnknownGroupError as error:
                raise _not_found(error) from error

    return routes


def _not_found(error: UnknownGroupError) -> Problem:
    return Problem(404, f"There is no group {error.group_id!r}; if it was created just now, try again in a moment")
