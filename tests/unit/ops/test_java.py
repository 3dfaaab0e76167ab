"""The start-up cache is used when it fits the jars, and only then."""

import os

import pytest

from ops.embedded.java import Java


@pytest.fixture
def jar(tmp_path):
    file = tmp_path / "a.jar"
    file.write_bytes(b"a jar")
    return file


def test_a_start_up_cache_is_named_only_once_it_is_there(tmp_path, jar):
    java = Java([jar], tmp_path)
    assert not any("AOT" in part for part in java.command("kafka.Kafka"))
    made = tmp_path / "made"
    made.touch()
    java.adopt(made)
    assert f"-XX:AOTCache={java.aot_cache}" in java.command("kafka.Kafka")


def test_a_changed_jar_has_another_start_up_cache_and_the_old_one_goes(tmp_path, jar):
    before = Java([jar], tmp_path).aot_cache
    before.touch()
    os.utime(jar, (1, 1))
    java = Java([jar], tmp_path)
    assert java.aot_cache != before
    made = tmp_path / "made"
    made.touch()
    java.adopt(made)
    assert not before.exists()


def test_recording_uses_the_same_flags_and_jars_as_running(tmp_path, jar):
    java = Java([jar], tmp_path)
    recording = java.recording(tmp_path / "r", "kafka.Kafka", "x")
    assert [part for part in recording if "AOT" not in part] == list(java.command("kafka.Kafka", "x"))
