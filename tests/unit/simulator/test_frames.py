"""OCPP-J frames are read and written as the specification says."""

from datetime import UTC, datetime

import pytest

from simulator.frames import (
    CALL,
    CALLERROR,
    CALLRESULT,
    CALLRESULTERROR,
    SEND,
    Incoming,
    UnreadableFrameError,
    call,
    error,
    new_message_id,
    parse,
    result,
    timestamp,
)


def test_frames_survive_writing_and_reading():
    assert parse(call("1", "Reset", {"type": "Soft"})) == Incoming(CALL, "1", action="Reset", payload={"type": "Soft"})
    assert parse(result("1", {"a": 1})) == Incoming(CALLRESULT, "1", payload={"a": 1})
    assert parse(error("1", "NotSupported", "no")) == Incoming(
        CALLERROR, "1", error_code="NotSupported", error_description="no"
    )


def test_frames_of_2_1_are_read():
    assert parse('[6, "1", "NotifyPeriodicEventStream", {}]').kind == SEND
    assert parse('[5, "1", "GenericError", "", {}]').kind == CALLRESULTERROR


@pytest.mark.parametrize(
    ("text", "message_id"),
    [("", "-1"), ("null", "-1"), ("[]", "-1"), ("[2]", "-1"), ('[2, "7"]', "7"), ('[2, 7, "Reset", {}]', "-1")],
)
def test_an_unreadable_frame_names_the_id_that_could_be_read(text, message_id):
    with pytest.raises(UnreadableFrameError) as raised:
        parse(text)
    assert raised.value.message_id == message_id


def test_a_message_id_is_32_characters_and_new_each_time():
    ids = {new_message_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(message_id) for message_id in ids} == {32}


def test_timestamps_keep_their_fraction_even_when_it_is_zero():
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000Z"
