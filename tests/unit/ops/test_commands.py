"""What the commands read from people and files, and what they say."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from ops.__main__ import app
from ops.commands.chargers import rows_of
from ops.commands.events import as_event, for_people, moment
from ops.commands.restart import STEP_WORDS, Timeline
from ops.embedded.problems import Problem

COMMANDS = ["up", "status", "down", "demo", "restart", "events", "replay", "groups add", "groups list", "users add"]
COMMANDS += ["users role", "plan set", "plan show", "chargers import", "chargers list"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    told = CliRunner().invoke(app, [*command.split(), "--help"])
    assert told.exit_code == 0
    assert "Usage" in told.output


def test_every_step_has_words():
    from contracts.restart import Step

    assert set(STEP_WORDS) == set(Step)


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "chargers.csv"
        path.write_text(text)
        return path

    return write


def test_a_charger_file_may_leave_out_all_but_id_model_and_group(csv):
    [row] = rows_of(csv("id,model,group\nCH-1,Commander 2,harbour\n"))
    assert row["charger_id"] == "CH-1"
    assert row["label"] == "CH-1"
    assert row["security_profile"] == 1
    assert row["generate_password"]


def test_a_password_in_the_file_is_used_and_none_is_made(csv):
    text = "id,model,group,label,security_profile,password\nCH-1,X,g,Bay,2,0123456789abcdef\n"
    [row] = rows_of(csv(text))
    assert row["password"] == "0123456789abcdef"
    assert not row["generate_password"]


def test_a_charger_without_security_is_given_no_password(csv):
    [row] = rows_of(csv("id,model,group,security_profile\nCH-1,X,g,0\n"))
    assert row["password"] is None
    assert not row["generate_password"]


def test_a_missing_column_is_named(csv):
    with pytest.raises(Problem, match="column group is missing"):
        rows_of(csv("id,model\nCH-1,X\n"))


def test_a_wrong_profile_is_told_with_its_line(csv):
    with pytest.raises(Problem, match="line 3: security_profile is 'high'"):
        rows_of(csv("id,model,group,security_profile\nCH-1,X,g,1\nCH-2,X,g,high\n"))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Problem, match="can't be read"):
        rows_of(tmp_path / "none.csv")


def test_moments_are_written_as_people_write_them():
    ago = datetime.now(UTC) - moment("10m")
    assert timedelta(minutes=9, seconds=55) < ago < timedelta(minutes=10, seconds=5)
    assert moment("2026-01-31T12:00+00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment(None) is None


def test_what_is_not_a_moment_is_refused():
    with pytest.raises(Problem, match="'yesterday' is not a time"):
        moment("yesterday")


def record(value, headers=()):
    return SimpleNamespace(
        topic="ocpp.answers.v1", partition=3, offset=7, key=b"CH-1", value=value, headers=headers, timestamp=0
    )


def test_an_event_is_a_cloud_event_with_its_position():
    event = as_event(record(b'{"charger_id": "CH-1", "why": "timeout"}', [("ce_type", b"ocpp.reset-unanswered.v1")]))
    assert event["type"] == "ocpp.reset-unanswered.v1"
    assert event["subject"] == "CH-1"
    assert event["position"] == "ocpp.answers.v1/3/7"
    assert event["data"]["why"] == "timeout"
    line = for_people(event)
    assert "ocpp.reset-unanswered" in line
    assert "why=timeout" in line


def test_a_record_that_is_not_an_event_is_shown_all_the_same():
    event = as_event(record(b"\xff\x00"))
    assert event["data"] is None
    assert event["data_base64"] == "/wA="
    assert "not an event" in for_people(event)


def test_a_timeline_tells_each_step_once(capsys):
    step = {"step": "requested", "at": "2026-01-01T00:00:00+00:00", "elapsed_ms": 0}
    timeline = Timeline()
    timeline.tell({"timeline": [step]})
    timeline.tell(
        {"timeline": [step, {"step": "sent", "at": "2026-01-01T00:00:00.012+00:00", "elapsed_ms": 12}]},
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("s  ")[-1] for line in lines] == ["Requested", "Sent to the charger"]


def test_a_topic_that_does_not_exist_is_refused_with_those_that_do():
    told = CliRunner().invoke(app, ["events", "no.such.topic"])
    assert isinstance(told.exception, Problem)
    assert "restart.attempts.v1" in str(told.exception)


def test_a_replay_of_no_service_is_refused():
    told = CliRunner().invoke(app, ["replay", "nobody.view"])
    assert isinstance(told.exception, Problem)
    assert "restart-orchestrator" in str(told.exception)
