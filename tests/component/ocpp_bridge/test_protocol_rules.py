"""The rules of OCPP-J that no other file has: ids, SEND, CALLRESULTERROR, registration, and what is forgiven."""

import re
from datetime import UTC, datetime

import aiohttp
import pytest
from ocpp_samples import VERSIONS, actions, sample

from contracts.fleet import Registration
from contracts.ocpp import ChargerBooted, ChargerConnected, ConnectorStatusReported, ResetAccepted, TransactionEnded
from ocpp_bridge.dialects import DIALECTS

STATUS = {
    "ocpp1.6": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "ocpp2.0.1": {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": "2026-03-04T10:00:00Z"},
}
STATUS["ocpp2.1"] = STATUS["ocpp2.0.1"]


async def lives(charger) -> None:
    assert "currentTime" in await charger.call("Heartbeat", {})


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_one_socket_hears_every_request_of_its_schemas_and_answers_each_as_its_version_says(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        for number, action in enumerate(actions(protocol)):
            await charger.send([2, f"a{number}", action, sample(protocol, action)])
            kind, message_id, *rest = await charger.receive()
            assert message_id == f"a{number}"
            if kind == 4:
                assert rest[0] == "NotSupported", (action, rest)
            else:
                checked = DIALECTS[protocol].schemas.check_answer(action, rest[0])
                assert (checked.violation, checked.deviations) == (None, ()), (action, checked.why)
        await lives(charger)


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (("ocpp1.6", "ocpp2.0.1", "ocpp2.1"), "ocpp1.6"),
        (("ocpp2.1", "ocpp2.0.1", "ocpp1.6"), "ocpp2.1"),
        (("ocpp1.5", "ocpp2.0.1"), "ocpp2.0.1"),
    ],
)
async def test_the_first_of_the_clients_subprotocols_that_we_speak_is_chosen(site, offered, spoken):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", *offered) as charger:
        assert charger.ws.protocol == spoken
        [connected] = await site.published(ChargerConnected)
        assert connected.protocol == spoken


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_message_id_of_more_than_36_characters_is_answered_by_it_and_counted(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        assert "currentTime" in await charger.call("Heartbeat", {}, message_id="x" * 37)
        assert "currentTime" in await charger.call("Heartbeat", {}, message_id="y" * 36)
    model = {"ocpp1.6": "One"}.get(protocol, "Two")
    labels = {"protocol": protocol, "model": model, "action": "Heartbeat", "kind": "MessageIdLength"}
    assert site.metric(bridge, "deviations_total", **labels) == 1


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_message_id_used_twice_gets_two_answers_and_the_two_statuses_are_two_events(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        first, second = dict(STATUS[protocol]), dict(STATUS[protocol])
        second["connectorId"] = 2
        assert await charger.call("StatusNotification", first, message_id="same") == {}
        assert await charger.call("StatusNotification", second, message_id="same") == {}
    said = site.publisher.envelopes(ConnectorStatusReported)
    assert len({event.id for event in said}) == 2


async def test_a_message_id_used_again_on_the_next_socket_is_another_event(site):
    bridge = await site.start()
    for _ in range(2):
        async with site.booted(bridge, "garage-1") as charger:
            await charger.call("StatusNotification", STATUS["ocpp1.6"], message_id="same")
    said = site.publisher.envelopes(ConnectorStatusReported)
    assert len({event.id for event in said}) == 2


async def test_a_charger_that_does_not_wait_for_its_answers_gets_them_in_order(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.holding.add("ocpp.observations.v1")
        await charger.send([2, "s1", "StatusNotification", STATUS["ocpp1.6"]])
        await charger.send([2, "h1", "Heartbeat", {}])
        await charger.send([2, "h2", "Heartbeat", {}])
        site.publisher.release()
        assert [(await charger.receive())[1] for _ in range(3)] == ["s1", "h1", "h2"]


async def test_the_ids_of_our_own_calls_are_short_and_never_the_same(site):
    bridge = await site.start()
    ids = set()
    for epoch in (1, 2, 3):
        async with site.booted(bridge, "garage-1") as charger:
            bridge.resets.take(site.reset("garage-1", epoch))
            _, message_id, *_ = await charger.receive()
            ids.add(message_id)
            await charger.send([3, message_id, {"status": "Accepted"}])
            await site.published(ResetAccepted, epoch)
    assert len(ids) == 3
    assert all(len(message_id) <= 36 for message_id in ids)


async def test_a_callresulterror_of_2_1_gets_no_answer_and_is_counted(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.1") as charger:
        await charger.send([5, "m1", "FormatViolation", "your answer is no good", {}])
        await lives(charger)
    labels = {"protocol": "ocpp2.1", "kind": "CallResultError"}
    assert site.metric(bridge, "unanswerable_frames_total", **labels) == 1


@pytest.mark.parametrize("action", ["NotifyPeriodicEventStream", "Heartbeat", "MakeCoffee"])
async def test_a_send_of_2_1_is_never_answered_whatever_it_says(site, action):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.1") as charger:
        await charger.send([6, "s1", action, {}])
        await lives(charger)
    assert site.metric(bridge, "unanswerable_frames_total", protocol="ocpp2.1", kind="Send") == 1


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_callresulterror_is_no_frame_of_the_older_versions(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        await charger.send([5, "m1", "FormatViolation", "", {}])
        if protocol == "ocpp2.0.1":
            assert (await charger.receive())[:3] == [4, "m1", "MessageTypeNotSupported"]
        await lives(charger)


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_boot_may_come_again_on_an_accepted_socket(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        assert (await charger.boot())["status"] == "Accepted"
        await lives(charger)
    assert len(site.publisher.of(ChargerBooted)) == 2


async def test_what_a_boot_is_answered_changes_with_the_registration_while_connected(site):
    bridge = await site.start()
    site.enroll("garage-1", registration=Registration.PENDING)
    async with site.connected(bridge, "garage-1", "ocpp2.0.1") as charger:
        assert (await charger.boot())["status"] == "Pending"
        site.enroll("garage-1", registration=Registration.REJECTED)
        assert (await charger.boot())["status"] == "Rejected"
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_every_time_that_we_send_has_fractional_seconds_and_a_zone(site, protocol):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        for answer in (await charger.boot(), await charger.call("Heartbeat", {})):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["currentTime"])
            assert abs((datetime.fromisoformat(answer["currentTime"]) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize("stamp", ["2026-03-04T10:00:00", "2026-03-04 10:00:00Z", "04.03.2026", "", "0"])
async def test_a_timestamp_that_is_none_is_forgiven(site, stamp):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        stop = {"transactionId": 7, "meterStop": 9, "timestamp": stamp, "reason": "HardReset"}
        assert (await charger.call("StopTransaction", stop))["idTagInfo"] == {"status": "Accepted"}
    [ended] = site.publisher.of(TransactionEnded)
    assert ended.reason == "HardReset"


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_compression_is_agreed_on_for_2x_and_frames_of_both_sides_are_read(site, protocol):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", protocol, compress=15) as charger:
        assert charger.ws.compress
        assert (await charger.boot())["status"] == "Accepted"
        await lives(charger)


async def test_a_station_may_decline_compression(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
        assert not charger.ws.compress
        await lives(charger)


@pytest.mark.parametrize("reason", [{}, {"reason": None}])
async def test_a_boot_without_its_reason_is_accepted_and_counted(site, reason):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp2.0.1") as charger:
        boot = {"chargingStation": {"vendorName": "Acme", "model": "Two"}} | reason
        assert (await charger.call("BootNotification", boot))["status"] == "Accepted"
    [booted] = site.publisher.of(ChargerBooted)
    assert booted.reason == "Unknown"


async def test_an_id_that_can_not_be_read_is_answered_by_minus_one(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        for text in ('[2, 17, "Heartbeat", {}]', '[2, null, "Heartbeat", {}]', '{"a": 1}', "[2", '["2","m"]'):
            await charger.send(text)
            assert (await charger.receive())[:2] == [4, "-1"], text
        await lives(charger)


async def test_a_socket_without_a_common_language_ends_after_a_finished_handshake(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp1.5") as charger:
        assert charger.ws.protocol is None
        message = await charger.ws.receive(30)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}
    assert site.publisher.of(ChargerConnected) == []
