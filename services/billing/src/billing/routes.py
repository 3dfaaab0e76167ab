"""Billing's HTTP API, for operators: the plans, and the plan of a group."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from billing.group_plans import GroupPlan, GroupPlans, UnknownGroupError
from chassis.database import Database
from chassis.http import Problem, require_operator
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


def billing_routes(database: Database, group_plans: GroupPlans) -> APIRouter:
    """The routes, over these parts."""
    routes = APIRouter(prefix="/api/v1", dependencies=[Depends(require_operator)], tags=["billing"])

    @routes.get("/plans")
    async def list_plans() -> PlanPage:
        offers = group_plans.offers.values()
        return PlanPage(
            items=[PlanShown(plan=each.plan, title=each.title, features=sorted(each.features)) for each in offers]
        )

    @routes.get("/groups/{group_id}/plan")
    async def show_plan(group_id: GroupId) -> GroupPlanShown:
        async with database.begin() as session:
            try:
                return GroupPlanShown.of(await group_plans.of(session, group_id))
            except UnknownGroupError as error:
                raise _not_found(error) from error

    @routes.put("/groups/{group_id}/plan")
    async def set_plan(group_id: GroupId, body: PlanWanted) -> GroupPlanShown:
        """Gives the group this plan. Asking for the same again changes nothing."""
        async with database.begin() as session:
            try:
                return GroupPlanShown.of(await group_plans.set(session, group_id, body.plan))
            except UnknownGroupError as error:
                raise _not_found(error) from error

    return routes


def _not_found(error: UnknownGroupError) -> Problem:
    return Problem(404, f"There is no group {error.group_id!r}; if it was created just now, try again in a moment")
