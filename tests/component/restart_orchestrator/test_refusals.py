"""What a request is refused for, from what other services said, on a real database."""

from contracts import ocpp, topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.fleet import ChargerRemoved
from contracts.restart import RefusalReason, Status
from contracts.words import Plan, Role

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7


async def refused(orchestrator, **changes):
    attempt = await orchestrator.ask(**changes)
    (move,) = await orchestrator.moves(attempt)
    assert move.status is Status.REFUSED
    assert await orchestrator.resets() == []
    return {refusal.reason: refusal.params for refusal in move.refusals}


async def test_a_stranger_is_refused(orchestrator):
    assert set(await refused(orchestrator, by="grace")) == {RefusalReason.NOT_A_MEMBER}


async def test_a_member_who_is_no_longer_one_is_refused(orchestrator):
    await orchestrator.hear(topics.AUTH_MEMBERSHIPS, MembershipEnded(group_id=GROUP, user_id=PERSON))
    assert set(await refused(orchestrator)) == {RefusalReason.NOT_A_MEMBER}


async def test_a_mere_user_is_refused(orchestrator):
    await orchestrator.hear(
        topics.AUTH_MEMBERSHIPS,
        MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=Role.USER, version=2),
    )
    assert await refused(orchestrator) == {RefusalReason.ROLE: {"role": "user"}}


async def test_a_plan_without_the_feature_refuses(orchestrator):
    await orchestrator.hear(
        topics.BILLING_PLANS, PlanSet(group_id=GROUP, plan=Plan.BASIC, features=frozenset(), version=2)
    )
    assert await refused(orchestrator) == {RefusalReason.PLAN: {"plan": "basic"}}


async def test_a_pulsar_cannot_be_restarted(start):
    orchestrator = await start()
    await orchestrator.introduce(model="Pulsar")
    await orchestrator.connect()
    assert await refused(orchestrator) == {RefusalReason.MODEL: {"model": "Pulsar"}}


async def test_an_offline_charger_cannot_be_restarted_now(orchestrator):
    await orchestrator.disconnect()
    since = orchestrator.clock.now().isoformat()
    assert await refused(orchestrator) == {RefusalReason.OFFLINE: {"since": since}}


async def test_a_charging_charger_is_not_interrupted(orchestrator):
    await orchestrator.begin_charging()
    assert await refused(orchestrator) == {RefusalReason.CHARGING: {"connectors": "1"}}


async def test_a_charging_charger_is_interrupted_when_the_person_wants_it_so(orchestrator):
    await orchestrator.begin_charging()
    attempt = await orchestrator.ask(interrupt_charging=True)
    assert await orchestrator.statuses(attempt) == [Status.DISPATCHING]


async def test_a_firmware_update_is_not_interrupted(orchestrator):
    updating = ocpp.FirmwareStatusReported(charger_id=CHARGER, epoch=SESSION, status="Installing", updating=True)
    await orchestrator.hear(topics.OCPP_OBSERVATIONS, updating)
    assert set(await refused(orchestrator)) == {RefusalReason.UPDATING_FIRMWARE}


async def test_an_unknown_charger_is_refused_for_all_that_is_not_known_of_it(orchestrator):
    assert set(await refused(orchestrator, charger="NOBODY-KNOWS-IT")) == {
        RefusalReason.NOT_A_MEMBER,
        RefusalReason.PLAN,
        RefusalReason.MODEL,
        RefusalReason.OFFLINE,
    }


async def test_a_charger_that_was_removed_is_unknown(orchestrator):
    await orchestrator.hear(topics.FLEET_CHARGERS, ChargerRemoved(charger_id=CHARGER))
    assert RefusalReason.NOT_A_MEMBER in await refused(orchestrator)
