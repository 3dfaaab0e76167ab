"""The waits of a Reset: from settings, from what was learned, and kept with the Reset."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.restart import Cause, Expected, Spread, Status, When
from restart_orchestrator.codec import from_json, to_json
from restart_orchestrator.story import (
    QUIET,
    accepted,
    at,
    booted,
    connected,
    dropped,
    requested,
    sent,
    status,
)
from restart_orchestrator.windows import Limits, Range, Waits, Windows


def expected(**seconds: tuple[float, float]) -> Expected:
    spreads = {name: Spread(p50_s=p50, p95_s=p95) for name, (p50, p95) in seconds.items()}
    return Expected(samples=20, basis="model", **spreads)


SLOW = expected(drop=(10, 40), boot=(60, 250), healthy=(5, 50), away=(65, 300))


def waits(drop: float, boot: float, grace: float, usual: float) -> Waits:
    return Waits(
        drop=timedelta(seconds=drop),
        boot=timedelta(seconds=boot),
        grace=timedelta(seconds=grace),
        usual_away=timedelta(seconds=usual),
    )


def test_without_anything_learned_the_settings_hold():
    assert Windows().waits(None) == waits(60, 300, 60, 60)


def test_a_learned_wait_is_some_times_what_nearly_all_took():
    assert Windows().waits(SLOW) == waits(80, 500, 100, 60)


def test_what_was_not_learned_is_as_the_settings_say():
    assert Windows().waits(expected(boot=(60, 250))) == waits(60, 500, 60, 60)


def test_a_learned_wait_is_never_shorter_than_its_minimum():
    assert Windows().waits(expected(drop=(1, 1), boot=(5, 5), healthy=(0, 0))) == waits(30, 120, 30, 5)


def test_a_learned_wait_is_never_longer_than_its_maximum():
    assert Windows().waits(expected(drop=(1, 900), boot=(5, 1700), healthy=(0, 900))) == waits(180, 900, 180, 5)


def test_the_minimum_gives_way_to_a_shorter_setting():
    windows = Windows(drop=timedelta(seconds=3), boot=timedelta(seconds=4), grace=timedelta(seconds=1))
    assert windows.waits(expected(drop=(0, 0), boot=(1, 1), healthy=(0, 0))) == waits(3, 4, 1, 1)


@pytest.mark.parametrize("p95", [0, 1, 29, 30, 31, 90, 1000])
def test_a_wait_lies_between_its_bounds(p95):
    bounds = Range(least=timedelta(seconds=30), most=timedelta(seconds=100))
    wait = Limits().wait(Spread(p50_s=0, p95_s=p95), bounds, timedelta(seconds=60))
    assert bounds.least <= wait <= bounds.most


# --- in the life of an attempt -----------------------------------------------------------------------------------------

LEARNED = replace(QUIET, expected=SLOW, firmware="1.2.3")


def test_an_attempt_waits_as_long_as_was_decided_when_it_was_sent(given):
    asked = (requested(by=LEARNED), sent(), accepted())
    assert given(*asked).when_seconds_pass(79.9).then(Status.AWAITING_DROP)
    given(*asked).when_seconds_pass(80.1).then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)
    assert given(*asked, dropped(10)).when_seconds_pass(509).then(Status.RESTARTING)
    assert given(*asked, dropped(10)).when_seconds_pass(511).then(Status.LOST)
    back = (*asked, dropped(10), connected(90), booted(91), status(92))
    assert given(*back).when_seconds_pass(190).then(Status.CHECKING)
    assert given(*back).when_seconds_pass(192).then(Status.RESTARTED)


def test_the_bridge_watches_for_as_long(given):
    (reset,) = given(requested(by=LEARNED)).story.resets
    assert reset.watch_until == at(10 + 80 + 500 + 100)


def test_what_settings_say_later_changes_nothing_for_it(given):
    spec = given(requested(by=LEARNED), sent(), accepted())
    spec.story = replace(spec.story, windows=Windows(drop=timedelta(seconds=1)))
    attempt = spec.when(dropped(70)).then(Status.RESTARTING)
    assert attempt.deadline.due == at(570)


def test_what_was_decided_is_kept_with_it(given):
    attempt = given(requested(by=LEARNED)).story.attempt
    assert (attempt.reset.expected, attempt.firmware) == (SLOW, "1.2.3")
    assert from_json(to_json(attempt)) == attempt


def test_an_attempt_that_waits_uses_what_was_learned_by_the_time_it_is_sent(given):
    from restart_orchestrator.story import changed, standing

    offline = replace(standing(online=False), quiet_since=None)
    spec = given(requested(When.ONLINE, by=offline)).when(changed(600, LEARNED)).when_seconds_pass(606)
    assert spec.then(Status.DISPATCHING).reset.expected == SLOW
