"""Buckets, batches, the registry of sessions, and what an answer to a Reset means."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from contracts.ocpp import ResetAccepted, ResetCharger, ResetUnanswered
from ocpp_bridge.answers import judge, reset_payload
from ocpp_bridge.batching import Batcher
from ocpp_bridge.buckets import Bucket, Buckets
from ocpp_bridge.dialects import V16, V21, V201
from ocpp_bridge.frames import CallError, CallResult
from ocpp_bridge.ledger import Entry
from ocpp_bridge.settings import Settings

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)


def test_a_bucket_empties_and_fills_again():
    bucket = Bucket.full(2, 1, now=0)
    assert [bucket.take(0), bucket.take(0), bucket.take(0)] == [True, True, False]
    assert not bucket.take(0.5)
    assert bucket.wait() == 0.5
    assert bucket.take(1.0)
    assert bucket.left(100) == 2


def test_buckets_of_many_keys_are_bounded():
    buckets = Buckets(1, 1, keys_at_most=3)
    for key in "abcd":
        buckets.take(key, 0)
    assert buckets.wait("a", 0) == 0  # forgotten
    assert buckets.wait("d", 0) == 1


async def test_what_comes_while_a_batch_is_under_way_makes_up_the_next():
    batches: list[list[str]] = []
    gate = asyncio.Event()

    async def work(items):
        batches.append(list(items))
        await gate.wait()
        return [item.upper() for item in items]

    batcher = Batcher(work, key=lambda item: item, at_most=3)
    asked = [asyncio.create_task(batcher(item)) for item in "abcda"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*asked) == ["A", "B", "C", "D", "A"]
    assert sum(len(batch) for batch in batches) == 5
    assert all(len(set(batch)) == len(batch) <= 3 for batch in batches)
    assert len(batches) <= 3


async def test_the_error_of_a_batch_reaches_all_of_it_and_nobody_else():
    async def work(items):
        if "bad" in items:
            raise OSError("away")
        return list(items)

    batcher = Batcher(work, key=lambda item: item)
    with pytest.raises(OSError, match="away"):
        await batcher("bad")
    assert await batcher("good") == "good"


def command(**fields) -> ResetCharger:
    return ResetCharger(charger_id="c", attempt_id=uuid4(), epoch=1, not_after=NOW, watch_until=NOW, **fields)


def test_the_payload_of_a_reset_is_its_versions():
    assert reset_payload(V16, command(on_idle=True, evse_id=1)) == {"type": "Soft"}
    assert reset_payload(V16, command(strength="hard")) == {"type": "Hard"}
    assert reset_payload(V201, command(strength="hard", evse_id=2)) == {"type": "Immediate", "evseId": 2}
    assert reset_payload(V21, command(on_idle=True)) == {"type": "OnIdle"}
    for dialect in (V16, V201, V21):
        checked = dialect.schemas.check_call("Reset", reset_payload(dialect, command(evse_id=1)))
        assert checked.violation is None


def test_an_answer_keeps_both_epochs_and_the_time():
    entry = Entry(uuid4(), "c", 4, "m", None)
    outcome, said = judge(entry, CallResult("m", {"status": "Accepted"}), answer_epoch=5, at=NOW)
    assert outcome == "accepted"
    assert said == ResetAccepted(
        charger_id="c", attempt_id=entry.attempt_id, epoch=4, message_id="m", answer_epoch=5, answered_at=NOW
    )


def test_another_callerror_is_no_outcome():
    outcome, said = judge(Entry(uuid4(), "c", 4, "m", None), CallError("m", "GenericError", ""), answer_epoch=4, at=NOW)
    assert outcome == "unanswered"
    assert isinstance(said, ResetUnanswered)
    assert (said.why, said.error) == ("call_error", "GenericError")


def test_settings_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("OCPP_BRIDGE_PORT", "9400")
    monkeypatch.setenv("OCPP_BRIDGE_ANSWER_TIMEOUT_S", "12.5")
    settings = Settings()
    assert (settings.port, settings.answer_timeout_s) == (9400, 12.5)
    monkeypatch.setenv("OCPP_BRIDGE_ANSWER_TIMEOUTS", "1")
    with pytest.raises(ValueError, match="did you mean OCPP_BRIDGE_ANSWER_TIMEOUT_S"):
        Settings()
