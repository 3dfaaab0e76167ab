"""That the simulation bites: each deliberate defect is found within 2,000 seeds. Run by `make simulate-mutants`."""

import pytest
from simulation.__main__ import BASE, MUTANT_SEEDS
from simulation.mutants import MUTANTS
from simulation.runner import run


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(MUTANTS))
def test_the_defect_is_found(name: str) -> None:
    assert run(range(BASE, BASE + MUTANT_SEEDS), mutant=name), MUTANTS[name].about
