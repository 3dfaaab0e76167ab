"""Log lines carry what ties them together, and no secrets."""

import json
import logging

import pytest
import structlog
from pydantic import SecretStr

from chassis.telemetry import configure_logging, span


@pytest.fixture
def lines(capsys):
    """Logs as they are written, and the loggers as they were afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    seen = []

    def read() -> list[str]:
        seen.extend(capsys.readouterr().err.splitlines())
        return seen

    yield read
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


def test_a_line_is_json_and_carries_service_trace_and_what_is_bound(lines):
    configure_logging("auth", instance="auth-1")
    with span() as here, structlog.contextvars.bound_contextvars(attempt_id="a1", charger_id="CP1"):
        structlog.stdlib.get_logger("x").info("attempt moved", to="restarting")
    (line,) = [json.loads(line) for line in lines()]
    assert line["event"] == "attempt moved"
    assert (line["service"], line["instance"], line["level"]) == ("auth", "auth-1", "info")
    assert (line["attempt_id"], line["charger_id"], line["to"]) == ("a1", "CP1", "restarting")
    assert (line["trace_id"], line["span_id"]) == (here.trace_id, here.span_id)


def test_records_of_the_standard_library_are_rendered_the_same_way(lines):
    configure_logging("auth")
    logging.getLogger("library").warning("disk at %d %%", 93, extra={"mount": "/data"})
    (line,) = [json.loads(line) for line in lines()]
    assert (line["event"], line["level"], line["mount"], line["service"]) == (
        "disk at 93 %",
        "warning",
        "/data",
        "auth",
    )


def test_secrets_are_hidden_by_name_and_by_type_however_deep(lines):
    configure_logging("auth")
    structlog.stdlib.get_logger("x").info(
        "called",
        password="hush",
        access_token="hush",
        headers={"Authorization": "Bearer hush", "accept": "text/html"},
        kept=SecretStr("hush"),
        inner={"deeper": {"client_secret": "hush"}},
    )
    assert "hush" not in lines()[0]
    assert json.loads(lines()[0])["headers"]["accept"] == "text/html"


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_without_the_values_of_local_variables(lines, style):
    configure_logging("auth", style=style)
    password = "hush"  # noqa: F841 it must not come out
    try:
        raise LookupError("no such key")
    except LookupError:
        structlog.stdlib.get_logger("x").exception("failed")
    text = "\n".join(lines())
    assert "LookupError: no such key" in text
    assert "hush" not in text.replace('password = "hush"', "")


def test_libraries_that_speak_at_every_message_are_held_back(lines):
    configure_logging("auth", level="INFO")
    logging.getLogger("aiokafka.consumer").info("a heartbeat")
    logging.getLogger("aiokafka.consumer").warning("a problem")
    assert [json.loads(line)["event"] for line in lines()] == ["a problem"]
