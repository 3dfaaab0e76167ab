"""The example charge points of a public Go module talk to the bridge; collected only where Go is installed."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from go_charge_points import charge_points

from chassis.testing import eventually
from contracts.calls import CallAnswered
from contracts.ocpp import (
    ChargerBooted,
    ChargerConnected,
    ChargerDisconnected,
    ConnectorStatusReported,
    ResetAccepted,
    SecurityEventReported,
    TransactionStarted,
    TransactionUpdated,
)

from .test_operator_calls import asks

CALLS = {
    "ocpp1.6": ("TriggerMessage", {"requestedMessage": "Heartbeat"}, "status"),
    "ocpp2.0.1": ("GetLocalListVersion", {}, "versionNumber"),
}


@asynccontextmanager
async def plugged_in(site, bridge, protocol) -> AsyncIterator[asyncio.subprocess.Process]:
    """The Go program, as charger garage-1, until the block ends."""
    site.enroll("garage-1", profile=0)
    url = f"ws://127.0.0.1:{bridge.listener.port}/ocpp"
    programs = await asyncio.to_thread(charge_points)
    process = await asyncio.create_subprocess_exec(
        programs[protocol],
        env=os.environ | {"CLIENT_ID": "garage-1", "CENTRAL_SYSTEM_URL": url, "CSMS_URL": url},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("protocol", CALLS)
async def test_a_go_charge_point_boots_charges_is_called_and_is_reset(site, protocol):
    bridge = await site.start()
    async with plugged_in(site, bridge, protocol) as process:
        [connected] = await site.published(ChargerConnected, within=120)
        assert connected.protocol == protocol
        [booted] = await site.published(ChargerBooted)
        assert (booted.vendor, booted.model) == ("vendor1", "model1")
        await site.published(ConnectorStatusReported)
        if protocol == "ocpp1.6":
            await site.published(SecurityEventReported)
        [started] = await site.published(TransactionStarted, within=60)
        if protocol == "ocpp2.0.1":
            [updated, *_] = await site.published(TransactionUpdated, within=60)
            assert updated.transaction_id == started.transaction_id
        action, payload, field = CALLS[protocol]
        asked = asks(site, "garage-1", action, payload)
        [answered] = await site.published(CallAnswered)
        assert answered.call_id == asked.call_id
        assert field in answered.payload
        bridge.resets.take(site.reset("garage-1", 1))
        [accepted] = await site.published(ResetAccepted)
        assert accepted.answer_epoch == 1
        assert process.returncode is None
        process.kill()
        [ended] = await site.published(ChargerDisconnected)
        assert ended.why == "lost"
    await eventually(lambda: _nobody(bridge))


def _nobody(bridge):
    assert len(bridge.sessions) == 0
