"""Folders are made and checked before anything starts, and secrets stay private."""

import stat

import pytest

from ops.embedded.places import ROOM_TO_RUN, DataDir, cache_dir, default_data_dir, require_room, write_private
from ops.embedded.problems import Problem


def test_too_little_room_is_said_before_anything_starts(tmp_path):
    with pytest.raises(Problem, match=r"Only 100 MiB are free on the disk of .*, and 512 MiB are needed") as caught:
        DataDir(tmp_path).prepare(free=lambda _: 100 * 2**20)
    assert caught.value.todo is not None
    assert "--data-dir" in caught.value.todo


def test_enough_room_is_not_mentioned(tmp_path):
    require_room(tmp_path, ROOM_TO_RUN, free=lambda _: ROOM_TO_RUN)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(Problem, match=r"data cannot be written: Not a directory"):
        DataDir(file / "data").prepare()


def test_a_file_in_the_place_of_a_folder_is_told_as_such(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(Problem, match="file cannot be written: it is a file and no folder"):
        DataDir(file).prepare()


def test_a_secret_stays_the_same_and_only_its_owner_can_read_it(tmp_path):
    data = DataDir(tmp_path)
    data.prepare()
    first = data.secret("kafka-auth")
    assert data.secret("kafka-auth") == first
    assert data.secret("kafka-billing") != first
    assert stat.S_IMODE((data.secrets / "kafka-auth").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.secrets.stat().st_mode) == 0o700


def test_a_private_file_replaces_an_open_one_and_is_private(tmp_path):
    file = tmp_path / "stack.json"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_the_folders_can_be_chosen_by_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("COMEBACK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COMEBACK_DATA_DIR", str(tmp_path / "data"))
    assert cache_dir() == tmp_path / "cache"
    assert default_data_dir() == tmp_path / "data"


def test_the_cache_follows_the_users_cache_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("COMEBACK_CACHE_DIR", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "comeback"
