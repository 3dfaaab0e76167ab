"""Who holds the last session of a charger, as the database knows it across instances."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ocpp_bridge.store import Store


@dataclass(frozen=True, slots=True)
class LastSession:
    """The last session of a charger; `closed_at` is None while it lasts."""

    epoch: int
    protocol: str
    instance: str
    accepted: bool
    opened_at: datetime
    closed_at: datetime | None


class Holders:
    """Reads the table of sessions.

    Args:
        instance: tells the name of this instance.
    """

    def __init__(self, store: Store, instance: Callable[[], str]) -> None:
        self._store = store
        self._instance = instance

    async def last_session(self, charger_id: str) -> LastSession | None:
        """The charger's last session, on whichever instance; None when it never had one."""
        row = await self._store.fetch_one(
            "select epoch, protocol, instance, accepted, opened_at, closed_at from charger_sessions "
            "where charger_id = $1",
            charger_id,
        )
        return None if row is None else LastSession(*row)

    async def is_ours(self, charger_id: str, epoch: int) -> bool:
        """Whether session `epoch` is still the charger's last one, and of this instance."""
        last = await self.last_session(charger_id)
        return last is not None and (last.epoch, last.instance) == (epoch, self._instance())

    async def answers_for(self, charger_id: str) -> bool:
        """Whether it is for this instance to say that a charger has no session.

        That is the instance which had its last one, or has inherited it; any, for a charger that never had one.
        """
        last = await self.last_session(charger_id)
        return last is None or last.instance == self._instance()
