"""Traces go on from message to message."""

import pytest

from chassis.telemetry import current_traceparent, span
from chassis.trace import Span, current_span

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_span_continues_the_trace_it_is_given_with_an_id_of_its_own():
    with span(PARENT) as here:
        assert here.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert here.span_id != "00f067aa0ba902b7"
        assert current_traceparent() == f"00-{here.trace_id}-{here.span_id}-01"
    assert current_traceparent() is None


def test_spans_nest_and_the_outer_one_comes_back():
    with span() as outer:
        with span(outer.traceparent) as inner:
            assert current_span() is inner
            assert inner.trace_id == outer.trace_id
        assert current_span() is outer


def test_a_span_is_left_when_its_work_fails():
    with pytest.raises(KeyError), span():
        raise KeyError
    assert current_span() is None


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        "nonsense",
        PARENT.upper(),
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        PARENT + "\n",
    ],
)
def test_a_malformed_header_begins_a_new_trace(malformed):
    begun = Span.begin(malformed)
    assert begun.trace_id != "4bf92f3577b34da6a3ce929d0e0e4736"
    assert len(begun.trace_id) == 32
    assert len(begun.span_id) == 16


def test_a_later_version_of_the_header_may_have_more_fields():
    assert Span.begin("01" + PARENT[2:] + "-more").trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
