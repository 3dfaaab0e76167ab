"""One stack at a time in a folder."""

import os

import pytest

from ops.embedded.lock import FolderLock
from ops.embedded.problems import Problem


def test_a_second_stack_is_told_who_holds_the_folder(tmp_path):
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    first.take()
    with pytest.raises(Problem, match=f"A stack already runs in {tmp_path} \\(process {os.getpid()}\\)"):
        second.take()
    assert second.holder() == os.getpid()
    first.release()


def test_a_lock_that_was_given_back_has_no_holder_and_can_be_taken(tmp_path):
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    first.take()
    first.release()
    assert not first.held
    assert second.holder() is None
    second.take()
    assert second.held
    second.release()


def test_a_file_that_a_killed_stack_left_behind_holds_nothing(tmp_path):
    (tmp_path / "lock").write_text("1\n")
    lock = FolderLock(tmp_path / "lock")
    assert lock.holder() is None
    lock.take()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_folder_without_a_lock_has_no_holder(tmp_path):
    assert FolderLock(tmp_path / "lock").holder() is None
