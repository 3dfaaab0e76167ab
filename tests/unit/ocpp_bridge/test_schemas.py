"""Payloads are checked against OCPP's own schemas: mended, tolerated, or refused with the right word."""

import time

import pytest

from ocpp_bridge.dialects import DIALECTS, V16, V21, V201, choose
from ocpp_bridge.schemas import Violation, schemas

BOOT_16 = {"chargePointVendor": "Acme", "chargePointModel": "One"}
RESET = {"status": "Accepted"}


def test_a_good_payload_is_passed_on_as_it_is():
    checked = V16.schemas.check_call("BootNotification", BOOT_16)
    assert checked.payload is BOOT_16
    assert checked.deviations == ()
    assert checked.violation is None


@pytest.mark.parametrize("dialect", [V201, V21], ids=lambda dialect: dialect.protocol)
def test_a_null_status_info_is_taken_out_and_counted(dialect):
    checked = dialect.schemas.check_answer("Reset", {"status": "Accepted", "statusInfo": None})
    assert checked.payload == RESET
    assert checked.deviations == ("Null",)
    assert checked.violation is None


def test_nulls_are_taken_out_of_the_depth():
    payload = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V", "modem": {"iccid": None}}}
    checked = V201.schemas.check_call("BootNotification", payload)
    assert checked.payload["chargingStation"]["modem"] == {}
    assert checked.violation is None


def test_whole_floats_are_integers():
    payload = {"connectorId": 1.0, "errorCode": "NoError", "status": "Available"}
    checked = V16.schemas.check_call("StatusNotification", payload)
    assert checked.payload["connectorId"] == 1
    assert isinstance(checked.payload["connectorId"], int)
    assert checked.deviations == ("WholeFloat",)


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"chargePointModel": "x" * 21}, "MaxLength"), ({"invention": 1}, "AdditionalProperties")],
)
def test_deviations_that_lose_no_meaning_are_tolerated(change, kind):
    checked = V16.schemas.check_call("BootNotification", {**BOOT_16, **change})
    assert checked.deviations == (kind,)
    assert checked.violation is None


@pytest.mark.parametrize(
    ("payload", "violation", "where"),
    [
        ({"connectorId": 1, "errorCode": "NoError"}, Violation.OCCURRENCE, "status"),
        ({"connectorId": "1", "errorCode": "NoError", "status": "Available"}, Violation.TYPE, "connectorId"),
        ({"connectorId": 1, "errorCode": "NoError", "status": "Asleep"}, Violation.PROPERTY, "status"),
        ({"connectorId": 1, "errorCode": None, "status": "Available"}, Violation.OCCURRENCE, "errorCode"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_place(payload, violation, where):
    checked = V16.schemas.check_call("StatusNotification", payload)
    assert checked.violation is violation
    assert where in checked.why


def test_every_version_has_its_own_actions():
    assert V16.schemas.knows("StartTransaction")
    assert not V16.schemas.knows("TransactionEvent")
    assert V201.schemas.knows("TransactionEvent")
    assert not V201.schemas.knows("NotifyDERAlarm")
    assert V21.schemas.knows("NotifyDERAlarm")
    assert not V16.schemas.knows("BootNotificationResponse")


def test_schemas_are_compiled_once_and_quickly():
    assert schemas("v21") is V21.schemas
    began = time.perf_counter()
    type(V21.schemas)("v21")
    assert time.perf_counter() - began < 2.0


def test_the_clients_order_chooses_the_dialect():
    assert choose(["ocpp2.1", "ocpp1.6"]) is V21
    assert choose(["ocpp1.6", "ocpp2.1"]) is V16
    assert choose(["mqtt", "ocpp2.0.1"]) is V201
    assert choose(["OCPP1.6", ""]) is None
    assert choose([]) is None


def test_every_dialect_has_a_code_for_every_violation():
    for dialect in DIALECTS.values():
        assert set(dialect.codes) == set(Violation)
