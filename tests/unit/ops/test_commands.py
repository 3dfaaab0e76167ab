"""What the commands read from people and files, and what they say."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx2
import pytest
from typer.testing import CliRunner

from ops import client
from ops.__main__ import app
from ops.client import Portal, RefusedError
from ops.commands import replay, users
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
    [row] = rows_of(csv("id,model,group\nCH-1,Commander 2,harbour\n")).values()
    assert row["charger_id"] == "CH-1"
    assert row["label"] == "CH-1"
    assert row["security_profile"] == 1
    assert row["generate_password"]


def test_a_password_in_the_file_is_used_and_none_is_made(csv):
    text = "id,model,group,label,security_profile,password\nCH-1,X,g,Bay,2,0123456789abcdef\n"
    [row] = rows_of(csv(text)).values()
    assert row["password"] == "0123456789abcdef"
    assert not row["generate_password"]


def test_a_charger_without_security_is_given_no_password(csv):
    [row] = rows_of(csv("id,model,group,security_profile\nCH-1,X,g,0\n")).values()
    assert row["password"] is None
    assert not row["generate_password"]


def test_a_missing_column_is_named(csv):
    with pytest.raises(Problem, match="column group is missing"):
        rows_of(csv("id,model\nCH-1,X\n"))


def test_a_wrong_profile_is_told_with_its_line(csv):
    with pytest.raises(Problem, match="line 3: security_profile is 'high'"):
        rows_of(csv("id,model,group,security_profile\nCH-1,X,g,1\nCH-2,X,g,high\n"))


def test_a_misspelt_column_is_refused_and_not_left_out(csv):
    with pytest.raises(Problem, match=r"no column 'pasword'\. The first line names the columns") as caught:
        rows_of(csv("id,model,group,pasword\nCH-1,X,g,0123456789abcdef\n"))
    assert "0123456789abcdef" not in str(caught.value)


def test_the_case_of_a_column_does_not_matter(csv):
    [row] = rows_of(csv("ID, Model ,GROUP\nCH-1,X,g\n")).values()
    assert (row["charger_id"], row["model"], row["group_id"]) == ("CH-1", "X", "g")


def test_a_charger_is_told_by_the_line_it_begins_on_whatever_stands_before(csv):
    rows = rows_of(csv('id,model,group,label\n\nCH-1,X,g,"Bay 1,\nupper deck"\nCH-2,X,g,Bay 2\n'))
    assert {line: row["charger_id"] for line, row in rows.items()} == {3: "CH-1", 5: "CH-2"}


def test_a_row_with_a_field_too_many_is_told_and_not_cut(csv):
    with pytest.raises(Problem, match="line 2: it has 1 more fields than the first line"):
        rows_of(csv("id,model,group,label\nCH-1,X,g,Bay 1, left\n"))


def test_a_charger_that_stands_in_two_lines_is_told_with_both(csv):
    with pytest.raises(Problem, match="line 4: CH-1 is in line 2 already"):
        rows_of(csv("id,model,group\nCH-1,X,g\nCH-2,X,g\nCH-1,X,h\n"))


def test_all_mistakes_of_a_file_are_told_at_once(csv):
    with pytest.raises(Problem, match="line 2: the id is missing; line 3: the group is missing") as caught:
        rows_of(csv("id,model,group\n,X,g\nCH-2,X\n"))
    assert "Nothing was brought in" in (caught.value.todo or "")


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


def test_a_replay_without_a_name_lists_what_there_is(capsys):
    replay._explain("portal", "", "replay: error: argument name: invalid choice: '' (choose from 'attempts', 'plans')")
    assert capsys.readouterr().out.split() == ["portal.attempts", "portal.plans"]


@pytest.mark.parametrize("listed", ["'attempts', 'plans'", "attempts, plans"])
def test_a_replay_of_what_there_is_not_names_what_there_is(listed):
    with pytest.raises(Problem, match=r"portal has no projection 'plan'\. There are: portal\.attempts, portal\.plans"):
        replay._explain("portal", "plan", f"argument name: invalid choice: 'plan' (choose from {listed})")


def test_a_service_without_projections_says_so():
    with pytest.raises(Problem, match="auth keeps no projection that could be replayed"):
        replay._explain("auth", "", "auth: unknown argument 'replay'; there are: migrate, check-migrations")


def test_a_replay_that_failed_says_its_last_word():
    with pytest.raises(Problem, match=r"portal\.plans was not replayed: OSError: no"):
        replay._explain("portal", "plans", "OSError: no")


def test_what_is_no_attempt_is_refused():
    told = CliRunner().invoke(app, ["events", "--attempt", "nonsense"])
    assert told.exit_code == 2
    assert "--attempt" in told.output


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_what_is_no_port_is_refused(port, tmp_path):
    told = CliRunner().invoke(app, ["up", "--data-dir", str(tmp_path), "--bridge-port", port])
    assert told.exit_code == 2
    assert "--bridge-port" in told.output


def test_no_password_is_asked_for_where_nothing_runs(tmp_path):
    told = CliRunner().invoke(app, ["restart", "CH-1", "--user", "alex", "--data-dir", str(tmp_path)])
    assert isinstance(told.exception, Problem)
    assert "Nothing runs in" in str(told.exception)
    assert "Password" not in told.output


@pytest.mark.parametrize(
    ("command", "begins", "offered"),
    [
        ("comeback re", "1", ["replay", "restart"]),
        ("comeback events restart.", "2", ["restart.attempts.v1", "restart.durations.v1", "restart.requests.v1"]),
        ("comeback events fleet.cr", "2", []),
        ("comeback replay po", "2", ["portal."]),
        ("comeback plan set harbour b", "4", ["basic", "business"]),
    ],
)
def test_the_tab_key_completes_commands_topics_services_and_plans(command, begins, offered):
    environment = {"_COMEBACK_COMPLETE": "complete_bash", "COMP_WORDS": command, "COMP_CWORD": begins}
    told = CliRunner().invoke(app, [], prog_name="comeback", env=environment)
    assert sorted(told.output.split()) == offered


class _Refuses(Portal):
    """A portal that makes a login and refuses everything else."""

    def __init__(self, *, there_already: bool = False) -> None:
        super().__init__("http://portal.test")
        self._there_already = there_already

    def post(self, *_, **__):
        if self._there_already:
            raise RefusedError("There is a user 'bob' already", 409)
        return {"user_id": "bob", "password": "made for bob"}

    def put(self, *_):
        raise RefusedError("There is no group 'nowhere'", 404)


def test_the_password_of_a_new_login_is_shown_even_where_its_membership_is_refused(monkeypatch):
    monkeypatch.setattr(users, "with_operator", lambda _: _Refuses())
    told = CliRunner().invoke(app, ["users", "add", "bob", "--group", "nowhere"])
    assert "Password, shown this once: made for bob" in told.output
    assert "bob is user of" not in told.output
    assert str(told.exception) == "There is no group 'nowhere'."


def test_a_login_that_is_there_already_is_told_with_what_to_do(monkeypatch):
    monkeypatch.setattr(users, "with_operator", lambda _: _Refuses(there_already=True))
    told = CliRunner().invoke(app, ["users", "add", "bob", "--group", "harbour"])
    assert "There is a user bob already. Make this person a member of a group with `comeback users role`." in str(
        told.exception
    )


def test_a_refusal_is_told_in_words_before_the_call_that_was_refused():
    problem = {
        "detail": "These fields are missing or wrong: path.group_id",
        "errors": [
            {"field": "path.group_id", "code": "string_pattern_mismatch", "detail": "String should match pattern '^x'"},
            {"field": "body.password", "code": "too_short", "detail": "too short"},
        ],
    }
    refused = client._refused("PUT", "/api/v1/groups/a b", httpx2.Response(422, json=problem))
    assert str(refused) == (
        "group_id holds a character that it may not hold, or is too long; password: too short "
        "(PUT /api/v1/groups/a b was answered 422)."
    )
    assert "the portal" in str(client._refused("GET", "/x", httpx2.Response(502, text="<html>"))).lower()
