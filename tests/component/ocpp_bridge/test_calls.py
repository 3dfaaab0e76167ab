"""What chargers tell: answered as OCPP says, and only when Kafka has the evidence."""

import re

import pytest

from chassis.testing import eventually
from contracts.fleet import Registration
from contracts.ocpp import (
    ChargerBooted,
    ConnectorState,
    ConnectorStatusReported,
    FirmwareStatusReported,
    SecurityEventReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)

OBSERVATIONS = "ocpp.observations.v1"
NOW = "2026-03-04T10:00:00Z"
STATUS_16 = {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": NOW}


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_boot_is_accepted_with_interval_and_fractional_time_and_observed(site, protocol):
    bridge = await site.start(heartbeat_interval_s=77)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", protocol) as charger:
        answer = await charger.boot()
    assert (answer["status"], answer["interval"]) == ("Accepted", 77)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["currentTime"])
    [booted] = await site.published(ChargerBooted)
    assert (booted.charger_id, booted.epoch, booted.vendor, booted.registration) == ("garage-1", 1, "Acme", "accepted")
    assert booted.reason == (None if protocol == "ocpp1.6" else "PowerUp")


async def test_a_triggered_boot_is_told_as_solicited(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
        boot = {"reason": "Triggered", "chargingStation": {"vendorName": "Acme", "model": "Two"}}
        await charger.call("BootNotification", boot)
    assert [booted.solicited for booted in site.publisher.of(ChargerBooted)] == [False, True]


@pytest.mark.parametrize("registration", [Registration.PENDING, Registration.REJECTED])
@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_before_an_accepted_boot_every_other_call_is_a_security_error(site, protocol, registration):
    bridge = await site.start(boot_retry_s=9)
    site.enroll("garage-1", registration=registration)
    async with site.connected(bridge, "garage-1", protocol) as charger:
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
        answer = await charger.boot()
        assert (answer["status"], answer["interval"]) == (registration.value.capitalize(), 9)
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
        site.enroll("garage-1")
        if registration is Registration.PENDING:
            _, message_id, action, payload = await charger.receive()
            assert (action, payload) == ("TriggerMessage", {"requestedMessage": "BootNotification"})
            await charger.send([3, message_id, {"status": "Accepted"}])
        assert (await charger.boot())["status"] == "Accepted"
        assert "currentTime" in await charger.call("Heartbeat", {})
    assert [booted.registration for booted in site.publisher.of(ChargerBooted)] == [registration.value, "accepted"]


async def test_a_1_6_charger_may_speak_before_its_boot_but_not_after_a_rejected_one(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1") as charger:
        assert "currentTime" in await charger.call("Heartbeat", {})
        site.enroll("garage-1", registration=Registration.REJECTED)
        await charger.boot()
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize("action", ["MakeCoffee", "Reset"])
async def test_before_an_accepted_boot_an_unknown_call_is_a_security_error_as_well(site, protocol, action):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", protocol) as charger:
        assert (await charger.call(action, {}))[0] == "SecurityError"
        await charger.boot()
        assert (await charger.call(action, {}))[0] in {"NotImplemented", "NotSupported"}
    known = "unknown" if action == "MakeCoffee" else action
    assert site.metric(bridge, "calls_total", protocol=protocol, action=known, answer="SecurityError") == 1


async def test_a_boot_with_nuls_in_its_texts_is_told_without_them_and_counted(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1") as charger:
        boot = {"chargePointVendor": "Acme\0\0", "chargePointModel": "One\0", "chargePointSerialNumber": "\0" * 8}
        assert (await charger.call("BootNotification", boot))["status"] == "Accepted"
    [booted] = await site.published(ChargerBooted)
    assert (booted.vendor, booted.model, booted.serial) == ("Acme", "One", None)
    labels = {"protocol": "ocpp1.6", "model": "One", "action": "BootNotification", "kind": "Nul"}
    assert site.metric(bridge, "deviations_total", **labels) == 1


async def test_a_2x_charger_that_only_reconnects_need_not_boot_again(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.0.1"):
        pass
    async with site.connected(bridge, "garage-1", "ocpp2.0.1") as charger:
        assert "currentTime" in await charger.call("Heartbeat", {})


EVIDENCE_16 = [
    ("StatusNotification", STATUS_16, ConnectorStatusReported),
    ("StartTransaction", {"connectorId": 1, "idTag": "tag", "meterStart": 5, "timestamp": NOW}, TransactionStarted),
    ("StopTransaction", {"transactionId": 7, "meterStop": 9, "timestamp": NOW}, TransactionEnded),
    ("SecurityEventNotification", {"type": "ResetOrReboot", "timestamp": NOW}, SecurityEventReported),
    ("FirmwareStatusNotification", {"status": "Installing"}, FirmwareStatusReported),
    (
        "MeterValues",
        {"connectorId": 1, "transactionId": 7, "meterValue": [{"timestamp": NOW, "sampledValue": [{"value": "5"}]}]},
        TransactionUpdated,
    ),
]


@pytest.mark.parametrize(("action", "payload", "kind"), EVIDENCE_16, ids=[row[0] for row in EVIDENCE_16])
async def test_a_call_with_evidence_is_answered_only_after_kafka_has_it(site, action, payload, kind):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.holding.add(OBSERVATIONS)
        await charger.send([2, "evidence", action, payload])
        await eventually(lambda: _handed_over(site, kind))
        # A heartbeat behind it shows that nothing was answered so far: CALLs are answered in their order.
        await charger.send([2, "behind", "Heartbeat", {}])
        assert site.metric(bridge, "calls_total", protocol="ocpp1.6", action=action, answer="result") == 0
        assert site.publisher.of(kind) == []
        site.publisher.release()
        assert (await charger.receive())[:2] == [3, "evidence"]
        assert (await charger.receive())[:2] == [3, "behind"]
        assert len(site.publisher.of(kind)) == 1


def _handed_over(site, kind):
    assert any(isinstance(said.data, kind) for _, said in site.publisher.handed_over)


async def test_what_kafka_did_not_take_is_left_without_an_answer_and_taken_when_said_again(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.failing.add(OBSERVATIONS)
        await charger.send([2, "first", "StatusNotification", STATUS_16])
        labels = {"protocol": "ocpp1.6", "action": "StatusNotification", "answer": "none"}
        await eventually(lambda: _is(site.metric(bridge, "calls_total", **labels), 1))
        site.publisher.failing.clear()
        assert await charger.call("StatusNotification", STATUS_16) == {}
    assert len(site.publisher.of(ConnectorStatusReported)) == 1


def _is(found, expected):
    assert found == expected


async def test_the_same_frame_has_the_same_event_id_and_another_frame_another(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await charger.call("StatusNotification", STATUS_16, "a")
        await charger.call("StatusNotification", STATUS_16, "a")
        await charger.call("StatusNotification", STATUS_16, "b")
    first, again, other = (said.id for said in site.publisher.envelopes(ConnectorStatusReported))
    assert first == again
    assert first != other


async def test_a_start_told_twice_is_one_transaction_and_a_stop_told_again_after_a_boot_is_one_fact(site):
    bridge = await site.start()
    start = {"connectorId": 2, "idTag": "tag", "meterStart": 100, "timestamp": NOW}
    async with site.booted(bridge, "garage-1") as charger:
        first = await charger.call("StartTransaction", start)
        again = await charger.call("StartTransaction", start)
        other = await charger.call("StartTransaction", {**start, "timestamp": "2026-03-04T11:00:00Z"})
    assert first["transactionId"] == again["transactionId"] != other["transactionId"]
    assert first["idTagInfo"] == {"status": "Accepted"}
    stop = {
        "transactionId": first["transactionId"],
        "meterStop": 400,
        "timestamp": "2026-03-04T10:30:00Z",
        "reason": "HardReset",
    }
    for _ in range(2):
        async with site.booted(bridge, "garage-1") as charger:
            await charger.call("StopTransaction", stop)
    ended = site.publisher.envelopes(TransactionEnded)
    assert [event.data.epoch for event in ended] == [2, 3]
    assert ended[0].id == ended[1].id
    assert (ended[0].data.reason, ended[0].data.evse_id, ended[0].data.meter_wh) == ("HardReset", 2, 400)
    started = site.publisher.envelopes(TransactionStarted)
    assert started[0].id == started[1].id != started[2].id


async def test_a_transaction_event_told_again_after_a_boot_is_one_fact(site):
    bridge = await site.start()
    event = {
        "eventType": "Ended",
        "timestamp": NOW,
        "triggerReason": "ResetCommand",
        "seqNo": 4,
        "transactionInfo": {"transactionId": "tx-1", "stoppedReason": "ImmediateReset"},
        "evse": {"id": 1, "connectorId": 1},
    }
    for _ in range(2):
        async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
            assert await charger.call("TransactionEvent", event) == {}
    first, again = site.publisher.envelopes(TransactionEnded)
    assert first.id == again.id
    assert (first.data.transaction_id, first.data.reason, first.data.evse_id) == ("tx-1", "ImmediateReset", 1)


async def test_status_of_a_1_6_connector_is_told_in_the_words_of_2x(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await charger.call("StatusNotification", STATUS_16)
        fault = {"connectorId": 0, "errorCode": "ResetFailure", "status": "Faulted", "info": "board"}
        await charger.call("StatusNotification", fault)
    charging, broken = site.publisher.of(ConnectorStatusReported)
    assert (charging.evse_id, charging.connector_id) == (1, 1)
    assert (charging.state, charging.raw_status, charging.error_code) == (ConnectorState.OCCUPIED, "Charging", None)
    assert (broken.evse_id, broken.connector_id, broken.state) == (0, 0, ConnectorState.FAULTED)
    assert (broken.error_code, broken.info) == ("ResetFailure", "board")


async def test_availability_told_by_notify_event_is_a_status(site):
    bridge = await site.start()
    event = {
        "eventId": 1,
        "timestamp": NOW,
        "trigger": "Delta",
        "actualValue": "Occupied",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
        "variable": {"name": "AvailabilityState"},
    }
    async with site.booted(bridge, "garage-1", "ocpp2.1") as charger:
        noise = {**event, "eventId": 2, "variable": {"name": "Temperature"}, "actualValue": "Occupied"}
        payload = {"generatedAt": NOW, "seqNo": 0, "eventData": [event, noise]}
        assert await charger.call("NotifyEvent", payload) == {}
    [status] = site.publisher.of(ConnectorStatusReported)
    assert (status.evse_id, status.connector_id, status.state) == (2, 1, ConnectorState.OCCUPIED)


async def test_a_number_that_nothing_can_hold_is_refused_and_the_socket_lives_on(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        stop = {"transactionId": 2**63, "meterStop": 9, "timestamp": NOW}
        assert (await charger.call("StopTransaction", stop))[0] == "PropertyConstraintViolation"
        assert "currentTime" in await charger.call("Heartbeat", {})


async def test_heartbeats_are_answered_while_kafka_is_away_and_are_no_events(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.failing.add(OBSERVATIONS)
        before = len(site.publisher.handed_over)
        assert "currentTime" in await charger.call("Heartbeat", {})
        assert len(site.publisher.handed_over) == before
    assert site.metric(bridge, "calls_total", protocol="ocpp1.6", action="Heartbeat", answer="result") == 1
