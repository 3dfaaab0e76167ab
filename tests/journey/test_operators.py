"""What operators do: read events, replay projections, look at what runs."""

import asyncio
import json

import pytest
from running_system import comeback

from chassis.testing import eventually


async def run(system, *arguments, **environment):
    return await asyncio.to_thread(comeback, system.data_dir, *arguments, **environment)


async def test_status_shows_every_process_ready(system):
    told = await run(system, "status")
    assert told.returncode == 0, told.stderr
    for service in ("auth", "billing", "fleet", "ocpp-bridge", "restart-orchestrator", "portal", "kafka", "postgres"):
        assert service in told.stdout


async def test_the_events_of_one_restart_can_be_read(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        attempt = await admin.restart(charger.identity)
        told = await run(system, "events", "--charger", charger.identity, "--attempt", attempt["attempt_id"], "--json")
        assert told.returncode == 0, told.stderr
        types = [json.loads(line)["type"] for line in told.stdout.splitlines()]
        assert types[0] == "restart.request-restart.v1"
        assert {"ocpp.reset-charger.v1", "ocpp.reset-sent.v1", "ocpp.reset-accepted.v1"} <= set(types)
        people = await run(system, "events", "restart.attempts", "--charger", charger.identity)
        assert "restart.attempt-moved" in people.stdout


async def test_a_restart_can_be_asked_for_and_watched_from_the_command_line(system):
    from running_system import PASSWORD

    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        told = await run(
            system, "restart", charger.identity, "--user", "harbour-admin", "--watch", COMEBACK_PASSWORD=PASSWORD
        )
        assert told.returncode == 0, told.stdout + told.stderr
        for words in ("Requested", "Sent to the charger", "Gone", "Back: it booted", "Verdict: "):
            assert words in told.stdout


async def test_a_refused_restart_ends_with_exit_code_1(system):
    from running_system import HEARD_WITHIN_S, PASSWORD

    async with system.charger(model="Pulsar Plus") as charger, system.person() as admin:
        await eventually(lambda: admin.charger(charger.identity), within=HEARD_WITHIN_S)
        told = await run(
            system, "restart", charger.identity, "--user", "harbour-admin", "--watch", COMEBACK_PASSWORD=PASSWORD
        )
        assert told.returncode == 1
        assert "Pulsar Plus" in told.stdout


@pytest.mark.parametrize(
    "projection",
    [
        "billing.groups",
        "fleet.groups",
        "fleet.connectivity",
        "portal.chargers",
        "restart-orchestrator.chargers",
    ],
)
async def test_a_projection_rebuilt_from_the_topics_is_the_same_and_nothing_is_sent(system, projection):
    told = await run(system, "replay", projection, "--dry-run")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "the same" in told.stdout
    assert "missing" not in told.stdout


async def test_chargers_are_brought_in_from_a_file(system, tmp_path):
    file = tmp_path / "chargers.csv"
    file.write_text(
        "id,model,group,label,security_profile,password\n"
        "CSV-1,Commander 2,harbour,From a file,1,\n"
        "CSV-2,Commander 2,harbour,From a file,1,0123456789abcdef0123\n"
        "CSV:3,Commander 2,harbour,A colon is not allowed,1,\n"
    )
    told = await run(system, "chargers", "import", str(file))
    assert told.returncode == 1
    assert "CSV-1: password, shown this once:" in told.stdout
    assert "line 4" in told.stdout
    assert "2 chargers are in, 1 refused" in told.stdout
    again = await run(system, "chargers", "list")
    assert "CSV-2" in again.stdout
