"""Waiting in tests."""

import pytest

from chassis.testing import eventually


async def test_it_returns_what_the_check_returns_once_it_holds():
    tries = []

    def check():
        tries.append(1)
        assert len(tries) == 3
        return "done"

    assert await eventually(check) == "done"


async def test_it_awaits_a_coroutine_function():
    async def check():
        return 7

    assert await eventually(check) == 7


async def test_it_raises_the_last_failure_with_a_note_of_how_long_it_tried():
    def check():
        raise AssertionError("still 3 rows")

    with pytest.raises(AssertionError, match="still 3 rows") as caught:
        await eventually(check, within=0.02)
    assert any("tries" in note for note in caught.value.__notes__)


async def test_any_other_error_is_raised_at_once():
    tries = []

    def check():
        tries.append(1)
        raise KeyError("typo")

    with pytest.raises(KeyError):
        await eventually(check, within=5)
    assert len(tries) == 1
