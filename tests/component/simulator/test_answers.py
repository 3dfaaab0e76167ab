"""What a charger answers to its server's calls."""

import pytest

from simulator.testing import LittleServer

V2 = ("ocpp2.0.1", "ocpp2.1")


@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        ("GetConfiguration", {"key": ["Nonsense"]}, {"configurationKey": [], "unknownKey": ["Nonsense"]}),
        ("ChangeConfiguration", {"key": "ResetRetries", "value": "3"}, {"status": "Accepted"}),
        ("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "3"}, {"status": "Rejected"}),
        ("ChangeConfiguration", {"key": "Nonsense", "value": "3"}, {"status": "NotSupported"}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "not hex"}, {"status": "Rejected"}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "00" * 15}, {"status": "Rejected"}),
        ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}, {"status": "Accepted"}),
        ("ChangeAvailability", {"connectorId": 7, "type": "Inoperative"}, {"status": "Rejected"}),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "Accepted"}),
        ("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"}, {"status": "NotImplemented"}),
        ("RemoteStopTransaction", {"transactionId": 4711}, {"status": "Rejected"}),
        ("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}),
        ("UnlockConnector", {"connectorId": 7}, {"status": "NotSupported"}),
        ("ClearCache", {}, {"status": "Accepted"}),
        ("DataTransfer", {"vendorId": "x"}, {"status": "UnknownVendorId"}),
        ("GetLocalListVersion", {}, {"listVersion": -1}),
        ("SetChargingProfile", {}, "NotImplemented"),
        ("ChangeConfiguration", {}, "FormationViolation"),
        ("Reset", {"type": "Immediate"}, "PropertyConstraintViolation"),
    ],
)
async def test_answers_on_1_6(*, action, payload, expected, server, start, violations):
    await start()
    assert await server.ask(action, payload) == expected
    assert violations(server, "ocpp1.6") == []


@pytest.mark.parametrize("protocol", V2)
@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        ("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Rejected"}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1}}, {"status": "Accepted"}),
        ("TriggerMessage", {"requestedMessage": "SignV2GCertificate"}, {"status": "NotImplemented"}),
        ("ChangeAvailability", {"operationalStatus": "Inoperative"}, {"status": "Accepted"}),
        ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 9}}, {"status": "Rejected"}),
        ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, {"status": "NotSupported"}),
        ("RequestStopTransaction", {"transactionId": "nonsense"}, {"status": "Rejected"}),
        ("GetTransactionStatus", {}, {"messagesInQueue": False}),
        ("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": "Unlocked"}),
        ("UnlockConnector", {"evseId": 9, "connectorId": 1}, {"status": "UnknownConnector"}),
        ("GetLocalListVersion", {}, {"versionNumber": 0}),
        ("SetChargingProfile", {}, "NotImplemented"),
        ("SetVariables", {}, "FormatViolation"),
        ("Reset", {"type": "Soft"}, "PropertyConstraintViolation"),
        ("Reset", {"type": "Immediate", "evseId": "one"}, "TypeConstraintViolation"),
    ],
)
async def test_answers_on_2_x(*, action, payload, expected, protocol, server, start, violations):
    await start(protocol=protocol)
    assert await server.ask(action, payload) == expected
    assert violations(server, protocol) == []


async def test_variables_are_read_and_set_one_by_one(server, start, violations):
    await start(protocol="ocpp2.0.1")

    def item(component: str, variable: str, **more: str) -> dict[str, object]:
        return {"component": {"name": component}, "variable": {"name": variable}, **more}

    values = [
        item("OCPPCommCtrlr", "ResetRetries", attributeValue="5"),
        item("ChargingStation", "Model", attributeValue="5"),
        item("Nonsense", "Model", attributeValue="5"),
        item("SecurityCtrlr", "BasicAuthPassword", attributeValue="too short"),
    ]
    written = await server.ask("SetVariables", {"setVariableData": values})
    assert [one["attributeStatus"] for one in written["setVariableResult"]] == [
        "Accepted",
        "Rejected",
        "UnknownComponent",
        "Rejected",
    ]
    asked = [
        item("OCPPCommCtrlr", "ResetRetries"),
        item("OCPPCommCtrlr", "Nonsense"),
        item("OCPPCommCtrlr", "ResetRetries", attributeType="Target"),
        item("SecurityCtrlr", "BasicAuthPassword"),
    ]
    read = await server.ask("GetVariables", {"getVariableData": asked})
    assert [(one["attributeStatus"], one.get("attributeValue")) for one in read["getVariableResult"]] == [
        ("Accepted", "5"),
        ("UnknownVariable", None),
        ("NotSupportedAttributeType", None),
        ("Rejected", None),
    ]
    assert violations(server, "ocpp2.0.1") == []


async def test_configuration_hides_the_password(server, start):
    await start()
    keys = (await server.ask("GetConfiguration", {}))["configurationKey"]
    assert {"key": "AuthorizationKey", "readonly": False} in keys


async def test_a_new_heartbeat_interval_is_used(server, start):
    await start()
    await server.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "1"})
    await server.received("Heartbeat", 2)


async def test_a_1_6_charger_boots_on_the_same_socket_when_triggered(server, start):
    charger = await start()
    assert await server.ask("TriggerMessage", {"requestedMessage": "BootNotification"}) == {"status": "Accepted"}
    await server.received("BootNotification", 2)
    assert (len(server.sockets), charger.facts.restarts) == (1, 0)


async def test_an_accepted_authorization_key_is_used_from_the_next_socket_on(server, start):
    server.passwords = {"CH-1": b"old password 123"}
    charger = await start(password="old password 123")
    key = bytes(range(200, 216))
    answered = await server.ask("ChangeConfiguration", {"key": "AuthorizationKey", "value": key.hex()})
    assert answered == {"status": "Accepted"}
    server.passwords = {"CH-1": key}
    await server.until(lambda: len(server.sockets) == 2)
    await charger.ready()
    assert (charger.facts.boots_sent, charger.facts.handshakes_refused) == (1, [])


async def test_an_accepted_basic_auth_password_is_used_from_the_next_socket_on(server, start):
    server.passwords = {"CH-1": b"old"}
    await start(protocol="ocpp2.0.1", password="old")
    new = "a new password with ü"
    data = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": new}
    await server.ask("SetVariables", {"setVariableData": [data]})
    server.passwords = {"CH-1": new.encode()}
    await server.until(lambda: len(server.sockets) == 2)


@pytest.mark.parametrize(
    ("protocol", "begin", "action"),
    [
        ("ocpp1.6", ("RemoteStartTransaction", {"idTag": "TAG"}), "StopTransaction"),
        (
            "ocpp2.0.1",
            ("RequestStartTransaction", {"remoteStartId": 7, "idToken": {"idToken": "TAG", "type": "Central"}}),
            "TransactionEvent",
        ),
    ],
)
async def test_a_transaction_is_started_and_stopped_from_afar(*, protocol, begin, action, server, start, violations):
    charger = await start(protocol=protocol)
    assert await server.ask(*begin) == {"status": "Accepted"}
    await server.until(lambda: bool(server.calls("StartTransaction") or server.calls("TransactionEvent")))
    assert await server.ask(*begin) == {"status": "Rejected"}
    transaction = charger.connectors[1].transaction
    stop = (
        ("RemoteStopTransaction", {"transactionId": transaction.number})
        if protocol == "ocpp1.6"
        else ("RequestStopTransaction", {"transactionId": transaction.uid})
    )
    assert await server.ask(*stop) == {"status": "Accepted"}
    await charger.until_idle()
    ended = await server.received(action, 1 if protocol == "ocpp1.6" else 2)
    assert "Remote" in (ended.payload.get("reason"), ended.payload.get("transactionInfo", {}).get("stoppedReason"))
    assert violations(server, protocol) == []


async def test_availability_waits_for_a_transaction_and_survives_a_restart(server, start):
    charger = await start()
    await charger.start_transaction(1)
    answered = await server.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    assert answered == {"status": "Scheduled"}
    assert charger.connectors[1].status_16 == "Charging"
    await charger.stop_transaction(1)
    await charger.power_cycle()
    await server.received("BootNotification", 2)
    await charger.ready()
    assert server.calls("StatusNotification")[-1].payload["status"] == "Unavailable"


@pytest.mark.parametrize(
    ("protocol", "request_"),
    [
        ("ocpp1.6", {"location": "http://files.example/v2.0.0", "retrieveDate": "2026-01-01T00:00:00Z"}),
        (
            "ocpp2.0.1",
            {
                "requestId": 1,
                "firmware": {"location": "http://files.example/v2.0.0", "retrieveDateTime": "2026-01-01T00:00:00Z"},
            },
        ),
    ],
)
async def test_a_firmware_update_ends_in_a_restart_with_the_new_version(protocol, request_, server, start, violations):
    charger = await start(protocol=protocol)
    await server.ask("UpdateFirmware", request_)
    boot = await server.received("BootNotification", 2)
    await server.received("FirmwareStatusNotification", 4)
    assert [frame.payload["status"] for frame in server.calls("FirmwareStatusNotification")] == [
        "Downloading",
        "Downloaded",
        "Installing",
        "Installed",
    ]
    station = boot.payload.get("chargingStation", boot.payload)
    assert station["firmwareVersion"] == "v2.0.0"
    assert charger.facts.restarts == 1
    assert violations(server, protocol) == []


@pytest.mark.parametrize(
    ("text", "message_id"), [("{not JSON", "-1"), ('{"an": "object"}', "-1"), ('[9, "abc", "Reset", {}]', "abc")]
)
async def test_an_unreadable_frame_gets_a_callerror_and_the_socket_lives_on(text, message_id, server, start):
    await start()
    await server.newest().websocket.send_str(text)
    assert (await server.answer_to(message_id)).frame.error_code == "ProtocolError"
    assert "configurationKey" in await server.ask("GetConfiguration", {})


async def test_an_answer_that_nobody_waits_for_is_counted(server: LittleServer, start):
    charger = await start()
    await server.newest().websocket.send_str('[3, "nobody-asked", {}]')
    await server.ask("GetConfiguration", {})
    assert charger.facts.answers_unmatched == 1
