"""Whatever one charger does, it moves nobody else's window; and every learned window lies between its bounds."""

from datetime import timedelta

from hypothesis import given, settings, strategies as st

from contracts.restart import Expected, Spread
from restart_orchestrator.durations import Rules, Sample, learn
from restart_orchestrator.story import at
from restart_orchestrator.windows import Windows

RULES = Rules(min_samples=5, min_chargers=3, per_charger=4, kept=60)
SECONDS = st.floats(min_value=0, max_value=4000, allow_nan=False)
HONEST = st.floats(min_value=5, max_value=120, allow_nan=False)


def restarts(charger: st.SearchStrategy[str], seconds: st.SearchStrategy[float], most: int):
    return st.lists(
        st.builds(
            lambda charger, ended, boot: Sample(charger_id=charger, ended_at=at(ended), boot_s=boot),
            charger,
            st.integers(0, 10_000),
            seconds,
        ),
        max_size=most,
    )


def one_at_a_time(taught: list[Sample]) -> list[Sample]:
    """A charger ends one restart at a time."""
    return list({(one.charger_id, one.ended_at): one for one in taught}.values())


@given(
    honest=restarts(st.sampled_from(["A", "B", "C", "D", "E"]), HONEST, 40),
    poison=restarts(st.just("POISON"), SECONDS, 40),
)
@settings(max_examples=300)
def test_one_charger_stretches_no_window_beyond_what_another_has_shown(
    honest: list[Sample], poison: list[Sample]
) -> None:
    learned = learn([*honest, *poison], "model", RULES)
    if learned is not None:
        slowest = max(one.boot_s for one in honest)
        assert learned.boot.p95_s <= round(slowest, 1)
        assert learned.boot.p50_s <= round(slowest, 1)


@given(taught=restarts(st.sampled_from("ABCDEFG"), SECONDS, 60).map(one_at_a_time))
@settings(max_examples=200)
def test_what_is_learned_has_been_seen_and_is_the_same_in_any_order(taught: list[Sample]) -> None:
    learned = learn(taught, "firmware", RULES)
    assert learned == learn(list(reversed(taught)), "firmware", RULES)
    if learned is not None:
        assert learned.boot.p50_s <= learned.boot.p95_s
        seen = {round(one.boot_s, 1) for one in taught}
        assert {learned.boot.p50_s, learned.boot.p95_s} <= seen
        assert learned.samples <= RULES.kept


@given(taught=restarts(st.sampled_from(["A", "B"]), SECONDS, 60))
def test_two_chargers_teach_nothing(taught: list[Sample]) -> None:
    assert learn(taught, "model", RULES) is None


@given(
    spreads=st.tuples(*[st.one_of(st.none(), st.tuples(SECONDS, SECONDS)) for _ in range(3)]),
    setting=st.integers(1, 1000),
)
def test_a_learned_window_lies_between_its_bounds(spreads, setting: int) -> None:
    given_in = timedelta(seconds=setting)
    windows = Windows(drop=given_in, boot=given_in, grace=given_in)
    names = ("drop", "boot", "healthy")
    expected = Expected(
        samples=10,
        basis="model",
        **{
            name: Spread(p50_s=min(each), p95_s=max(each))
            for name, each in zip(names, spreads, strict=True)
            if each is not None
        },
    )
    waits = windows.waits(expected)
    for wait, bounds, each in zip(
        (waits.drop, waits.boot, waits.grace),
        (windows.limits.drop, windows.limits.boot, windows.limits.grace),
        spreads,
        strict=True,
    ):
        if each is None:
            assert wait == given_in
        else:
            assert min(bounds.least, given_in) <= wait <= max(bounds.most, min(bounds.least, given_in))
