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


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_is_nested_deeper_than_anything_can_look_is_no_frame(kind, opens, closes):
    action = b'"DataTransfer",' if kind == 2 else b""

    def frame(depth: int) -> bytes:
        return b'[%d,"n",%s{"x":%s1%s}]' % (kind, action, opens * depth, closes * depth)

    for deep in (99, 255, 500, 1000):
        assert isinstance(found := frames.parse(frame(deep)), Unreadable), deep
        assert (found.message_id, found.asked) == ("n", kind == 2)
    assert isinstance(frames.parse(frame(98)), Call | CallResult)
    wide = b'[%d,"n",%s{"x":[%s{}]}]' % (kind, action, b"[{}]," * 1000)
    assert isinstance(frames.parse(wide), Call | CallResult)


def test_nuls_are_taken_out_of_what_is_said_but_not_out_of_its_id():
    sent = b'[2,"i\\u0000d","BootNotification",{"model":"One\\u0000\\u0000","more":[{"x":"\\u0000"}]}]'
    assert frames.parse(sent) == Call("i\0d", "BootNotification", {"model": "One", "more": [{"x": ""}]}, had_nuls=True)
    escaped = rb'[2,"a","DataTransfer",{"data":"C:\\u0000"}]'
    assert frames.parse(escaped) == Call("a", "DataTransfer", {"data": r"C:\u0000"})
    assert frames.parse(b'[3,"a",{"status":"Acc\\u0000epted"}]') == CallResult("a", {"status": "Accepted"})
    assert frames.parse(b'[4,"a","Generic\\u0000Error","\\u0000"]') == CallError("a", "GenericError", "")


def test_the_id_of_a_frame_that_is_too_big_stands_at_its_start():
    data = frames.call("an-id", "DataTransfer", {"data": "x" * 10_000})
    assert frames.opening(data) == (2, "an-id")
    assert frames.opening(b" [ 2 , " + b'"spaced" , ') == (2, "spaced")
    assert frames.opening(b'[2, "' + b"x" * 37 + b'"') == (None, "-1")


def test_a_description_is_cut_to_what_ocpp_allows():
    written = orjson.loads(frames.call_error("a", "GenericError", "x" * 300))
    assert len(written[3]) == 255
    assert written[4] == {}
