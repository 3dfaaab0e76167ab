"""From the click to the verdict, through every service, on real Kafka, PostgreSQL and websockets."""

import asyncio
from datetime import datetime
from uuid import uuid4

import pytest
from running_system import HEARD_WITHIN_S

from chassis.testing import eventually


def reached(attempt):
    steps = [step for step in attempt["timeline"] if step["at"] is not None]
    return [step["step"] for step in sorted(steps, key=lambda step: datetime.fromisoformat(step["at"]))]


async def test_a_1_6_charger_restarts_and_the_verdict_is_sure(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        attempt = await admin.restart(charger.identity)
        assert reached(attempt) == ["requested", "sent", "accepted", "gone", "back", "healthy"]
        verdict = attempt["verdict"]
        assert (verdict["verdict"], verdict["confidence"], verdict["health"]) == ("restarted", "high", "ok")
        assert {"accepted", "disconnected", "boot"} <= {each["kind"] for each in attempt["evidence"]}
        assert charger.facts.restarts == 1
        assert len(charger.facts.resets) == 1


async def test_a_2_0_1_charger_that_says_why_it_booted_is_proof(system):
    async with system.charger("says-remote-reset", "ocpp2.0.1") as charger, system.person() as admin:
        await admin.available(charger.identity)
        attempt = await admin.restart(charger.identity)
        assert (attempt["verdict"]["verdict"], attempt["verdict"]["confidence"]) == ("restarted", "proven")
        assert charger.facts.restarts == 1


async def test_a_2_1_charger_restarts(system):
    async with system.charger(protocol="ocpp2.1") as charger, system.person() as admin:
        await admin.available(charger.identity)
        assert (await admin.restart(charger.identity))["verdict"]["verdict"] == "restarted"
        assert charger.facts.restarts == 1


@pytest.mark.parametrize(
    ("personality", "verdict", "cause"),
    [
        ("accepts-and-ignores", "not_restarted", "ignored"),
        ("rejects", "not_restarted", "rejected"),
        ("not-implemented", "not_restarted", "unsupported"),
        ("blip", "not_restarted", "blip"),
        ("never-returns", "lost", None),
    ],
)
async def test_a_charger_that_does_not_restart_is_found_out(system, personality, verdict, cause):
    async with system.charger(personality) as charger, system.person() as admin:
        await admin.available(charger.identity)
        attempt = await admin.restart(charger.identity)
        assert (attempt["verdict"]["verdict"], attempt["verdict"]["cause"]) == (verdict, cause)
        assert charger.facts.restarts == 0
        assert len(charger.facts.resets) == 1


async def test_a_charger_that_restarts_without_answering_is_probably_restarted(system):
    async with system.charger("never-answers-but-restarts") as charger, system.person() as admin:
        await admin.available(charger.identity)
        attempt = await admin.restart(charger.identity)
        assert (attempt["verdict"]["verdict"], attempt["verdict"]["confidence"]) == ("restarted", "medium")
        assert attempt["verdict"]["missing"] == ["answer"]


@pytest.mark.parametrize(
    ("user", "group", "model", "reason"),
    [
        ("harbour-user", "harbour", "Commander 2", "role"),
        ("depot-admin", "depot", "Commander 2", "plan"),
        ("harbour-admin", "harbour", "Pulsar Plus", "model"),
    ],
)
async def test_a_refusal_names_its_reason_and_nothing_is_sent(system, user, group, model, reason):
    async with system.charger(group=group, model=model) as charger, system.person(user) as person:

        async def blocked():
            shown = await person.charger(charger.identity)
            # All of it: charger, session, plan and role are told on different topics.
            assert shown["online"]
            assert not shown["restart"]["available"]
            assert [block["reason"] for block in shown["restart"]["blocked_by"]] == [reason]

        await eventually(blocked, within=HEARD_WITHIN_S)
        attempt = await person.restart(charger.identity)
        assert attempt["verdict"]["verdict"] == "refused"
        assert [refusal["reason"] for refusal in attempt["refusals"]] == [reason]
        assert charger.facts.resets == []


async def test_an_offline_charger_is_refused(system):
    charger_id = await system.add_charger()
    async with system.person() as admin:

        async def known():
            answer = await admin.http.get(f"/api/v1/chargers/{charger_id}")
            assert answer.status_code == 200

        await eventually(known, within=HEARD_WITHIN_S)
        await system.orchestrator_heard("select from restart_orchestrator.chargers where charger_id = $1", charger_id)
        attempt = await admin.restart(charger_id)
        assert [refusal["reason"] for refusal in attempt["refusals"]] == ["offline"]


async def test_a_second_request_while_one_is_open_is_answered_with_it(system):
    async with system.charger("slow") as charger, system.person() as admin, system.person("harbour-super") as other:
        await admin.available(charger.identity)
        key = str(uuid4())
        first = await admin.ask(charger.identity, key)
        assert (await admin.ask(charger.identity, key))["attempt_id"] == first["attempt_id"]

        async def open_one():
            assert (await other.charger(charger.identity))["open_attempt"] is not None

        await eventually(open_one, within=HEARD_WITHIN_S)
        second = await other.ask(charger.identity)
        assert second["attempt_id"] == first["attempt_id"]
        assert second["already_restarting"]
        await admin.ended(first["attempt_id"])
        assert len(charger.facts.resets) == 1


async def test_two_administrators_at_the_same_moment_send_one_reset(system):
    async with system.charger() as charger, system.person() as one, system.person("harbour-super") as two:
        await one.available(charger.identity)
        answers = await asyncio.gather(one.ask(charger.identity), two.ask(charger.identity))
        ended = [await one.ended(answer["attempt_id"]) for answer in answers]
        verdicts = sorted(attempt["verdict"]["verdict"] for attempt in ended)
        same = len({attempt["attempt_id"] for attempt in ended}) == 1
        assert verdicts == (["restarted", "restarted"] if same else ["refused", "restarted"])
        assert len(charger.facts.resets) == 1


async def test_a_charging_vehicle_is_not_interrupted_without_consent(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        await charger.start_transaction(1)

        async def charging():
            assert (await admin.charger(charger.identity))["transactions"]

        await eventually(charging, within=HEARD_WITHIN_S)
        running = "select from restart_orchestrator.transactions where charger_id = $1 and not ended"
        await system.orchestrator_heard(running, charger.identity)
        refused = await admin.restart(charger.identity)
        assert [refusal["reason"] for refusal in refused["refusals"]] == ["charging"]
        assert charger.facts.resets == []
        attempt = await admin.restart(charger.identity, interrupt_charging=True)
        assert attempt["verdict"]["verdict"] == "restarted"
