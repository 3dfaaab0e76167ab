"""Compares two tables of the same shape row by row, and makes one like the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession

_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class TableDifference:
    """How a live table differs from the rebuilt one.

    Attributes:
        rows: of the rebuilt table.
        missing: rows that only the rebuilt table has.
        extra: rows that only the live table has.
        changed: rows that both have, with other values.
        samples: some of them, as (kind, live row, rebuilt row).
    """

    table: str
    rows: int
    missing: int = 0
    extra: int = 0
    changed: int = 0
    samples: tuple[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None], ...] = ()

    @property
    def same(self) -> bool:
        """No row differs."""
        return not (self.missing or self.extra or self.changed)


def quoted(table: Table) -> str:
    """The table's name as SQL writes it."""
    return f'"{table.schema}"."{table.name}"' if table.schema else f'"{table.name}"'


def _keys(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _joined(live: Table, shadow: Table) -> str:
    on = " and ".join(f'l."{key}" = s."{key}"' for key in _keys(live))
    return f"{quoted(live)} l full join {quoted(shadow)} s on {on}"


def _differs(live: Table) -> str:
    key = _keys(live)[0]
    columns = [column.name for column in live.columns if column.server_default is None]
    left, right = (", ".join(f'{side}."{name}"' for name in columns) for side in "ls")
    return f'(l."{key}" is null or s."{key}" is null or ({left}) is distinct from ({right}))'


async def difference(session: AsyncSession, live: Table, shadow: Table) -> TableDifference:
    """How `live` differs from `shadow`; columns that the database fills in itself are not compared."""
    key = _keys(live)[0]
    kind = f"case when l.\"{key}\" is null then 'missing' when s.\"{key}\" is null then 'extra' else 'changed' end"
    found = await session.execute(
        text(f"select {kind}, count(*) from {_joined(live, shadow)} where {_differs(live)} group by 1")
    )
    counts: dict[str, int] = {row[0]: row[1] for row in found}
    samples = (
        await session.execute(
            text(
                f"select {kind}, to_jsonb(l), to_jsonb(s) from {_joined(live, shadow)} "
                f"where {_differs(live)} limit {_SAMPLES}"
            )
        )
    ).all()
    rows = (await session.execute(text(f"select count(*) from {quoted(shadow)}"))).scalar_one()
    return TableDifference(live.name, rows, samples=tuple((k, old, new) for k, old, new in samples), **counts)


async def put_right(session: AsyncSession, live: Table, shadow: Table) -> None:
    """Makes the rows of `live` those of `shadow`."""
    keys = ", ".join(f'"{key}"' for key in _keys(live))
    same = " and ".join(f'l."{key}" = s."{key}"' for key in _keys(live))
    columns = ", ".join(f'"{column.name}"' for column in live.columns)
    await session.execute(
        text(f"delete from {quoted(live)} l where not exists (select 1 from {quoted(shadow)} s where {same})")
    )
    updates = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in live.columns if c.name not in _keys(live))
    await session.execute(
        text(
            f"insert into {quoted(live)} ({columns}) select {columns} from {quoted(shadow)} "
            f"on conflict ({keys}) do {f'update set {updates}' if updates else 'nothing'}"
        )
    )
