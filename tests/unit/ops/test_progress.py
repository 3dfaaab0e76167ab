"""A start is told in plain lines, or live on a terminal."""

import io

import pytest
from rich.console import Console

from ops.embedded.progress import LiveReporter, PlainReporter, Reporter, reporter, step


def lines(out: io.StringIO) -> list[str]:
    return [line[10:] for line in out.getvalue().splitlines()]


def test_plain_lines_say_begin_outcome_and_notes():
    out = io.StringIO()
    plain = PlainReporter(out)
    with step(plain, "Kafka") as starting:
        plain.note("by the way")
        starting.outcome = "ready"
    assert lines(out) == ["Kafka ...", "by the way", "Kafka: ready"]


def test_a_failed_step_is_said_to_have_failed():
    out = io.StringIO()
    with pytest.raises(ValueError, match="why"), step(PlainReporter(out), "Kafka"):
        raise ValueError("why")
    assert lines(out) == ["Kafka ...", "Kafka: failed"]


def test_plain_downloads_are_told_now_and_then_and_at_the_end():
    out = io.StringIO()
    plain = PlainReporter(out)
    for mib in range(41):
        plain.downloaded("Download", mib * 2**20, 40 * 2**20, "a.jar")
    assert lines(out) == ["Download: 0.0 of 40.0 MiB (a.jar)", "Download: 40.0 of 40.0 MiB (a.jar)"]


def test_a_terminal_gets_one_ticked_line_for_each_step():
    out = io.StringIO()
    live = LiveReporter(Console(file=out, force_terminal=True, width=100, color_system=None))
    with step(live, "Kafka [x]") as starting:
        live.downloaded("Kafka [x]", 1, 2, "a.jar")
        live.note("a note")
        starting.outcome = "ready"
    with pytest.raises(ValueError, match="why"), step(live, "Services"):
        raise ValueError("why")
    live.close()
    said = out.getvalue()
    assert "\u2713 Kafka [x] ready, 0.0 s" in said
    assert "\u2717 Services failed, 0.0 s" in said
    assert "a note" in said


def test_what_is_no_terminal_gets_plain_lines():
    assert isinstance(reporter(io.StringIO()), PlainReporter)


def test_saying_nothing_is_possible():
    with step(Reporter(), "Kafka"):
        Reporter().downloaded("Kafka", 1, 2, "a.jar")
    Reporter().close()
