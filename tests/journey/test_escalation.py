"""A group may allow a hard Reset after a soft one that brought nothing; another group's charger gets the soft one alone."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from running_system import HEARD_WITHIN_S

from chassis.testing import eventually
from contracts.topics import OCPP_ANSWERS
from simulator.personalities import Restarting

ALLOWING = "quay"


@dataclass(kw_only=True)
class ObeysOnlyForce(Restarting):
    """Promises to restart softly and does nothing; restarts when it is told to do so hard."""

    async def reset(self, charger, reset):
        if reset.kind == "Soft":
            await reset.answer("Accepted")
        else:
            await super().reset(charger, reset)


def allow(system):
    with system.operator() as operator:
        operator.put(f"/api/v1/groups/{ALLOWING}", {"name": "Quay"})
        operator.put_once_known(f"/api/v1/groups/{ALLOWING}/plan", {"plan": "business"})
        operator.put_once_known(f"/api/v1/groups/{ALLOWING}/members/harbour-admin", {"role": "administrator"})
        operator.put_once_known(f"/api/v1/groups/{ALLOWING}/restart-policy", {"escalation": "soft_then_hard"})


@asynccontextmanager
async def stubborn(system, admin, group):
    async with system.charger(ObeysOnlyForce(), group=group) as charger:
        await admin.available(charger.identity)
        yield charger


async def frames(system, charger, attempt_id):
    """The Resets of the attempt that were written, as the bridge told of them, in their order."""
    told = await system.events(OCPP_ANSWERS, charger.identity, attempt_id)
    return [(event.get("escalation", 0), event["message_id"]) for event in told if "sent_at" in event]


async def test_a_charger_that_ignores_the_soft_reset_is_told_hard_where_its_group_allows_that_and_only_there(system):
    await asyncio.to_thread(allow, system)
    allowed = """
        select from restart_orchestrator.restart_policies join restart_orchestrator.plans using (group_id)
               join restart_orchestrator.memberships using (group_id)
         where group_id = $1 and escalation = 'soft_then_hard' and plan = 'business' and user_id = 'harbour-admin'
    """
    await system.orchestrator_heard(allowed, ALLOWING)
    async with (
        system.person() as admin,
        stubborn(system, admin, ALLOWING) as allowed,
        stubborn(system, admin, "harbour") as other,
    ):
        escalated, left_alone = await asyncio.gather(admin.restart(allowed.identity), admin.restart(other.identity))

        assert (escalated["verdict"]["verdict"], escalated["verdict"]["health"]) == ("restarted", "ok")
        assert [reset.kind for reset in allowed.facts.resets] == ["Soft", "Hard"]
        assert allowed.facts.restarts == 1
        soft, hard = await frames(system, allowed, escalated["attempt_id"])
        assert [soft[0], hard[0]] == [0, 1]
        assert [soft[1], hard[1]] == [reset.message_id for reset in allowed.facts.resets]
        story = [each["kind"] for each in escalated["evidence"]]
        assert story.count("sent") == story.count("accepted") == 2
        assert story.index("boot") > max(at for at, kind in enumerate(story) if kind == "sent")

        assert (left_alone["verdict"]["verdict"], left_alone["verdict"]["cause"]) == ("not_restarted", "ignored")
        assert [reset.kind for reset in other.facts.resets] == ["Soft"]
        assert len(await frames(system, other, left_alone["attempt_id"])) == 1

        async def free_again():
            for charger in (allowed, other):
                assert (await admin.charger(charger.identity))["open_attempt"] is None

        await eventually(free_again, within=HEARD_WITHIN_S)
