"""What stands on a socket and is no good: each gets the CALLERROR that OCPP-J names, and the socket lives on."""

import asyncio

import aiohttp
import pytest

from contracts.ocpp import ChargerDisconnected

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
UNREADABLE = {"ocpp1.6": "FormationViolation", "ocpp2.0.1": "RpcFrameworkError", "ocpp2.1": "RpcFrameworkError"}
FORMAT = {"ocpp1.6": "FormationViolation", "ocpp2.0.1": "FormatViolation", "ocpp2.1": "FormatViolation"}
OCCURRENCE = {
    "ocpp1.6": "OccurenceConstraintViolation",
    "ocpp2.0.1": "OccurrenceConstraintViolation",
    "ocpp2.1": "OccurrenceConstraintViolation",
}


async def lives(charger) -> None:
    assert "currentTime" in await charger.call("Heartbeat", {})


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_frame_of_5_mb_is_refused_by_its_id_and_the_socket_lives_on(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        await charger.send([2, "big-1", "DataTransfer", {"vendorId": "x", "data": "y" * 5_000_000}])
        assert (await charger.receive())[:3] == [4, "big-1", FORMAT[protocol]]
        await lives(charger)
    assert site.metric(bridge, "bad_frames_total", protocol=protocol, why="too big") == 1


async def test_a_frame_above_the_hard_limit_ends_the_socket_with_1009(site):
    bridge = await site.start(frame_hard_limit=1_000_000)
    async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
        await charger.send([2, "big-1", "DataTransfer", {"vendorId": "x", "data": "y" * 2_000_000}])
        assert await charger.closed() == 1009
    [ended] = await site.published(ChargerDisconnected)
    assert ended.why == "refused"


async def test_a_small_frame_that_inflates_beyond_the_hard_limit_ends_the_socket_with_1009(site):
    bridge = await site.start(frame_hard_limit=1_000_000)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp2.0.1", compress=15) as charger:
        await charger.send([2, "big-1", "DataTransfer", {"vendorId": "x", "data": "y" * 2_000_000}])
        assert await charger.closed() == 1009


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("text", ["", "{", "[]", "true", "[2]", "[2, 5]", '[2, "a" "b"', '"\\ud800"', "[[[[[["])
async def test_what_is_no_frame_gets_a_callerror_and_the_socket_lives_on(site, protocol, text):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        await charger.send(text)
        kind, message_id, code, *_ = await charger.receive()
        assert (kind, code) == (4, UNREADABLE[protocol])
        assert message_id == ("a" if '"a"' in text else "-1")
        await lives(charger)


async def test_text_that_is_not_utf8_gets_a_callerror_and_the_socket_lives_on(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await charger.ws.send_frame(b'[2, "a\xff", "Heartbeat", {}]', aiohttp.WSMsgType.TEXT)
        assert (await charger.receive())[:2] == [4, "-1"]
        await lives(charger)


async def test_a_binary_frame_gets_a_callerror_and_the_socket_lives_on(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await charger.ws.send_bytes(b"\x00\x01")
        assert (await charger.receive())[:2] == [4, "-1"]
        await lives(charger)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_unknown_action_is_not_implemented(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        code, why = await charger.call("MakeCoffee", {})
        assert code == "NotImplemented"
        assert "MakeCoffee" in why


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_action_that_is_the_servers_own_is_not_supported(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        assert (await charger.call("Reset", {"type": "Immediate"}))[0] == "NotSupported"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_payload_against_the_schema_gets_the_code_of_its_violation(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        code, why = await charger.call("StatusNotification", {"connectorId": 1})
        assert code == OCCURRENCE[protocol]
        assert "required" in why
        assert (await charger.call("DataTransfer", {"vendorId": 12}))[0] == "TypeConstraintViolation"
        assert (await charger.call("FirmwareStatusNotification", {"status": "Sideways"}))[0] == (
            "PropertyConstraintViolation"
        )
        await lives(charger)


async def test_nulls_and_overlong_text_of_real_stations_are_tolerated_and_counted(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        boot = {
            "chargePointVendor": "Acme",
            "chargePointModel": "a model name of more than twenty characters",
            "iccid": None,
            "invention": 1,
        }
        assert (await charger.call("BootNotification", boot))["status"] == "Accepted"
    for kind in ("Null", "MaxLength", "AdditionalProperties"):
        labels = {"protocol": "ocpp1.6", "action": "BootNotification", "kind": kind}
        labels["model"] = "a model name of more than twenty characters"
        assert site.metric(bridge, "deviations_total", **labels) == 1


async def test_an_unknown_message_type_is_refused_in_2_0_1_and_ignored_elsewhere(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
        await charger.send([6, "s1", "NotifyPeriodicEventStream", {}])
        assert (await charger.receive())[:3] == [4, "s1", "MessageTypeNotSupported"]
    for protocol in ("ocpp1.6", "ocpp2.1"):
        async with site.booted(bridge, "garage-2", protocol) as charger:
            await charger.send([9, "s1", "Whatever", {}])
            await lives(charger)


async def test_send_of_2_1_gets_no_answer(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.1") as charger:
        await charger.send([6, "s1", "NotifyPeriodicEventStream", {"id": 1, "pending": 0, "data": []}])
        await lives(charger)


async def test_answers_that_nobody_waits_for_are_ignored(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await charger.send([3, "never-asked", {}])
        await charger.send([4, "8e0e8d9a-3d5c-4d0a-9f0e-2b6d0c1a7f11", "GenericError", "", {}])
        await charger.send([3])
        await lives(charger)


async def test_a_flood_of_frames_that_are_none_ends_the_session(site):
    bridge = await site.start(bad_frames=5)
    async with site.booted(bridge, "garage-1") as charger:
        for _ in range(7):
            await charger.send("garbage")
        assert await charger.closed() == 1008
    [ended] = await site.published(ChargerDisconnected)
    assert ended.why == "refused"


async def test_a_flood_of_calls_ends_the_session(site):
    bridge = await site.start(frames_per_second=5)
    async with site.booted(bridge, "garage-1") as charger:
        with_errors = [charger.send([2, f"h{number}", "Heartbeat", {}]) for number in range(100)]
        await asyncio.gather(*with_errors, return_exceptions=True)
        assert await charger.closed() == 1008


async def test_a_charger_that_floods_while_kafka_is_slow_is_closed(site):
    bridge = await site.start(waiting_calls=3)
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.holding.add("ocpp.observations.v1")
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        for number in range(6):
            await charger.send([2, f"s{number}", "StatusNotification", status])
        assert await charger.closed() == 1008


async def test_pings_of_the_charger_are_answered(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.ws.ping(b"there?")
        message = await charger.ws.receive(30)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"there?")
