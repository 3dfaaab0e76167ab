"""Which calls an operator may make: the list, the schemas, and what no call may do."""

import pytest

from ocpp_bridge.allowed_calls import ALLOWED, asks_for_boot, obstacle
from ocpp_bridge.dialects import DIALECTS, V16, V201
from ocpp_bridge.protected_settings import forbids


def judged(dialect, action, payload, *, profile=1, attempt_open=False):
    found = obstacle(dialect, action, payload, profile=profile, attempt_open=attempt_open, forbids=forbids)
    return None if found is None else found.why


def setting(name, value="1"):
    variable = {"attributeValue": value, "component": {"name": "SecurityCtrlr"}, "variable": {"name": name}}
    return {"setVariableData": [variable]}


@pytest.mark.parametrize("protocol", DIALECTS)
def test_every_call_on_the_list_is_one_of_its_version(protocol):
    assert ALLOWED[protocol] <= DIALECTS[protocol].schemas.actions


@pytest.mark.parametrize("protocol", DIALECTS)
@pytest.mark.parametrize(
    "action", ["Reset", "UnlockConnector", "UpdateFirmware", "InstallCertificate", "DataTransfer", "SetNetworkProfile"]
)
def test_a_reset_and_what_can_not_be_taken_back_are_never_on_the_list(protocol, action):
    assert judged(DIALECTS[protocol], action, {"type": "Immediate"}) == "not_allowed"


def test_who_asks_for_a_reset_is_told_what_to_ask_for_instead():
    found = obstacle(V16, "Reset", {"type": "Soft"}, profile=1, attempt_open=False, forbids=forbids)
    assert found is not None
    assert "ask for a restart" in found.detail


@pytest.mark.parametrize(
    ("dialect", "action", "payload"),
    [
        (V16, "TriggerMessage", {"requestedMessage": "Heartbeat"}),
        (V16, "GetConfiguration", {}),
        (V16, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
        (V16, "ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
        (V201, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
        (V201, "SetVariables", setting("HeartbeatInterval")),
    ],
)
def test_what_reads_or_can_be_taken_back_may_be_called(dialect, action, payload):
    assert judged(dialect, action, payload) is None


@pytest.mark.parametrize(
    ("dialect", "action", "payload"),
    [
        (V16, "ChangeConfiguration", {"key": "HeartbeatInterval"}),
        (V16, "GetConfiguration", {"invention": 1}),
        (V201, "GetBaseReport", {"requestId": 1, "reportBase": None}),
        (V201, "GetBaseReport", {"requestId": "one", "reportBase": "FullInventory"}),
    ],
)
def test_we_send_nothing_that_the_schemas_refuse_not_even_what_we_forgive_chargers(dialect, action, payload):
    assert judged(dialect, action, payload) == "invalid"


@pytest.mark.parametrize("action", ["TriggerMessage", "ExtendedTriggerMessage"])
def test_a_boot_is_not_asked_for_while_a_restart_is_under_way_and_may_be_otherwise(action):
    payload = {"requestedMessage": "BootNotification"}
    assert asks_for_boot(action, payload)
    assert judged(V16, action, payload, attempt_open=True) == "attempt_open"
    assert judged(V16, action, payload) is None
    assert judged(V16, action, {"requestedMessage": "Heartbeat"}, attempt_open=True) is None


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", " AuthorizationKey "])
def test_a_password_is_not_set_by_a_call(key):
    assert judged(V16, "ChangeConfiguration", {"key": key, "value": "x" * 20}) == "not_allowed"
    assert judged(V201, "SetVariables", setting("BasicAuthPassword", "x" * 20)) == "not_allowed"


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
@pytest.mark.parametrize("value", ["0", "1", "2", "3"])
def test_no_call_changes_the_security_profile(profile, value):
    payload = {"key": "SecurityProfile", "value": value}
    assert judged(V16, "ChangeConfiguration", payload, profile=profile) == "not_allowed"
    assert judged(V201, "SetVariables", setting("SecurityProfile", value), profile=profile) == "not_allowed"
    assert judged(V201, "SetVariables", setting("AllowSecurityProfileDowngrade"), profile=profile) == "not_allowed"


def test_a_charger_with_tls_is_not_led_to_an_address_without():
    plain = {"key": "BackendUrl", "value": "ws://csms.example/ocpp"}
    assert judged(V16, "ChangeConfiguration", plain, profile=2) == "not_allowed"
    assert judged(V16, "ChangeConfiguration", plain, profile=1) is None
    assert judged(V16, "ChangeConfiguration", {"key": "BackendUrl", "value": "wss://csms.example"}, profile=2) is None
    assert judged(V201, "SetVariables", setting("NetworkConfigurationPriority", "2,1"), profile=3) == "not_allowed"


def test_one_forbidden_setting_among_others_is_enough():
    both = setting("HeartbeatInterval")
    both["setVariableData"] += setting("BasicAuthPassword", "x" * 20)["setVariableData"]
    assert judged(V201, "SetVariables", both) == "not_allowed"
