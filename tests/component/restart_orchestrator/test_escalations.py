"""A harder Reset on a real database: what the policy of the group allows, by what the charger's past is."""

from uuid import uuid4

import pytest

from contracts import ocpp, topics
from contracts.auth import MembershipEnded
from contracts.billing import PlanSet
from contracts.fleet import Escalation, RestartPolicySet
from contracts.restart import Cause, Health, Status
from contracts.words import Plan

CHARGER, GROUP, PERSON, SESSION = "CHARGER-1", "harbour", "ada", 7


@pytest.fixture
async def allowed(orchestrator):
    """An orchestrator that knows that the group allows one harder Reset a day."""
    await allow(orchestrator)
    return orchestrator


async def allow(orchestrator, escalation: Escalation = Escalation.SOFT_THEN_HARD, version: int = 1) -> None:
    policy = RestartPolicySet(group_id=GROUP, escalation=escalation, escalations_per_day=1, version=version)
    await orchestrator.hear(topics.FLEET_RESTART_POLICIES, policy)


async def reject(orchestrator, attempt, escalation: int = 0) -> None:
    await orchestrator.answer(
        attempt,
        ocpp.ResetRejected,
        answer_epoch=SESSION,
        answered_at=orchestrator.clock.now(),
        escalation=escalation,
        frame='[3,"x",{"status":"Rejected"}]',
    )


async def test_a_rejected_reset_is_followed_by_a_hard_one(allowed):
    attempt = await allowed.ask()
    await allowed.send(attempt)
    await reject(allowed, attempt)
    soft, hard = await allowed.resets()
    assert (soft.strength, soft.escalation) == ("auto", 0)
    assert (hard.strength, hard.escalation, hard.attempt_id) == ("hard", 1, attempt)
    last = (await allowed.moves(attempt))[-1]
    assert (last.status, [one.after for one in last.escalations]) == (Status.DISPATCHING, ["rejected"])
    assert last.new_evidence[0].frame == '[3,"x",{"status":"Rejected"}]'


async def test_an_ignored_reset_is_followed_by_a_hard_one_and_its_verdict_is_the_end(allowed):
    attempt = await allowed.ask()
    await allowed.send(attempt)
    await allowed.accept(attempt)
    await allowed.pass_time(61)
    assert [reset.escalation for reset in await allowed.resets()] == [0, 1]
    await allowed.answer(attempt, ocpp.ResetSent, sent_at=allowed.clock.now(), frame="[2]", escalation=1)
    await allowed.disconnect(after=5)
    await allowed.connect(SESSION + 1, after=20)
    await allowed.boot(SESSION + 1, after=1)
    await allowed.pass_time(61)
    last = (await allowed.moves(attempt))[-1]
    assert (last.status, [one.after for one in last.escalations]) == (Status.RESTARTED, ["ignored"])


async def test_a_group_that_never_said_so_allows_none(orchestrator):
    attempt = await orchestrator.ask()
    await orchestrator.send(attempt)
    await reject(orchestrator, attempt)
    assert len(await orchestrator.resets()) == 1
    assert (await orchestrator.moves(attempt))[-1].status is Status.REJECTED


async def test_a_group_that_forbids_it_again_allows_none(allowed):
    await allow(allowed, Escalation.OFF, version=2)
    attempt = await allowed.ask()
    await reject(allowed, attempt)
    assert len(await allowed.resets()) == 1


async def test_there_are_no_more_than_the_group_allows_a_day(allowed):
    for expected in (2, 3):  # the second attempt has its soft Reset only
        attempt = await allowed.ask()
        await reject(allowed, attempt)
        await reject(allowed, attempt, escalation=1)
        assert len(await allowed.resets()) == expected
    last = (await allowed.moves(attempt))[-1]
    assert last.verdict.params["not_escalated"] == "daily_limit"
    allowed.clock.advance(86_401)
    attempt = await allowed.ask()
    await reject(allowed, attempt)
    assert len(await allowed.resets()) == 5


async def test_rights_are_looked_at_again(allowed):
    attempt = await allowed.ask()
    await allowed.hear(topics.AUTH_MEMBERSHIPS, MembershipEnded(group_id=GROUP, user_id=PERSON))
    await reject(allowed, attempt)
    assert len(await allowed.resets()) == 1
    assert (await allowed.moves(attempt))[-1].verdict.params["not_escalated"] == "not_a_member"


async def test_the_plan_is_looked_at_again(allowed):
    attempt = await allowed.ask()
    lost = PlanSet(group_id=GROUP, plan=Plan.BASIC, features=frozenset(), version=2)
    await allowed.hear(topics.BILLING_PLANS, lost)
    await reject(allowed, attempt)
    assert (await allowed.moves(attempt))[-1].verdict.params["not_escalated"] == "plan"


async def test_a_charger_that_boots_all_the_time_is_left_alone(allowed):
    for session in (SESSION, SESSION + 1, SESSION + 2):
        await allowed.connect(session, after=60)
        await allowed.boot(session)
    attempt = await allowed.ask()
    await allowed.answer(attempt, ocpp.ResetRejected, answer_epoch=SESSION + 2, answered_at=allowed.clock.now())
    assert (await allowed.moves(attempt))[-1].verdict.params["not_escalated"] == "boot_loop"


async def test_a_charger_whose_last_restart_ended_badly_is_left_alone(allowed):
    attempt = await allowed.ask()
    await allowed.send(attempt)
    await allowed.accept(attempt)
    await allowed.disconnect(after=5)
    await allowed.connect(SESSION + 1, after=20)
    await allowed.boot(SESSION + 1)
    await allowed.disconnect(SESSION + 1, after=5)
    await allowed.connect(SESSION + 2, after=20)
    await allowed.pass_time(400)
    assert (await allowed.moves(attempt))[-1].verdict.health is Health.UNSTABLE
    allowed.clock.advance(7200)
    again = await allowed.ask()
    await allowed.answer(again, ocpp.ResetRejected, answer_epoch=SESSION + 2, answered_at=allowed.clock.now())
    last = (await allowed.moves(again))[-1]
    assert (last.verdict.cause, last.verdict.params["not_escalated"]) == (Cause.REJECTED, "boot_loop")


async def test_a_rejection_of_an_unknown_attempt_is_passed_over(allowed):
    await reject(allowed, uuid4())
    assert await allowed.resets() == []


async def test_a_rejection_that_is_read_again_sends_no_third(allowed):
    attempt = await allowed.ask()
    rejected = ocpp.ResetRejected(
        charger_id=CHARGER,
        attempt_id=attempt,
        epoch=SESSION,
        message_id=str(attempt),
        answer_epoch=SESSION,
        answered_at=allowed.clock.now(),
    )
    for _ in range(3):
        await allowed.hear(topics.OCPP_ANSWERS, rejected)
    assert [reset.escalation for reset in await allowed.resets()] == [0, 1]
