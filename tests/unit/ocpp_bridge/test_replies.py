"""Every request that a charger can send gets an answer that OCPP's own schema accepts."""

import asyncio
import inspect
from datetime import UTC, datetime

import pytest

from contracts.fleet import Registration
from contracts.ocpp import ConnectorState, FirmwareStatusReported, TransactionUpdated
from ocpp_bridge import calls_v2, calls_v16
from ocpp_bridge.calls import HANDLERS
from ocpp_bridge.dialects import DIALECTS
from ocpp_bridge.handling import Context, Reply, told_time, wire_time

NOW = datetime(2026, 3, 4, 10, 0, 0, 5000, tzinfo=UTC)
TEXT = "2026-03-04T10:00:00Z"


class Transactions:
    async def started(self, *_start):
        return 7

    async def stopped(self, _charger_id, transaction_id):
        return 1 if transaction_id == 7 else None


def context(registration=Registration.ACCEPTED) -> Context:
    return Context(
        charger_id="garage-1",
        epoch=3,
        now=NOW,
        registration=registration,
        heartbeat_interval=300,
        boot_retry=60,
        asked_to_boot=False,
        owed_since=None,
        transactions=Transactions(),
    )


EVENT = {
    "eventId": 1,
    "timestamp": TEXT,
    "trigger": "Delta",
    "actualValue": "Faulted",
    "eventNotificationType": "HardWiredNotification",
    "component": {"name": "ChargingStation"},
    "variable": {"name": "AvailabilityState"},
}
PAYLOADS = {
    "ocpp1.6": {
        "BootNotification": {"chargePointVendor": "Acme", "chargePointModel": "One"},
        "FirmwareStatusNotification": {"status": "Installing"},
        "MeterValues": {"connectorId": 1, "transactionId": 7, "meterValue": []},
        "SecurityEventNotification": {"type": "ResetOrReboot", "timestamp": TEXT},
        "SignedFirmwareStatusNotification": {"status": "InstallRebooting", "requestId": 1},
        "StartTransaction": {"connectorId": 1, "idTag": "t", "meterStart": 1, "timestamp": TEXT},
        "StatusNotification": {"connectorId": 0, "errorCode": "NoError", "status": "Available"},
        "StopTransaction": {"transactionId": 7, "meterStop": 2, "timestamp": TEXT},
    },
    "2.x": {
        "BootNotification": {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
        "FirmwareStatusNotification": {"status": "Installing"},
        "NotifyEvent": {"generatedAt": TEXT, "seqNo": 0, "eventData": [EVENT]},
        "SecurityEventNotification": {"type": "ResetOrReboot", "timestamp": TEXT},
        "StatusNotification": {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": TEXT},
        "TransactionEvent": {
            "eventType": "Started",
            "timestamp": TEXT,
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "t"},
            "idToken": {"idToken": "t", "type": "Central"},
        },
        "VatNumberValidation": {"vatNumber": "DE1"},
        "GetCertificateChainStatus": {
            "certificateStatusRequests": [
                {
                    "certificateHashData": {
                        "hashAlgorithm": "SHA256",
                        "issuerNameHash": "a",
                        "issuerKeyHash": "b",
                        "serialNumber": "1",
                    },
                    "source": "OCSP",
                    "urls": ["u"],
                }
            ]
        },
    },
}
CASES = [(protocol, action) for protocol, handlers in HANDLERS.items() for action in handlers]


def handle(protocol, action, payload, **about) -> Reply:
    reply = HANDLERS[protocol][action](context(**about), payload)
    return asyncio.run(_wait(reply)) if inspect.isawaitable(reply) else reply


async def _wait(reply):
    return await reply


@pytest.mark.parametrize(("protocol", "action"), CASES)
def test_the_answer_fits_its_schema(protocol, action):
    payloads = PAYLOADS["ocpp1.6" if protocol == "ocpp1.6" else "2.x"]
    reply = handle(protocol, action, payloads.get(action, {}))
    checked = DIALECTS[protocol].schemas.check_answer(action, reply.payload)
    assert checked.violation is None, checked.why
    assert checked.deviations == ()


@pytest.mark.parametrize("protocol", list(DIALECTS))
def test_what_is_handled_is_in_the_schemas(protocol):
    assert set(HANDLERS[protocol]) <= DIALECTS[protocol].schemas.actions


@pytest.mark.parametrize("registration", list(Registration))
def test_a_boot_is_answered_by_the_chargers_registration(registration):
    for protocol in HANDLERS:
        payloads = PAYLOADS["ocpp1.6" if protocol == "ocpp1.6" else "2.x"]
        reply = handle(protocol, "BootNotification", payloads["BootNotification"], registration=registration)
        assert reply.payload["status"] == registration.value.capitalize()
        assert reply.payload["interval"] == (300 if registration is Registration.ACCEPTED else 60)
        assert reply.registration is registration


def test_every_status_of_1_6_has_a_state_of_2x():
    words = [
        "Available",
        "Preparing",
        "Charging",
        "SuspendedEVSE",
        "SuspendedEV",
        "Finishing",
        "Reserved",
        "Unavailable",
        "Faulted",
    ]
    assert set(calls_v16.STATES) == set(words)
    assert calls_v16.STATES["Finishing"] is ConnectorState.OCCUPIED
    assert set(calls_v2.STATES) == {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}


@pytest.mark.parametrize(
    ("status", "updating"),
    [("Downloading", True), ("Installing", True), ("Idle", False), ("Installed", False), ("InstallationFailed", False)],
)
def test_firmware_states_say_whether_an_update_is_under_way(status, updating):
    [said] = handle("ocpp1.6", "FirmwareStatusNotification", {"status": status}).said
    assert isinstance(said.observation, FirmwareStatusReported)
    assert (said.observation.status, said.observation.updating) == (status, updating)


@pytest.mark.parametrize(
    ("samples", "wh"),
    [
        ([{"value": "1500"}], 1500.0),
        ([{"value": "1.5", "unit": "kWh"}], 1500.0),
        ([{"value": "9", "phase": "L1"}, {"value": "27"}], 27.0),
        ([{"value": "16", "measurand": "Current.Import"}], None),
        ([{"value": "broken"}], None),
        ([{"value": 1.5, "unitOfMeasure": {"unit": "Wh", "multiplier": 3}}], 1500.0),
        ([{"value": "OC7F", "format": "SignedData"}], None),
        ([{"value": "NaN"}], None),
        ([{"value": "1e308", "unit": "kWh"}, {"value": "5"}], 5.0),
    ],
)
def test_the_energy_register_is_read_in_wh(samples, wh):
    payload = {"connectorId": 1, "transactionId": 7, "meterValue": [{"timestamp": TEXT, "sampledValue": samples}]}
    [said] = handle("ocpp1.6", "MeterValues", payload).said
    assert isinstance(said.observation, TransactionUpdated)
    assert said.observation.meter_wh == wh


def test_meter_values_outside_of_a_transaction_are_no_observation():
    assert handle("ocpp1.6", "MeterValues", {"connectorId": 1, "meterValue": []}).said == ()


def test_time_on_the_wire_has_fractional_seconds_and_a_zone():
    assert wire_time(NOW) == "2026-03-04T10:00:00.005Z"
    assert told_time("2026-03-04T11:00:00+01:00") == datetime(2026, 3, 4, 10, tzinfo=UTC)
    assert told_time("2026-03-04T10:00:00") == datetime(2026, 3, 4, 10, tzinfo=UTC)
    assert told_time("yesterday") is None
    assert told_time("0001-01-01T00:00:00+01:00") is None
    assert told_time("9999-12-31T23:59:59-01:00") is None
    assert told_time(None) is None
