"""Frames as people may see them: without passwords, keys and the ids of people's cards."""

import orjson
import pytest

from contracts.ocpp import FRAME_KEPT
from ocpp_bridge.redaction import HIDDEN, redact, shown

SECRET = "correct-horse-battery"


def frame(payload) -> bytes:
    return orjson.dumps([2, "m1", "Whatever", payload])


@pytest.mark.parametrize(
    "payload",
    [
        {"key": "AuthorizationKey", "value": SECRET},
        {"configurationKey": [{"readonly": False, "value": SECRET, "key": "authorizationKey"}]},
        {"setVariableData": [{"attributeValue": SECRET, "variable": {"name": "BasicAuthPassword"}, "component": {}}]},
        {"eventData": [{"actualValue": SECRET, "variable": {"name": "BasicAuthPassword"}, "component": {}}]},
        {"connectionData": {"basicAuthPassword": SECRET, "apn": {"apnPassword": SECRET}}},
        {"connectionData": {"vpn": {"password": SECRET, "key": SECRET, "user": "u"}}},
        {"idTag": SECRET, "connectorId": 1},
        {"idToken": {"idToken": SECRET, "type": "Central"}},
        {"idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": SECRET, "type": "Central"}}},
        {"idTagInfo": {"status": "Accepted", "parentIdTag": SECRET}},
        {"location": f"ftp://user:{SECRET}@files.example/logs"},
    ],
)
def test_secrets_are_hidden_wherever_ocpp_puts_them(payload):
    text = redact(frame(payload))
    assert SECRET not in text
    assert HIDDEN in text
    assert orjson.loads(text)[:3] == [2, "m1", "Whatever"]


@pytest.mark.parametrize("cut", range(20, 130, 7))
def test_secrets_are_hidden_in_what_is_cut_off_or_no_json(cut):
    whole = frame({"setVariableData": [{"attributeValue": SECRET, "variable": {"name": "BasicAuthPassword"}}]})
    assert SECRET not in redact(b"password " + whole[:cut])


def test_a_frame_without_secrets_is_shown_as_it_was_sent():
    sent = b'[2,  "m1", "StatusNotification", {"status" : "Available"}]'
    assert redact(sent) == sent.decode()


def test_values_that_are_no_secrets_stay():
    text = redact(frame({"idTag": SECRET, "key": "HeartbeatInterval", "value": "60"}))
    assert orjson.loads(text)[3] == {"idTag": HIDDEN, "key": "HeartbeatInterval", "value": "60"}


def test_what_is_shown_is_cut_after_the_secrets_are_hidden():
    long = frame({"data": "x" * FRAME_KEPT, "key": "AuthorizationKey", "value": SECRET})
    assert len(shown(long)) == FRAME_KEPT
    assert SECRET not in shown(long)


def test_bytes_that_are_no_text_are_shown_all_the_same():
    assert "m1" in shown(b'[2, "m1", "\xff\xfe"]')
