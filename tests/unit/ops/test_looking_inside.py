"""`comeback call` and `comeback inspect`: what they read from people, whom they ask, and what they say."""

import pytest
from typer.testing import CliRunner

from ops.__main__ import app
from ops.client import RefusedError
from ops.commands.calling import fields
from ops.commands.inspecting import bridge_urls, find, lines, skew, summary
from ops.embedded.problems import Problem

AT = "2026-03-04T10:00:00.250000Z"
TOLD = {
    "charger_id": "CP-1",
    "held_here": True,
    "online": True,
    "bridge": "bridge-1.abc",
    "epoch": 7,
    "protocol": "ocpp1.6",
    "since": AT,
    "until": None,
    "accepted": True,
    "restarting": True,
    "vendor": "Acme",
    "model": "One",
    "firmware": "1.2",
    "serial": None,
    "clock_skew_s": -75.2,
    "silent_s": 0.5,
    "deviations": [{"action": "BootNotification", "kind": "Null", "count": 3}],
    "frames": [
        {"at": AT, "from_charger": True, "text": '[2,"1","Heartbeat",{}]', "truncated": False},
        {"at": AT, "from_charger": False, "text": '[3,"1",', "truncated": True},
    ],
}


class Bridge:
    def __init__(self, answer):
        self.answer = answer

    def get(self, _path):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("command", ["call", "inspect"])
def test_the_commands_have_help_with_what_they_take(command):
    told = CliRunner().invoke(app, [command, "--help"])
    assert told.exit_code == 0
    assert "charger" in told.output


def test_the_help_of_call_names_every_call_that_the_bridge_allows():
    from ops.commands import calling

    assert calling.call.__doc__ is not None
    for action in ("TriggerMessage", "GetVariables", "SetVariables", "ChangeConfiguration", "ChangeAvailability"):
        assert action in calling.call.__doc__


@pytest.mark.parametrize("text", ["", "{", "[]", "5"])
def test_a_payload_that_is_no_json_object_is_refused_in_words(text):
    with pytest.raises(Problem, match="payload"):
        fields(text)


def test_a_payload_is_read_as_json():
    assert fields('{"key": []}') == {"key": []}


def test_the_bridge_that_holds_the_charger_is_the_one_that_counts():
    elsewhere = TOLD | {"held_here": False, "frames": []}
    assert find([Bridge(elsewhere), Bridge(TOLD)], "CP-1") is TOLD


def test_what_a_bridge_remembers_is_better_than_nothing():
    elsewhere = TOLD | {"held_here": False}
    never = RefusedError("no", 404)
    assert find([Bridge(never), Bridge(elsewhere)], "CP-1") is elsewhere
    with pytest.raises(Problem, match="CP-1"):
        find([Bridge(never)], "CP-1")
    with pytest.raises(RefusedError):
        find([Bridge(RefusedError("no", 403))], "CP-1")


def test_bridges_are_those_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("COMEBACK_BRIDGE_URL", "http://one:1, http://two:2")
    assert bridge_urls(None) == ["http://one:1", "http://two:2"]


def test_a_charger_is_told_of_with_its_clock_its_deviations_and_its_frames():
    text = "\n".join(lines(TOLD))
    for told in ("online, being restarted", "ocpp1.6", "7, since", "bridge-1.abc", "Acme One", "75 s behind"):
        assert told in text
    assert "3 x Null in BootNotification" in text
    assert '> [2,"1","Heartbeat",{}]' in text
    assert '< [3,"1", …' in text


def test_a_session_is_told_of_in_one_line():
    line = summary(TOLD | {"deviations": 3})
    assert "\n" not in line
    assert "CP-1" in line
    assert "deviations 3" in line


@pytest.mark.parametrize(("seconds", "words"), [(None, "unknown"), (0.4, "right"), (12.0, "12 s ahead")])
def test_a_clock_is_told_of_in_words(seconds, words):
    assert skew(seconds) == words
