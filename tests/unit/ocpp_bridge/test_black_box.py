"""What is remembered of a charger: bounded, without secrets, over its sessions."""

import time
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from ocpp_bridge.black_box import BYTES, FRAMES, GONE, MODELS, OTHER, UNKNOWN, BlackBoxes, Box
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.quiet import Quiet

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)


def test_the_last_frames_are_kept_in_their_order_with_their_direction():
    box = Box()
    for number in range(FRAMES + 3):
        box.keep(b"[%d]" % number, by_charger=number % 2 == 0, now=time.monotonic())
    frames = box.frames(NOW)
    assert [frame.text for frame in frames] == [f"[{number}]" for number in range(3, FRAMES + 3)]
    assert [frame.by_charger for frame in frames[:2]] == [False, True]
    assert all(NOW - timedelta(seconds=5) < frame.at <= NOW for frame in frames)


def test_no_charger_takes_more_memory_than_its_share():
    box = Box()
    for _ in range(FRAMES):
        box.keep(b"x" * 100_000, by_charger=True, now=0.0)
    frames = box.frames(NOW)
    assert sum(len(frame.text) for frame in frames) <= BYTES
    assert all(frame.truncated for frame in frames)


def test_a_secret_is_hidden_even_where_its_name_stood_behind_the_cut():
    box = Box()
    filler = '"customData":{"vendorId":"' + "x" * 3000 + '"}'
    sent = '[2,"m","SetVariables",{"setVariableData":[{"attributeValue":"hush-hush",%s,"variable":{"name":"BasicAuthPassword"}}]}]'
    box.keep((sent % filler).encode(), by_charger=False, now=0.0)
    assert "hush-hush" not in box.frames(NOW)[0].text


def test_a_giant_frame_costs_no_more_than_its_beginning():
    box = Box()
    giant = b'[2,"m","DataTransfer",{"data":"hush-hush","more":"' + b"x" * 8_000_000 + b'"}]'
    began = time.perf_counter()
    box.keep(giant, by_charger=True, now=0.0)
    assert time.perf_counter() - began < 0.05
    [kept] = box.frames(NOW)
    assert kept.text.startswith('[2,"m","DataTransfer"')
    assert "hush-hush" not in kept.text


def test_the_clock_is_judged_by_the_least_late_message():
    box = Box()
    assert box.clock_skew_s is None
    box.told_time(NOW - timedelta(hours=3), NOW)  # it waited for a connection
    box.told_time(NOW + timedelta(seconds=40), NOW)
    box.told_time(NOW - timedelta(hours=2), NOW)
    assert box.clock_skew_s == 40


def test_a_boot_of_any_version_tells_model_and_firmware():
    box = Box()
    box.booted({"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.2"}, 5.0)
    assert (box.vendor, box.model, box.firmware, box.booted_at) == ("Acme", "One", "1.2", 5.0)
    box.booted({"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}}, 6.0)
    assert (box.vendor, box.model, box.firmware, box.booted_at) == ("Acme", "Two", None, 6.0)


def test_a_charger_is_remembered_over_its_sessions_but_not_that_a_boot_was_asked_for():
    boxes = BlackBoxes(BridgeMetrics(CollectorRegistry()))
    box = boxes.opened("garage-1")
    box.asked_to_boot = True
    boxes.ended("garage-1")
    assert boxes.of("garage-1") is box
    assert boxes.opened("garage-1") is box
    assert not box.asked_to_boot


def test_of_those_that_are_gone_the_longest_gone_are_forgotten():
    boxes = BlackBoxes(BridgeMetrics(CollectorRegistry()))
    for number in range(GONE + 2):
        boxes.opened(f"c{number}")
        boxes.ended(f"c{number}")
    assert boxes.of("c1") is None
    assert boxes.of("c2") is not None


def test_the_names_of_models_in_metrics_are_bounded():
    boxes = BlackBoxes(BridgeMetrics(CollectorRegistry()))
    labels = {boxes.model_label(f"model {number}") for number in range(MODELS + 50)}
    assert len(labels) == MODELS + 1
    assert OTHER in labels
    assert boxes.model_label("model 3") == "model 3"
    assert boxes.model_label(None) == UNKNOWN


def test_calls_wait_after_a_boot_and_resets_only_for_models_known_to_be_delicate():
    quiet = Quiet(5.0, {"Delicate": 8.0, "Sturdy": 0.0})
    box = Box()
    assert quiet.before_call(box, now=100.0) == 0
    box.booted({"chargePointModel": "One"}, 100.0)
    assert (quiet.before_call(box, now=102.0), quiet.before_reset(box, now=102.0)) == (3.0, 0.0)
    assert quiet.before_call(box, now=105.0) == 0
    box.booted({"chargePointModel": "DELICATE"}, 200.0)
    assert (quiet.before_call(box, now=202.0), quiet.before_reset(box, now=202.0)) == (6.0, 6.0)
    box.booted({"chargePointModel": "Sturdy"}, 300.0)
    assert quiet.before_call(box, now=300.0) == 0
