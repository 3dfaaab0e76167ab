"""Garbage is collected rarely, and what lives at the end of a start is not looked at again."""

import gc
from collections.abc import Iterator

import pytest

from chassis import garbage

PYTHONS_OWN = (2000, 10, 10)
"""The largest that any Python has."""


@pytest.fixture(autouse=True)
def afterwards_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_all_generations_are_collected_less_often_than_python_would() -> None:
    gc.set_threshold(*PYTHONS_OWN)
    garbage.collect_rarely()
    assert all(ours > pythons for ours, pythons in zip(gc.get_threshold(), PYTHONS_OWN, strict=True))


def test_what_lives_is_kept_out_of_later_collections() -> None:
    living = [object()]
    garbage.keep_what_lives()
    assert gc.get_freeze_count() > 0
    assert not any(one is living for one in gc.get_objects())
