"""Calls that operators make: allowed, one at a time, not too soon, with a deadline, and each with one outcome."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from chassis.testing import eventually
from contracts.calls import CallAnswered, CallCharger, CallFailed
from contracts.fleet import Registration
from contracts.ocpp import ChargerBooted, ResetAccepted, ResetSent
from contracts.restart import AttemptMoved, Status, Step, Strength, When

from .conftest import envelope

TRIGGER_BOOT = {"requestedMessage": "BootNotification"}


def asks(site, charger_id, action="GetConfiguration", payload=None, *, begun_within=30.0, answer_within_s=30.0):
    asked = CallCharger(
        charger_id=charger_id,
        call_id=uuid4(),
        asked_by="operator",
        not_after=site.clock.now() + timedelta(seconds=begun_within),
        answer_within_s=answer_within_s,
        action=action,
        payload=payload or {},
    )
    for bridge in site.bridges:
        bridge.operator_calls.take(envelope(asked))
    return asked


async def failure(site, asked):
    def found():
        failed = [said for said in site.publisher.of(CallFailed) if said.call_id == asked.call_id]
        assert failed, site.publisher.published
        return failed[0]

    return await eventually(found)


def moved(charger_id, status):
    return AttemptMoved(
        attempt_id=uuid4(),
        charger_id=charger_id,
        version=1,
        status=status,
        group_id="harbour",
        moved_at="2026-03-04T10:00:00Z",
        requested_by="admin",
        requested_at="2026-03-04T10:00:00Z",
        when=When.NOW,
        strength=Strength.AUTO,
        model="One",
        steps={Step.REQUESTED: "2026-03-04T10:00:00Z"},
    )


async def test_a_call_reaches_the_charger_and_its_answer_is_told_without_secrets(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asked = asks(site, "garage-1", payload={"key": ["AuthorizationKey"]})
        kind, message_id, action, payload = await charger.receive()
        assert (kind, message_id, action, payload) == (
            2,
            str(asked.call_id),
            "GetConfiguration",
            {"key": ["AuthorizationKey"]},
        )
        assert len(message_id) <= 36
        told = [
            {"key": "AuthorizationKey", "readonly": False, "value": "hush"},
            {"key": "Heart", "readonly": True, "value": "60"},
        ]
        await charger.send([3, message_id, {"configurationKey": told}])
        [answered] = await site.published(CallAnswered)
    assert answered.call_id == asked.call_id
    assert [each["value"] for each in answered.payload["configurationKey"]] == ["[hidden]", "60"]
    assert site.metric(bridge, "operator_calls_total", action="GetConfiguration", outcome="answered") == 1


async def test_a_callerror_is_told_with_its_code_and_description(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asked = asks(site, "garage-1")
        _, message_id, *_ = await charger.receive()
        await charger.send([4, message_id, "NotSupported", "no such thing", {}])
        failed = await failure(site, asked)
    assert (failed.why, failed.code, failed.description) == ("call_error", "NotSupported", "no such thing")


async def test_only_one_call_of_ours_is_outstanding(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        first, second = asks(site, "garage-1"), asks(site, "garage-1")
        assert (await charger.receive())[1] == str(first.call_id)
        assert "currentTime" in await charger.call("Heartbeat", {})  # the next frame is not the second call
        await charger.send([3, str(first.call_id), {}])
        assert (await charger.receive())[1] == str(second.call_id)


async def test_a_call_whose_turn_does_not_come_in_time_is_expired(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asks(site, "garage-1")
        await charger.receive()
        failed = await failure(site, asks(site, "garage-1", begun_within=0.2))
        assert failed.why == "expired"


async def test_a_call_that_comes_too_late_is_not_made(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        failed = await failure(site, asks(site, "garage-1", begun_within=-1))
        assert failed.why == "expired"
        assert "currentTime" in await charger.call("Heartbeat", {})


async def test_a_charger_that_does_not_answer_in_time_is_told_as_timeout_and_its_late_answer_does_no_harm(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        failed = await failure(site, asks(site, "garage-1", answer_within_s=0.2))
        assert failed.why == "timeout"
        _, message_id, *_ = await charger.receive()
        await charger.send([3, message_id, {}])
        assert "currentTime" in await charger.call("Heartbeat", {})
    assert site.publisher.of(CallAnswered) == []


async def test_a_call_is_answered_at_once_when_its_socket_dies(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asked = asks(site, "garage-1", answer_within_s=300)
        await charger.receive()
        charger.abort()
        assert (await failure(site, asked)).why == "session_ended"


async def test_a_call_ends_with_the_session_that_a_newer_one_replaces(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asked = asks(site, "garage-1", answer_within_s=300)
        await charger.receive()
        async with site.connected(bridge, "garage-1"):
            assert (await failure(site, asked)).why == "session_ended"


async def test_a_charger_without_a_session_is_told_as_not_connected_by_one_instance(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1"):
        pass
    await eventually(lambda: _nobody(one))
    await one.connectivity.all_told()
    asked = asks(site, "garage-1")
    assert (await failure(site, asked)).why == "not_connected"
    await two.operator_calls.finish(within=30)
    assert len(site.publisher.of(CallFailed)) == 1


def _nobody(bridge):
    assert len(bridge.sessions) == 0


async def test_only_the_instance_that_holds_the_socket_makes_the_call(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(two, "garage-1") as charger:
        asked = asks(site, "garage-1")
        assert (await charger.receive())[1] == str(asked.call_id)
        await one.operator_calls.finish(within=30)
        assert site.publisher.of(CallFailed) == []


async def test_no_call_goes_to_a_socket_that_another_instance_has_replaced(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1"), site.booted(two, "garage-1") as new:
        asked = asks(site, "garage-1")  # instance one has not heard of the takeover yet
        assert (await new.receive())[1] == str(asked.call_id)
        await new.send([3, str(asked.call_id), {}])
        await site.published(CallAnswered)


async def test_no_call_goes_out_in_the_first_seconds_after_a_boot(site):
    bridge = await site.start(quiet_after_boot_s=1.0)
    before_the_boot = asyncio.get_running_loop().time()
    async with site.booted(bridge, "garage-1") as charger:
        asked = asks(site, "garage-1")
        assert (await charger.receive())[1] == str(asked.call_id)
        assert asyncio.get_running_loop().time() - before_the_boot >= 1.0


async def test_a_call_that_could_only_be_made_too_soon_after_a_boot_is_refused(site):
    bridge = await site.start(quiet_after_boot_s=60)
    async with site.booted(bridge, "garage-1"):
        failed = await failure(site, asks(site, "garage-1"))
        assert failed.why == "too_soon_after_boot"


async def test_a_reset_waits_after_a_boot_for_a_model_that_is_known_to_be_delicate(site):
    bridge = await site.start(quiet_after_boot_s_by_model={"One": 1.0})
    before_the_boot = asyncio.get_running_loop().time()
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        assert (await charger.receive())[2] == "Reset"
        assert asyncio.get_running_loop().time() - before_the_boot >= 1.0


async def test_a_reset_that_waits_ends_the_call_before_it_soon(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asked = asks(site, "garage-1", answer_within_s=300)
        await charger.receive()
        bridge.resets.take(site.reset("garage-1", 1))
        _, message_id, action, _ = await charger.receive()
        assert action == "Reset"
        failed = await failure(site, asked)
        assert (failed.why, "restart" in failed.detail) == ("timeout", True)
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)


async def test_a_boot_is_not_asked_for_while_a_restart_is_open_and_may_be_afterwards(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        attempt = moved("garage-1", Status.RESTARTING)
        bridge.open_attempts.apply(envelope(attempt))
        failed = await failure(site, asks(site, "garage-1", "TriggerMessage", TRIGGER_BOOT))
        assert failed.why == "attempt_open"
        over = attempt.model_copy(update={"status": Status.RESTARTED})
        bridge.open_attempts.apply(envelope(over))
        asked = asks(site, "garage-1", "TriggerMessage", TRIGGER_BOOT)
        assert (await charger.receive())[1] == str(asked.call_id)


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_boot_that_was_asked_for_is_told_as_solicited_on_that_session_only(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        asks(site, "garage-1", "TriggerMessage", TRIGGER_BOOT)
        _, message_id, *_ = await charger.receive()
        await charger.send([3, message_id, {"status": "Accepted"}])
        await charger.boot()
    async with site.booted(bridge, "garage-1", protocol):
        pass
    assert [said.solicited for said in site.publisher.of(ChargerBooted)] == [False, True, False]


@pytest.mark.parametrize(
    ("action", "payload", "why"),
    [
        ("Reset", {"type": "Soft"}, "not_allowed"),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "x" * 20}, "not_allowed"),
        ("ChangeConfiguration", {"key": "SecurityProfile", "value": "0"}, "not_allowed"),
        ("ChangeConfiguration", {"key": "HeartbeatInterval"}, "invalid"),
    ],
)
async def test_what_may_not_be_sent_never_reaches_the_charger(site, action, payload, why):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        failed = await failure(site, asks(site, "garage-1", action, payload))
        assert failed.why == why
        assert failed.detail
        assert "currentTime" in await charger.call("Heartbeat", {})


async def test_nothing_is_sent_to_a_charger_whose_boot_was_rejected(site):
    bridge = await site.start()
    site.enroll("garage-1", registration=Registration.REJECTED)
    async with site.connected(bridge, "garage-1") as charger:
        await charger.boot()
        failed = await failure(site, asks(site, "garage-1"))
        assert failed.why == "not_allowed"


async def test_a_reset_after_a_call_is_told_with_its_own_answer(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        asks(site, "garage-1")
        _, message_id, *_ = await charger.receive()
        bridge.resets.take(site.reset("garage-1", 1))
        await charger.send([3, message_id, {}])
        _, reset_id, action, _ = await charger.receive()
        assert action == "Reset"
        await charger.send([3, reset_id, {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
        assert accepted.frame == f'[3,"{reset_id}",{{"status":"Accepted"}}]'
        assert site.publisher.of(ResetSent)
