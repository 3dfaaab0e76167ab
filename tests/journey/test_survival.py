"""A service that is killed in the middle of a restart comes back, knows what it knew, and sends nothing twice."""

import os
import signal

import pytest

from chassis.testing import eventually

SERVICES = ["auth", "billing", "fleet", "restart-orchestrator", "portal"]


async def kill_and_come_back(system, service):
    """kill -9; the supervisor starts it again."""
    pid = system.process_of(service).pid
    os.kill(pid, signal.SIGKILL)
    await system.restarted(service, pid)


async def reset_arrived(charger):
    async def arrived():
        assert charger.facts.resets

    await eventually(arrived, within=60)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_killed_service_comes_back_and_knows_what_it_knew(system, service):
    async with system.charger() as charger:
        async with system.person() as admin:
            before = await admin.available(charger.identity)
        await kill_and_come_back(system, service)
        async with system.person(signs_in_again=True) as admin:
            after = await admin.available(charger.identity)
            assert after["label"] == before["label"]
            assert (await admin.restart(charger.identity))["verdict"]["verdict"] == "restarted"


async def test_a_restart_survives_the_death_of_the_orchestrator(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        asked = await admin.ask(charger.identity)
        await reset_arrived(charger)
        await kill_and_come_back(system, "restart-orchestrator")
        attempt = await admin.ended(asked["attempt_id"])
        assert attempt["verdict"]["verdict"] == "restarted"
        assert len(charger.facts.resets) == 1


async def test_a_restart_survives_the_death_of_the_bridge(system):
    """The charger is away when the bridge comes back; it boots on the new one."""
    async with system.charger("slow") as charger, system.person() as admin:
        await admin.available(charger.identity)
        asked = await admin.ask(charger.identity)
        await reset_arrived(charger)
        await kill_and_come_back(system, "ocpp-bridge")
        attempt = await admin.ended(asked["attempt_id"])
        assert len(charger.facts.resets) == 1
        assert (attempt["verdict"]["verdict"] == "restarted") == (charger.facts.restarts == 1)
