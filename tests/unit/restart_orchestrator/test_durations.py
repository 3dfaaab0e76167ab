"""What finished restarts teach: which of them, how much it takes, and that one charger is never believed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Expected, Spread, When
from restart_orchestrator.durations import Rules, Sample, changed_materially, learn, sample_of
from restart_orchestrator.story import (
    RESET_ON,
    Story,
    accepted,
    at,
    booted,
    connected,
    dropped,
    requested,
    scheduled,
    sent,
    standing,
    status,
    transaction_ended,
    unanswered,
)

ASKED = (requested(), sent(0), accepted())
WHOLE = (*ASKED, dropped(10), connected(40), booted(41), status(45))


def told(*inputs) -> Sample | None:
    return sample_of(Story().tell(*inputs).to_the_end().attempt)


# --- which restarts teach -----------------------------------------------------------------------------------------------


def test_a_whole_restart_teaches_every_step():
    sample = told(*WHOLE)
    assert (sample.drop_s, sample.boot_s, sample.healthy_s, sample.away_s) == (10, 31, 4, 35)
    assert (sample.charger_id, sample.ended_at) == ("CHARGER-1", at(101))


def test_a_proven_one_teaches_too():
    assert told(*ASKED, dropped(10), connected(40), booted(41, reason="RemoteReset"), status(45)).boot_s == 31


@pytest.mark.parametrize(
    "inputs",
    [
        (requested(), sent(0), dropped(10), unanswered(10), connected(40), booted(41), status(45)),
        (*ASKED, connected(40), booted(41), status(45)),
        (*ASKED, dropped(10, why="bridge_lost"), connected(40), booted(41), status(45)),
        (*ASKED, dropped(10), connected(40), booted(41, reason="Watchdog"), status(45)),
        (*ASKED, dropped(10), connected(40)),
        (*ASKED, dropped(10)),
        ASKED,
        (*ASKED, connected(40), booted(41, reason="RemoteReset"), status(45)),
    ],
    ids=["no answer", "no drop", "we ended it", "another cause", "a blip", "lost", "ignored", "proven, no drop"],
)
def test_what_is_not_sure_teaches_nothing(inputs):
    assert told(*inputs) is None


def test_one_that_is_not_well_afterwards_teaches_no_time_to_be_healthy():
    sample = told(*ASKED, dropped(10), connected(40), booted(41), status(45, ConnectorState.FAULTED))
    assert (sample.drop_s, sample.boot_s, sample.healthy_s, sample.away_s) == (10, 31, None, None)


def test_a_status_before_the_boot_is_answered_is_healthy_at_once():
    assert told(*ASKED, dropped(10), connected(40), status(40.5), booted(41)).healthy_s == 0


def test_one_that_became_faulted_and_recovered_was_healthy_when_it_recovered():
    sample = told(*ASKED, dropped(10), connected(40), booted(41), status(45, ConnectorState.FAULTED), status(60))
    assert sample.healthy_s == 19


def test_a_scheduled_one_says_nothing_of_how_long_a_drop_takes():
    on_2 = standing(protocol="ocpp2.0.1", transactions=("1/1",))
    sample = told(
        requested(When.IDLE, by=on_2, expires=7200),
        sent(0),
        scheduled(),
        transaction_ended(600),
        dropped(610),
        connected(640),
        booted(641),
        status(645),
    )
    assert (sample.drop_s, sample.boot_s, sample.healthy_s) == (None, None, 4)


def test_one_evse_teaches_nothing_about_a_charger():
    on_2 = standing(protocol="ocpp2.0.1")
    asked = (requested(by=on_2, evse_id=1), sent(0), accepted())
    assert told(*asked, status(1, ConnectorState.UNAVAILABLE, RESET_ON), status(2, session=RESET_ON)) is None


def test_a_charger_that_restarted_whole_when_one_evse_was_to_teaches_nothing():
    asked = (requested(by=standing(protocol="ocpp2.0.1"), evse_id=1), sent(0), accepted())
    assert told(*asked, dropped(10), connected(40), booted(41), status(45)) is None


def test_one_that_was_lost_and_came_back_teaches_that_it_may_take_longer():
    assert told(*ASKED, dropped(10), connected(400), booted(401), status(402)).boot_s == 391


def test_two_clocks_that_contradict_each_other_teach_nothing_of_that_step():
    assert told(requested(), sent(5), accepted(5), dropped(4.5), connected(40), booted(41), status(45)).drop_s is None


# --- how much it takes --------------------------------------------------------------------------------------------------

RULES = Rules(min_samples=10, min_chargers=3, per_charger=5, kept=200)


def samples(charger: str, *boots: float) -> list[Sample]:
    return [Sample(charger_id=charger, ended_at=at(index), boot_s=boot) for index, boot in enumerate(boots)]


def fleet(count: int, boot: float = 40) -> list[Sample]:
    return [one for number in range(count) for one in samples(f"C{number}", *[boot + number] * 5)]


def test_enough_restarts_of_enough_chargers_say_how_long_it_takes():
    expected = learn(fleet(5), "model", RULES)
    assert expected == Expected(samples=25, basis="model", boot=Spread(p50_s=41, p95_s=43))


@pytest.mark.parametrize(
    "taught",
    [[], samples("A", 40, 41), fleet(2), [*samples("A", 40), *samples("B", 40), *samples("C", 40)]],
    ids=["nothing", "one charger", "two chargers", "three restarts"],
)
def test_a_few_say_nothing_so_that_the_defaults_hold(taught):
    assert learn(taught, "model", RULES) is None


def test_of_one_charger_the_last_few_count():
    taught = [*fleet(4), *samples("OLD", *[500] * 50, *[42] * 5)]
    assert learn(taught, "model", RULES).boot.p95_s < 50


def test_one_charger_that_takes_nine_minutes_does_not_stretch_the_window():
    poisoned = learn([*fleet(5), *samples("POISON", *[540] * 50)], "model", RULES)
    assert poisoned.boot.p95_s <= 44


def test_what_takes_half_an_hour_is_a_repair():
    taught = [*fleet(4), *[one for charger in "XYZ" for one in samples(charger, *[1801] * 5)]]
    assert learn(taught, "model", RULES).boot.p95_s <= 43


def test_the_oldest_give_way():
    old = [replace(one, ended_at=one.ended_at - timedelta(days=1)) for one in fleet(10, boot=100)]
    new = [replace(one, charger_id=f"N{one.charger_id}") for one in fleet(10)]
    assert learn([*old, *new], "firmware", Rules(kept=50)).boot.p95_s < 60


def test_each_step_is_learned_by_itself():
    taught = [replace(one, healthy_s=2.0 if one.charger_id in {"C0", "C1"} else None, drop_s=10.0) for one in fleet(4)]
    expected = learn(taught, "model", RULES)
    assert expected.healthy is None
    assert expected.drop == Spread(p50_s=10, p95_s=10)


# --- what is worth saying ----------------------------------------------------------------------------------------------


def of_boot(p50: float, p95: float) -> Expected:
    return Expected(samples=20, basis="model", boot=Spread(p50_s=p50, p95_s=p95))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, of_boot(40, 60), True),
        (of_boot(40, 60), of_boot(40, 60), False),
        (of_boot(40, 60), of_boot(41, 62), False),
        (of_boot(40, 60), of_boot(45, 60), True),
        (of_boot(40, 60), of_boot(40, 70), True),
        (of_boot(2, 2), of_boot(2.5, 2.9), False),
        (of_boot(40, 60), of_boot(40, 60).model_copy(update={"drop": Spread(p50_s=1, p95_s=1)}), True),
        (of_boot(40, 60), of_boot(40, 60).model_copy(update={"samples": 200}), False),
    ],
)
def test_only_a_material_change_is_said(before, after, expected):
    assert changed_materially(before, after, RULES) is expected
