"""Accepted, pending, rejected: what a boot is answered, what may be said then, and what a change does."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from chassis.clock import SystemClock
from chassis.testing import eventually
from contracts.calls import CallAnswered, CallCharger, CallFailed
from contracts.envelope import Envelope
from contracts.fleet import Registration
from contracts.ocpp import ChargerBooted, ResetNotDelivered
from simulator.charger import Charger

PENDING, REJECTED, ACCEPTED = Registration.PENDING, Registration.REJECTED, Registration.ACCEPTED
PROTOCOLS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
PASSWORD = "0123456789abcdef0123"
STATUS = {
    "ocpp1.6": {"connectorId": 1, "status": "Available", "errorCode": "NoError"},
    "ocpp2.0.1": {
        "timestamp": "2026-11-01T00:00:00Z",
        "evseId": 1,
        "connectorId": 1,
        "connectorStatus": "Available",
    },
}
STATUS["ocpp2.1"] = STATUS["ocpp2.0.1"]
TRIGGER = {"requestedMessage": "BootNotification"}


def ask(bridge, action, payload) -> CallCharger:
    call = CallCharger(
        charger_id="garage-1",
        call_id=uuid4(),
        asked_by="operator",
        not_after=SystemClock().now() + timedelta(seconds=30),
        answer_within_s=30,
        action=action,
        payload=payload,
    )
    bridge.operator_calls.take(Envelope(uuid4(), "/services/portal", SystemClock().now(), call))
    return call


async def trigger(charger, status="Accepted") -> None:
    _, message_id, action, payload = await charger.receive()
    assert (action, payload) == ("TriggerMessage", TRIGGER)
    await charger.send([3, message_id, {"status": status}])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("registration", [PENDING, REJECTED])
async def test_until_it_is_accepted_a_charger_gets_a_security_error_for_all_but_its_boot(site, protocol, registration):
    bridge = await site.start(boot_retry_s=7)
    site.enroll("garage-1", registration=registration)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        answer = await charger.boot()
        assert (answer["status"], answer["interval"]) == (registration.value.capitalize(), 7)
        assert (await charger.call("StatusNotification", STATUS[protocol]))[0] == "SecurityError"
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
        assert (await charger.boot())["status"] == registration.value.capitalize()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_pending_charger_can_be_called_and_may_say_what_it_was_asked_for(site, protocol):
    bridge = await site.start()
    site.enroll("garage-1", registration=PENDING)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        await charger.boot()
        ask(bridge, "TriggerMessage", {"requestedMessage": "StatusNotification"})
        _, message_id, action, _ = await charger.receive()
        assert action == "TriggerMessage"
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(CallAnswered)
        assert await charger.call("StatusNotification", STATUS[protocol]) == {}
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"


async def test_a_pending_charger_may_send_the_report_that_was_asked_for(site):
    bridge = await site.start()
    site.enroll("garage-1", registration=PENDING)
    report = {"requestId": 1, "generatedAt": "2026-11-01T00:00:00Z", "seqNo": 0}
    async with site.connected(bridge, "garage-1", "ocpp2.0.1") as charger:
        await charger.boot()
        assert (await charger.call("NotifyReport", report))[0] == "SecurityError"
        ask(bridge, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        _, message_id, *_ = await charger.receive()
        await charger.send([3, message_id, {"status": "Accepted"}])
        assert await charger.call("NotifyReport", report) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_rejected_charger_is_sent_nothing(site, protocol):
    bridge = await site.start()
    site.enroll("garage-1", registration=REJECTED)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        await charger.boot()
        ask(bridge, "TriggerMessage", TRIGGER)
        assert (await site.published(CallFailed))[0].why == "not_allowed"
        bridge.resets.take(site.reset("garage-1", 1))
        await site.published(ResetNotDelivered)
        site.enroll("garage-1", registration=ACCEPTED)
        assert (await charger.boot())["status"] == "Accepted", "the first frame that comes is the answer to its boot"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_pending_charger_that_becomes_accepted_is_asked_to_boot_and_that_boot_proves_nothing(site, protocol):
    bridge = await site.start()
    site.enroll("garage-1", registration=PENDING)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        await charger.boot()
        site.enroll("garage-1", registration=ACCEPTED)
        await trigger(charger)
        assert (await charger.boot())["status"] == "Accepted"
        assert "currentTime" in await charger.call("Heartbeat", {})
    first, second = site.publisher.of(ChargerBooted)
    assert (first.registration, first.solicited) == ("pending", False)
    assert (second.registration, second.solicited) == ("accepted", True)


async def test_a_charger_that_refuses_to_boot_when_asked_boots_by_itself_and_that_counts(site):
    bridge = await site.start()
    site.enroll("garage-1", registration=PENDING)
    async with site.connected(bridge, "garage-1") as charger:
        await charger.boot()
        site.enroll("garage-1", registration=ACCEPTED)
        await trigger(charger, "NotImplemented")
        await eventually(lambda: _is(bridge.sessions.get("garage-1").box.asked_to_boot, False))
        assert (await charger.boot())["status"] == "Accepted"
    assert [booted.solicited for booted in site.publisher.of(ChargerBooted)] == [False, False]


def _is(value, wanted) -> None:
    assert value is wanted


async def test_a_pending_charger_that_is_being_restarted_is_not_asked_to_boot(site):
    bridge = await site.start()
    bridge.open_attempts._open["garage-1"] = {uuid4()}
    site.enroll("garage-1", registration=PENDING)
    async with site.connected(bridge, "garage-1") as charger:
        await charger.boot()
        site.enroll("garage-1", registration=ACCEPTED)
        assert (await charger.boot())["status"] == "Accepted", "the first frame that comes is the answer to its boot"
    assert not any(booted.solicited for booted in site.publisher.of(ChargerBooted))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("registration", [PENDING, REJECTED])
async def test_an_accepted_charger_goes_on_until_its_next_boot_tells_it_otherwise(site, protocol, registration):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        site.enroll("garage-1", registration=registration)
        assert await charger.call("StatusNotification", STATUS[protocol]) == {}
        assert (await charger.boot())["status"] == registration.value.capitalize()
        assert (await charger.call("StatusNotification", STATUS[protocol]))[0] == "SecurityError"
        assert not charger.ws.closed, "B02.FR.06: the connection stays"


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_charger_that_was_told_to_wait_does_not_get_in_by_connecting_anew(site, protocol):
    bridge = await site.start()
    site.enroll("garage-1", registration=PENDING)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        await charger.boot()
    async with site.connected(bridge, "garage-1", protocol) as charger:
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("registration", [PENDING, REJECTED])
async def test_a_simulated_charger_waits_as_told_and_comes_in_when_it_is_accepted(site, protocol, registration):
    bridge = await site.start(boot_retry_s=1)
    site.enroll("garage-1", registration=registration)
    url = f"ws://127.0.0.1:{bridge.listener.port}/ocpp"
    charger = Charger("garage-1", url, PASSWORD, protocol, speed=10)
    running = asyncio.create_task(charger.run())
    try:
        await site.published(ChargerBooted, 2)
        assert not charger.is_registered
        site.enroll("garage-1", registration=ACCEPTED)
        async with asyncio.timeout(60):
            await charger.booted()
        assert charger.is_registered
        solicited = [booted.solicited for booted in site.publisher.of(ChargerBooted)]
        if registration is REJECTED:
            assert not any(solicited)
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_rejected_charger_that_went_away_to_wait_is_sent_nothing_and_says_nothing_until_it_boots(
    site, protocol
):
    bridge = await site.start()
    site.enroll("garage-1", registration=REJECTED)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        assert (await charger.boot())["status"] == "Rejected"
    async with site.connected(bridge, "garage-1", protocol) as charger:
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
        bridge.resets.take(site.reset("garage-1", 2))
        call = ask(bridge, "TriggerMessage", TRIGGER)
        [failed] = await site.published(CallFailed)
        assert (failed.call_id, failed.why) == (call.call_id, "not_allowed")
        await site.published(ResetNotDelivered)
        site.enroll("garage-1", registration=ACCEPTED)
        assert (await charger.boot())["status"] == "Accepted"  # and no frame of ours came before it
        assert "currentTime" in await charger.call("Heartbeat", {})


async def test_a_pending_1_6_charger_that_connects_anew_still_waits_and_may_say_what_it_was_asked_for(site):
    bridge = await site.start()
    site.enroll("garage-1", registration=PENDING)
    async with site.connected(bridge, "garage-1") as charger:
        assert (await charger.boot())["status"] == "Pending"
    async with site.connected(bridge, "garage-1") as charger:
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
        ask(bridge, "TriggerMessage", {"requestedMessage": "Heartbeat"})
        _, message_id, *_ = await charger.receive()
        await charger.send([3, message_id, {"status": "Accepted"}])
        assert "currentTime" in await charger.call("Heartbeat", {})
