"""How often a user name may be tried."""

from datetime import timedelta

import pytest

from auth import login_limit
from auth.login_limit import LoginLimit, TooManyTriesError
from chassis.testing import FakeClock


def test_the_try_after_the_last_allowed_one_is_refused_until_the_first_has_aged() -> None:
    clock = FakeClock()
    limit = LoginLimit(clock, tries=3, within=timedelta(minutes=1))
    for _ in range(3):
        limit.count("ada")
        clock.advance(10)

    with pytest.raises(TooManyTriesError) as refused:
        limit.count("ada")

    assert refused.value.retry_after == 31
    clock.advance(30)
    limit.count("ada")


def test_names_are_counted_apart() -> None:
    limit = LoginLimit(FakeClock(), tries=1)
    limit.count("ada")

    limit.count("bob")


def test_a_right_password_clears_the_name() -> None:
    limit = LoginLimit(FakeClock(), tries=1)
    limit.count("ada")

    limit.forget("ada")

    limit.count("ada")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_limit, "MOST_NAMES", 3)
    limit = LoginLimit(FakeClock())

    for number in range(10):
        limit.count(f"name-{number}")

    assert len(limit._tried) == 3
