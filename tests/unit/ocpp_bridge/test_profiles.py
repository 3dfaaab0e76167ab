"""Nothing lowers a security profile over OCPP (A00.FR.005)."""

import pytest

from ocpp_bridge.profiles import lowers_profile


@pytest.mark.parametrize("name", ["SecurityProfile", "securityprofile", " SecurityProfile "])
@pytest.mark.parametrize(("value", "profile"), [("0", 1), ("1", 2), ("1", 3), ("2", 3), ("-1", 0), ("two", 1), ("", 1)])
def test_a_lower_profile_is_named_as_such(name, value, profile):
    assert lowers_profile(name, value, profile) is not None


@pytest.mark.parametrize(("value", "profile"), [("1", 1), ("2", 1), ("3", 2), (" 3 ", 3), ("0", 0)])
def test_the_same_and_a_higher_one_lower_nothing(value, profile):
    assert lowers_profile("SecurityProfile", value, profile) is None


def test_the_door_to_a_lower_profile_stays_shut():
    assert lowers_profile("AllowSecurityProfileDowngrade", "true", 3) is not None
    assert lowers_profile("AllowSecurityProfileDowngrade", "false", 3) is None


def test_other_settings_are_none_of_its_business():
    assert lowers_profile("HeartbeatInterval", "0", 3) is None
