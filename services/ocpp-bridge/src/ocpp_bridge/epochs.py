"""Numbers the sessions of each charger, and knows in the database which instance holds the last one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocpp_bridge.batching import Batcher
from ocpp_bridge.store import Store

# Nobody inherits from a name that has no lease: the end of its sessions would be told by nobody. While an heir has the
# lease, it is as good as gone.
_OPEN = """
with living as (select instance from bridge_leases where instance = $3 for key share skip locked)
insert into charger_sessions as held (charger_id, epoch, instance, protocol, opened_at)
select charger_id, 1, living.instance, protocol, clock_timestamp()
from unnest($1::text[], $2::text[]) as opening (charger_id, protocol), living
order by charger_id
on conflict (charger_id) do update set
    epoch = held.epoch + 1,
    taken_from = case when held.closed_at is null and held.instance <> excluded.instance
        then array_append(held.taken_from, held.instance) else held.taken_from end,
    instance = excluded.instance, protocol = excluded.protocol, opened_at = excluded.opened_at, closed_at = null
returning charger_id, epoch, accepted
"""
_CLOSE = """
update charger_sessions held
set closed_at = case when held.epoch = ending.epoch then clock_timestamp() else held.closed_at end
from unnest($1::text[], $2::bigint[]) as ending (charger_id, epoch)
where held.charger_id = ending.charger_id and held.instance = $3
returning held.charger_id
"""
_ACCEPT = """
update charger_sessions held set accepted = boot.accepted
from unnest($1::text[], $2::bigint[], $3::boolean[]) as boot (charger_id, epoch, accepted)
where held.charger_id = boot.charger_id and held.epoch = boot.epoch and held.accepted <> boot.accepted
"""
LET_GO = """
update charger_sessions set taken_from = nullif(array_remove(taken_from, $1::text), '{}')
where taken_from @> array[$1::text] returning charger_id, epoch
"""
"""An instance, $1, learns which of its sessions others have taken over; or it is dead, and nobody waits for it."""


class NoLeaseError(Exception):
    """The others took this instance for dead, which it does not know yet: no session can begin on it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session: its number, and whether the charger's last boot was accepted."""

    epoch: int
    accepted: bool


class Epochs:
    """The table of sessions, by the database's clock. Its statements are shared by all who come at the same time.

    Args:
        instance: tells the name of this instance.
    """

    def __init__(self, store: Store, instance: Callable[[], str]) -> None:
        self._store = store
        self._instance = instance
        self._opening: Batcher[tuple[str, str], Opened] = Batcher(self._open, key=lambda item: item[0])
        self._closing: Batcher[tuple[str, int], bool] = Batcher(self._close, key=lambda item: item[0])
        self._accepting: Batcher[tuple[str, int, bool], None] = Batcher(self._accept, key=lambda item: item[0])

    async def open(self, charger_id: str, protocol: str) -> Opened:
        """A session begins here: it has a greater epoch than any before it. Raises NoLeaseError."""
        return await self._opening((charger_id, protocol))

    async def close(self, charger_id: str, epoch: int) -> bool:
        """A session of this instance ended. False when another instance has opened a newer one since."""
        return await self._closing((charger_id, epoch))

    async def accept(self, charger_id: str, epoch: int, *, accepted: bool) -> None:
        """A boot was answered: remembered, because a charger that only reconnects does not boot again."""
        await self._accepting((charger_id, epoch, accepted))

    async def taken(self) -> list[tuple[str, int]]:
        """Chargers that other instances took over from this one since the last call, with their new epochs."""
        rows = await self._store.fetch(LET_GO, self._instance())
        return [(row["charger_id"], row["epoch"]) for row in rows]

    async def _open(self, items: Sequence[tuple[str, str]]) -> list[Opened]:
        chargers, protocols = [item[0] for item in items], [item[1] for item in items]
        rows = await self._store.fetch(_OPEN, chargers, protocols, self._instance())
        if not rows:
            raise NoLeaseError
        found = {row["charger_id"]: Opened(row["epoch"], row["accepted"]) for row in rows}
        return [found[charger_id] for charger_id in chargers]

    async def _accept(self, items: Sequence[tuple[str, int, bool]]) -> list[None]:
        await self._store.execute(_ACCEPT, *(list(column) for column in zip(*items, strict=True)))
        return [None] * len(items)

    async def _close(self, items: Sequence[tuple[str, int]]) -> list[bool]:
        chargers, epochs = [item[0] for item in items], [item[1] for item in items]
        rows = await self._store.fetch(_CLOSE, chargers, epochs, self._instance())
        found = {row["charger_id"] for row in rows}
        return [charger_id in found for charger_id in chargers]
