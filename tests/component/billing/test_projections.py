"""Billing's projection of groups can be built again, beside the live one, to the same rows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.schema import CreateTable

from billing.projections import PROJECTIONS
from chassis.testing import FakeClock
from contracts.auth import GroupDefined
from contracts.envelope import Envelope

GROUPS = PROJECTIONS["groups"]
NOW = FakeClock().now()


def defined(name: str, second: int, group: str = "harbour") -> Envelope[GroupDefined]:
    said = GroupDefined(group_id=group, name=name)
    return Envelope(uuid4(), "/services/auth", NOW + timedelta(seconds=second), said)


OLD, NEW, OTHER = defined("Old", 1), defined("New", 2), defined("Airport", 1, "airport")


async def rows_after(billing: Any, *batches: Sequence[Envelope[Any]]) -> list[tuple[str, str]]:
    """The rows of a fresh copy of the table after these batches."""
    tables = GROUPS.beside("_copy")
    async with billing.service.database.session() as session:
        await session.execute(CreateTable(tables["groups"]))
        for batch in batches:
            await GROUPS.apply(session, batch, tables)
        table = tables["groups"]
        rows = await session.execute(select(table.c.group_id, table.c.name).order_by(table.c.group_id))
        return [(row.group_id, row.name) for row in rows]


async def test_the_same_rows_come_of_one_batch_of_many_and_of_repeats(billing: Any) -> None:
    expected = [("airport", "Airport"), ("harbour", "New")]

    assert await rows_after(billing, [OLD, NEW, OTHER]) == expected
    assert await rows_after(billing, [OLD], [NEW], [OTHER]) == expected
    assert await rows_after(billing, [OLD, NEW], [OLD, NEW], [OTHER, OLD]) == expected


async def test_a_batch_without_anything_known_changes_nothing(billing: Any) -> None:
    assert await rows_after(billing, []) == []


async def test_a_copy_leaves_the_live_table_and_the_outbox_alone(billing: Any) -> None:
    async with billing.service.database.begin() as session:
        before = (await session.execute(select(GROUPS.live["groups"]))).all()

    await rows_after(billing, [OTHER])

    async with billing.service.database.begin() as session:
        assert (await session.execute(select(GROUPS.live["groups"]))).all() == before
