"""How often something may happen, by a clock that the test moves."""

from datetime import timedelta

import pytest

from chassis.limits import MovingWindow, TooOftenError
from chassis.testing import FakeClock

MINUTE = timedelta(minutes=1)


def test_what_is_over_the_limit_is_refused_until_the_first_has_aged() -> None:
    clock = FakeClock()
    window = MovingWindow(clock, 3, MINUTE)
    for _ in range(3):
        window.take("ada")
        clock.advance(10)

    with pytest.raises(TooOftenError) as refused:
        window.take("ada")

    assert refused.value.retry_after == 30
    clock.advance(29)
    with pytest.raises(TooOftenError):
        window.take("ada")
    clock.advance(1)
    window.take("ada")


def test_a_refusal_does_not_count() -> None:
    clock = FakeClock()
    window = MovingWindow(clock, 1, MINUTE)
    window.take("ada")
    for _ in range(5):
        clock.advance(10)
        with pytest.raises(TooOftenError):
            window.take("ada")

    clock.advance(10)
    window.take("ada")


def test_no_span_of_a_minute_has_more_than_the_limit_wherever_it_begins() -> None:
    clock = FakeClock()
    window = MovingWindow(clock, 5, MINUTE)
    let_through = []
    for second in range(300):
        try:
            window.take("ada")
        except TooOftenError:
            pass
        else:
            let_through.append(second)
        clock.advance(1)

    assert len(let_through) == 25
    assert all(sum(start <= each < start + 60 for each in let_through) <= 5 for start in range(300))


def test_keys_are_counted_apart() -> None:
    window = MovingWindow(FakeClock(), 1, MINUTE)
    window.take("ada")

    window.take("bob")


def test_what_is_forgotten_counts_no_longer() -> None:
    window = MovingWindow(FakeClock(), 1, MINUTE)
    window.take("ada")

    window.forget("ada")

    window.take("ada")


def test_memory_is_bounded_and_the_least_recent_gives_way() -> None:
    window = MovingWindow(FakeClock(), 1, MINUTE, keys_at_most=2)
    for key in ("ada", "bob", "cyd"):
        window.take(key)

    window.take("ada")
    with pytest.raises(TooOftenError):
        window.take("cyd")
