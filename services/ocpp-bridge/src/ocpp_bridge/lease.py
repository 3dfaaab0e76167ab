"""The lease of each bridge instance: who is alive, and whose sockets and Resets have been left behind."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ocpp_bridge.epochs import LET_GO
from ocpp_bridge.store import Store

# A name is an INSTANCE_ID, which may have dots of its own, a dot and six digits.
_DEAD = """
select instance, given_up from bridge_leases
where instance <> $1 and (renewed_at < clock_timestamp() - $2::interval or (left(instance, -7) = $3 and $4))
order by instance limit 1 for update skip locked
"""
_SESSIONS = """
select charger_id, epoch from charger_sessions
where instance = $1 and (closed_at is null or ($2 and closed_at > clock_timestamp() - interval '1 minute'))
order by charger_id limit 500 for update
"""


@dataclass(frozen=True, slots=True)
class Dead:
    """An instance whose lease has ended; `given_up` when it ended in good order."""

    instance: str
    given_up: bool


class Lease:
    """This instance's lease, by the database's clock.

    Each process has a name of its own, even when it is started again under the same INSTANCE_ID: what an earlier one
    left behind must be told apart from what this one does.

    Args:
        instance_id: the name that people know.
        lasts_s: seconds without renewal after which the others take an instance for dead.
    """

    def __init__(self, store: Store, instance_id: str, *, lasts_s: float) -> None:
        self._store = store
        self._instance_id = instance_id
        self._lasts = timedelta(seconds=lasts_s)
        self.instance = self._new_name()

    def _new_name(self) -> str:
        return f"{self._instance_id}.{secrets.token_hex(3)}"

    async def take(self) -> None:
        """Begins a lease under a new name."""
        self.instance = self._new_name()
        await self._store.execute(
            "insert into bridge_leases (instance, started_at, renewed_at) "
            "values ($1, clock_timestamp(), clock_timestamp())",
            self.instance,
        )

    async def renew(self) -> bool:
        """Renews the lease. False when it is gone: the others took this instance for dead."""
        row = await self._store.fetch_one(
            "update bridge_leases set renewed_at = clock_timestamp() where instance = $1 returning 1", self.instance
        )
        return row is not None

    async def give_up(self) -> None:
        """Ends the lease in good order: another instance, or the next process, answers for these chargers."""
        await self._store.execute(
            "update bridge_leases set renewed_at = '-infinity', given_up = true where instance = $1", self.instance
        )

    @asynccontextmanager
    async def dead(self, *, own_past: bool = False) -> AsyncIterator[Dead | None]:
        """One instance that is dead, or None. Nobody else gets it meanwhile; afterwards its lease is gone.

        Args:
            own_past: also take earlier processes of the same INSTANCE_ID, however fresh their lease is.
        """
        async with self._store.transaction() as connection:
            row = await connection.fetchrow(_DEAD, self.instance, self._lasts, self._instance_id, own_past)
            yield None if row is None else Dead(row["instance"], row["given_up"])
            if row is not None:
                await connection.execute("delete from bridge_leases where instance = $1", row["instance"])

    @asynccontextmanager
    async def inherit_sessions(self, dead: Dead) -> AsyncIterator[list[tuple[str, int]]]:
        """Some of the sessions that a dead instance had open; empty when there are no more.

        Those that it had only just closed count too, unless it ended in good order: it may not have published it.
        While the block runs no other instance can open a session of these chargers: so what is published inside it
        comes before the news of a new session. At its end they are closed and this instance's.
        """
        async with self._store.transaction() as connection:
            rows: list[Any] = await connection.fetch(_SESSIONS, dead.instance, not dead.given_up)
            yield [(row["charger_id"], row["epoch"]) for row in rows]
            await connection.execute(
                "update charger_sessions set instance = $2, closed_at = coalesce(closed_at, clock_timestamp()) "
                "where instance = $1 and charger_id = any($3::text[])",
                dead.instance,
                self.instance,
                [row["charger_id"] for row in rows],
            )

    async def inherit_the_rest(self, dead: Dead) -> None:
        """Sessions that were over long ago: this instance answers for those chargers now.

        Those that others took over meanwhile the dead one need not let go of any more.
        """
        await self._store.execute(
            "update charger_sessions set instance = $2 where instance = $1", dead.instance, self.instance
        )
        await self._store.execute(LET_GO, dead.instance)
