"""The transaction ids of OCPP 1.6, which the server gives, once for each start however often it is told."""

from ocpp_bridge.store import Store

_STARTED = """
insert into transactions (charger_id, connector_id, meter_start, started_at) values ($1, $2, $3, $4)
on conflict (charger_id, connector_id, started_at, meter_start) do update set charger_id = excluded.charger_id
returning id
"""


class StoredTransactions:
    """Transaction ids in PostgreSQL; nothing of the person who charges is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def started(self, charger_id: str, connector_id: int, meter_start: int, started_at: str) -> int:
        """The id of a transaction: the same one when the charger tells of the same start again."""
        row = await self._store.fetch_one(_STARTED, charger_id, connector_id, meter_start, started_at)
        if row is None:
            raise LookupError(f"no transaction id was given to {charger_id}")
        return int(row["id"])

    async def stopped(self, charger_id: str, transaction_id: int) -> int | None:
        """The connector of a transaction that ends; None when we never gave that id to that charger."""
        row = await self._store.fetch_one(
            "select connector_id from transactions where id = $1::bigint and charger_id = $2",
            transaction_id,
            charger_id,
        )
        return None if row is None else int(row["connector_id"])
