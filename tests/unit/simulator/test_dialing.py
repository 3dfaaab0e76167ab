"""Back-off grows as OCPP says, and is the same for the same seed."""

from random import Random

from simulator.dialing import Backoff, Endpoint


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 nothing secret


def test_the_pause_doubles_and_then_stays():
    backoff = Backoff(wait_minimum=2, random_range=0, repeat_times=3)
    assert [backoff.next_pause(seeded(1)) for _ in range(6)] == [2, 4, 8, 16, 16, 16]


def test_success_starts_anew():
    backoff = Backoff(wait_minimum=2, random_range=0)
    backoff.next_pause(seeded(1))
    backoff.succeeded()
    assert backoff.next_pause(seeded(1)) == 2


def test_the_random_part_is_repeatable_and_within_its_range():
    first = [Backoff(wait_minimum=2, random_range=3).next_pause(seeded(seed)) for seed in range(50)]
    second = [Backoff(wait_minimum=2, random_range=3).next_pause(seeded(seed)) for seed in range(50)]
    assert first == second
    assert all(2 <= pause <= 5 for pause in first)
    assert len(set(first)) > 40


def test_an_endpoint_does_not_show_its_password():
    assert "hunter2" not in repr(Endpoint("ws://127.0.0.1", "CH-1", b"hunter2", ("ocpp1.6",)))
