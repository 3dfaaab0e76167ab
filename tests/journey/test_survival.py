"""A service that is killed in the middle of a restart comes back, knows what it knew, and sends nothing twice."""

import os
import signal

import pytest

from chassis.testing import eventually

SERVICES = ["auth", "billing", "fleet", "restart-orchestrator", "portal"]


def kill(system, service):
    """kill -9; the supervisor starts it again."""
    pid = system.pid_of(service)
    os.kill(pid, signal.SIGKILL)
    return pid


async def back(system, service, old):
    async def again():
        try:
            pid = system.pid_of(service)
        except StopIteration:
            raise AssertionError(f"{service} is not back") from None
        assert pid != old

    await eventually(again, within=60)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_killed_service_comes_back_and_knows_what_it_knew(system, service):
    async with system.charger() as charger:
        async with system.person() as admin:
            before = await admin.available(charger.identity)
        old = kill(system, service)
        await back(system, service, old)

        async def works():
            async with system.person() as admin:
                after = await admin.charger(charger.identity)
                assert after["restart"]["available"]
                assert after["label"] == before["label"]

        await patiently(works)
        async with system.person() as admin:
            assert (await admin.restart(charger.identity))["verdict"]["verdict"] == "restarted"


async def patiently(works):
    """While a service starts, its neighbours answer 503 or not at all."""
    import httpx2

    async def check():
        try:
            await works()
        except httpx2.TransportError as error:
            raise AssertionError(str(error)) from error

    await eventually(check, within=60)


async def test_a_restart_survives_the_death_of_the_orchestrator(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        asked = await admin.ask(charger.identity)

        async def reset():
            assert charger.facts.resets

        await eventually(reset, within=15)
        old = kill(system, "restart-orchestrator")
        await back(system, "restart-orchestrator", old)
        attempt = await admin.ended(asked["attempt_id"])
        assert attempt["verdict"]["verdict"] == "restarted"
        assert len(charger.facts.resets) == 1


async def test_a_restart_survives_the_death_of_the_bridge(system):
    async with system.charger("slow") as charger, system.person() as admin:
        await admin.available(charger.identity)
        asked = await admin.ask(charger.identity)

        async def reset():
            assert charger.facts.resets

        await eventually(reset, within=15)
        old = kill(system, "ocpp-bridge")
        await back(system, "ocpp-bridge", old)
        attempt = await admin.ended(asked["attempt_id"])
        assert attempt["verdict"]["verdict"] in {"restarted", "not_restarted", "lost"}
        assert len(charger.facts.resets) == 1
        if attempt["verdict"]["verdict"] == "restarted":
            assert charger.facts.restarts >= 1
