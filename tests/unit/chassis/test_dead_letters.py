"""The limit on records kept aside, and headers that survive being kept."""

import orjson
import pytest

from chassis.dead_letters import DlqGuard, DlqLimit, TooManyDeadLettersError, headers_from_json, headers_to_text


def test_bad_records_in_a_row_are_allowed_up_to_the_limit():
    guard = DlqGuard(DlqLimit(max_consecutive=3))
    for offset in range(3):
        guard.bad(offset, "not JSON")
    with pytest.raises(TooManyDeadLettersError, match="not JSON"):
        guard.bad(3, "not JSON")


def test_a_good_record_between_starts_the_row_again():
    guard = DlqGuard(DlqLimit(max_consecutive=1, max_ratio=1.0))
    for offset in range(0, 20, 2):
        guard.bad(offset, "not JSON")
        guard.good(offset + 1)


def test_too_large_a_part_of_the_last_records_is_refused_even_when_not_in_a_row():
    guard = DlqGuard(DlqLimit(max_consecutive=100, max_ratio=0.2, window=10))
    for offset in range(10):
        if offset in {0, 2}:
            guard.bad(offset, "not JSON")
        else:
            guard.good(offset)
    with pytest.raises(TooManyDeadLettersError, match="2 of the last 10"):
        guard.bad(10, "not JSON")
    guard.good(11)  # the oldest bad one is out of sight now
    guard.bad(12, "not JSON")


def test_the_refused_record_is_not_counted_so_that_trying_again_says_the_same():
    guard = DlqGuard(DlqLimit(max_consecutive=1))
    guard.bad(0, "not JSON")
    for _ in range(5):
        with pytest.raises(TooManyDeadLettersError, match="1 records in a row"):
            guard.bad(1, "not JSON")


def test_a_bad_record_that_is_read_again_and_again_counts_once():
    guard = DlqGuard(DlqLimit(max_consecutive=1))
    for _ in range(5):
        guard.bad(7, "not JSON")


def test_any_header_survives_and_plain_text_stays_readable():
    headers = [
        ("ce_type", b"ocpp.charger-booted.v1"),
        ("x", b'\x00\xff%"\\'),
        ("n\x00", "é ü".encode()),
        ("none", None),
    ]
    text = headers_to_text(headers)
    assert "ocpp.charger-booted.v1" in text
    assert "\\u0000" not in text
    assert headers_from_json(orjson.loads(text)) == headers
