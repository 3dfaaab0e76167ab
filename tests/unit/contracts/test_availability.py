"""The one rule for what stands in the way of a restart names everything that does, and nothing else."""

from dataclasses import replace

import pytest

from contracts.availability import Situation, blocked_by
from contracts.restart import RefusalReason, When
from contracts.words import REMOTE_RESTART, Role

FREE = Situation(
    role=Role.ADMINISTRATOR,
    plan="business",
    features=frozenset({REMOTE_RESTART}),
    model="Eve",
    abilities=frozenset({REMOTE_RESTART}),
    online=True,
)


def reasons(situation: Situation, when: When = When.NOW, *, interrupt_charging: bool = False) -> list[RefusalReason]:
    return [block.reason for block in blocked_by(situation, when=when, interrupt_charging=interrupt_charging)]


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.SUPER_ADMINISTRATOR])
def test_nothing_blocks_an_administrator_of_a_free_charger(role: Role) -> None:
    assert blocked_by(replace(FREE, role=role)) == ()


@pytest.mark.parametrize(
    ("situation", "reason", "params", "lifted_by"),
    [
        (replace(FREE, role=None), "not_a_member", {}, "group_administrators"),
        (replace(FREE, role=Role.OPERATOR), "role", {"role": "operator"}, "group_administrators"),
        (replace(FREE, role=Role.USER), "role", {"role": "user"}, "group_administrators"),
        (replace(FREE, features=frozenset(), plan="basic"), "plan", {"plan": "basic"}, "super_administrator"),
        (replace(FREE, features=frozenset(), plan=None), "plan", {"plan": ""}, "super_administrator"),
        (replace(FREE, abilities=frozenset({"other"}), model="Pulsar"), "model", {"model": "Pulsar"}, "nobody"),
        (replace(FREE, online=False, offline_since="then"), "offline", {"since": "then"}, "waiting"),
        (replace(FREE, transactions=("1", "2")), "charging", {"connectors": "1, 2"}, "waiting"),
        (replace(FREE, updating_firmware=True), "updating_firmware", {}, "waiting"),
        (replace(FREE, open_attempt="a1"), "already_restarting", {"attempt_id": "a1"}, "waiting"),
    ],
)
def test_each_thing_in_the_way_is_named_with_its_facts(
    situation: Situation, reason: str, params: dict[str, str], lifted_by: str
) -> None:
    [block] = blocked_by(situation)
    assert (block.reason, block.params, block.lifted_by) == (reason, params, lifted_by)


def test_everything_in_the_way_is_named_not_only_the_first() -> None:
    worst = replace(
        FREE,
        role=Role.USER,
        features=frozenset(),
        abilities=frozenset(),
        online=False,
        transactions=("1",),
        updating_firmware=True,
        open_attempt="a1",
    )
    assert reasons(worst) == [reason for reason in RefusalReason if reason is not RefusalReason.NOT_A_MEMBER]


@pytest.mark.parametrize(
    ("when", "offline", "charging"),
    [(When.NOW, True, True), (When.IDLE, True, False), (When.ONLINE, False, False)],
)
def test_waiting_is_not_blocked_by_what_it_waits_for(when: When, offline: bool, charging: bool) -> None:
    assert bool(reasons(replace(FREE, online=False), when)) == offline
    assert bool(reasons(replace(FREE, transactions=("1",)), when)) == charging


def test_charging_does_not_block_who_wants_it_interrupted() -> None:
    assert reasons(replace(FREE, transactions=("1",)), interrupt_charging=True) == []
