"""Thousands of restarts on virtual time, with everything going wrong that can: the invariants hold, seeds replay."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.__main__ import command
from simulation.runner import run
from simulation.scenario import Scenario, generate

from simulator.personalities import NAMED

SUPPORT = Path(__file__).parents[1] / "support"
SEEDS = range(1, 2001)
"""The same for everybody: a change is to blame for what it breaks. `make simulate` looks where nobody has been."""


def _simulation(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT), "PYTHONHASHSEED": hash_seed, "COLUMNS": "500"}
    return subprocess.run(
        [sys.executable, "-m", "simulation", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _hold(seeds: range) -> None:
    failures = run(seeds)
    told = "\n".join(f"{one.invariant}: {one.why}\n  replay it: {command(one.scenario.seed)}" for one in failures)
    assert not failures, told


@pytest.mark.timeout(900)
def test_the_invariants_hold_in_two_thousand_seeds() -> None:
    _hold(SEEDS)


@pytest.mark.timeout(300)
def test_a_seed_is_the_same_story_in_every_process() -> None:
    traces = {
        hashlib.sha256(_simulation("--seed", "12", "--whole", hash_seed=hash_seed).stdout.encode()).hexdigest()
        for hash_seed in ("1", "2")
    }

    assert len(traces) == 1


@pytest.mark.timeout(300)
def test_a_failing_seed_is_shrunk_and_told_with_its_trace() -> None:
    found = run(range(1, 500), mutant="blip-is-restart")[0]

    done = _simulation("--seed", str(found.scenario.seed), "--mutant", "blip-is-restart")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "shrunk from" in done.stdout
    assert found.invariant in done.stdout
    assert "restart.request-restart.v1" in done.stdout, "the trace tells what was written"


def test_a_scenario_is_data_that_survives_json() -> None:
    scenario = generate(5)

    assert Scenario.from_json(json.dumps(json.loads(scenario.to_json()))) == scenario
    assert generate(5) == scenario


def test_every_observed_charger_takes_part() -> None:
    seen = {generate(seed).personality for seed in SEEDS}

    assert seen == set(NAMED)
