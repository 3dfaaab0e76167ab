"""Frames are read without ever raising, and written as OCPP-J says."""

import orjson
import pytest
from hypothesis import given, strategies as st

from ocpp_bridge import frames
from ocpp_bridge.frames import Call, CallError, CallResult, CallResultError, Send, UnknownKind, Unreadable


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"a","Heartbeat",{}]', Call("a", "Heartbeat", {})),
        ('[2,"a","Heartbeat"]', Call("a", "Heartbeat", {})),
        ('[2,"a","Heartbeat",null]', Call("a", "Heartbeat", {})),
        ('[3,"a",{"status":"Accepted"}]', CallResult("a", {"status": "Accepted"})),
        ('[3,"a",null]', CallResult("a", {})),
        ('[4,"a","NotSupported","why",{}]', CallError("a", "NotSupported", "why")),
        ('[4,"a","NotSupported"]', CallError("a", "NotSupported", "")),
        ('[5,"a","FormatViolation","",{}]', CallResultError("a", "FormatViolation", "")),
        ('[6,"a","NotifyPeriodicEventStream",{}]', Send("a", "NotifyPeriodicEventStream", {})),
        ('[7,"a"]', UnknownKind("a", 7)),
    ],
)
def test_well_formed_frames_are_read(text, frame):
    assert frames.parse(text.encode()) == frame


@pytest.mark.parametrize(
    ("text", "message_id", "asked"),
    [
        ("garbage", "-1", True),
        ("{}", "-1", True),
        ('[2, "a", "Heartbeat", {', "a", True),
        ('[3, "a", {', "a", False),
        ('[2, "a", 5, {}]', "a", True),
        ('[2, "a", "Heartbeat", []]', "a", True),
        ('[2, 5, "Heartbeat", {}]', "-1", True),
        ("[3]", "-1", False),
        ("[true, 1]", "-1", True),
    ],
)
def test_what_is_no_frame_is_told_with_the_id_that_can_be_read(text, message_id, asked):
    frame = frames.parse(text.encode())
    assert isinstance(frame, Unreadable)
    assert (frame.message_id, frame.asked) == (message_id, asked)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(data):
    frames.parse(data)
    frames.opening(data)


@given(st.recursive(st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5), st.lists, max_leaves=8))
def test_no_json_makes_the_reader_raise(value):
    frames.parse(orjson.dumps(value))


def test_the_id_of_a_frame_that_is_too_big_stands_at_its_start():
    data = frames.call("an-id", "DataTransfer", {"data": "x" * 10_000})
    assert frames.opening(data) == (2, "an-id")
    assert frames.opening(b" [ 2 , " + b'"spaced" , ') == (2, "spaced")
    assert frames.opening(b'[2, "' + b"x" * 37 + b'"') == (None, "-1")


def test_a_description_is_cut_to_what_ocpp_allows():
    written = orjson.loads(frames.call_error("a", "GenericError", "x" * 300))
    assert len(written[3]) == 255
    assert written[4] == {}
