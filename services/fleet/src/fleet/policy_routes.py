"""Fleet's HTTP API about a group's restart policy: its members read it, its super-administrators change it."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from chassis.database import Database
from chassis.http import CurrentPerson, Problem, current_person
from chassis.memberships import Rights
from chassis.rights import MANAGING_ROLES
from contracts.fleet import Escalation
from contracts.words import GroupId
from fleet.policies import Policies, RestartPolicy, UnknownGroupError


class PolicyWanted(BaseModel):
    """What a group shall allow. Without `escalations_per_day` that stays as it is."""

    model_config = ConfigDict(extra="forbid")

    escalation: Escalation
    escalations_per_day: Annotated[int, Field(ge=1, le=24)] | None = None


class PolicyShown(BaseModel):
    """What a group allows when a soft restart was ignored or rejected.

    `escalations_per_day` bounds the harder restarts of one charger in any 24 hours.
    """

    group_id: GroupId
    escalation: Escalation
    escalations_per_day: int

    @classmethod
    def of(cls, policy: RestartPolicy) -> "PolicyShown":
        return cls(
            group_id=policy.group_id,
            escalation=policy.escalation,
            escalations_per_day=policy.escalations_per_day,
        )


def policy_routes(database: Database, policies: Policies, rights: Rights) -> APIRouter:
    """The routes, over these parts."""
    routes = APIRouter(prefix="/api/v1", dependencies=[Depends(current_person)], tags=["fleet"])

    @routes.get("/groups/{group_id}/restart-policy")
    async def show_restart_policy(group_id: GroupId, person: CurrentPerson) -> PolicyShown:
        """What the group allows when a soft restart brings nothing."""
        async with database.begin() as session:
            await rights.require(session, person, group_id)
            try:
                return PolicyShown.of(await policies.of(session, group_id))
            except UnknownGroupError as error:
                raise _not_found(error) from error

    @routes.put("/groups/{group_id}/restart-policy")
    async def set_restart_policy(group_id: GroupId, body: PolicyWanted, person: CurrentPerson) -> PolicyShown:
        """Allows or forbids a hard restart after a soft one that brought nothing. The same again changes nothing."""
        async with database.begin() as session:
            await rights.require(session, person, group_id, MANAGING_ROLES)
            try:
                changed = await policies.set(session, group_id, body.escalation, body.escalations_per_day)
            except UnknownGroupError as error:
                raise _not_found(error) from error
        return PolicyShown.of(changed)

    return routes


def _not_found(error: UnknownGroupError) -> Problem:
    return Problem(404, f"{str(error)[0].upper()}{str(error)[1:]}")
