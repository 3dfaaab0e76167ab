"""How PostgreSQL carries out what the way of a restart rests on."""

import pytest
from sqlalchemy import text

from restart_orchestrator import store

from .conftest import Orchestrator


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [(store._REQUESTED, 3), (store._STANDINGS, 2), (store._ATTEMPTS, 2), (store._BUSY, 1)],
    ids=["a request", "what is known", "attempts", "running transactions"],
)
async def test_a_plan_that_was_made_with_few_chargers_reads_no_whole_table(
    orchestrator: Orchestrator, statement: str, parameters: int
) -> None:
    """It is made once for each connection, and still is the same one when there are thousands."""
    async with orchestrator.database.begin() as session:
        await session.execute(text("analyze"))  # now it is known that each table is small
    plan = await orchestrator.database.fetch(f"explain (generic_plan) {statement}", *([],) * parameters)
    assert [line for (line,) in plan if "Seq Scan" in line] == []
