"""Chargers that restart as they were told, each in its own time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.connection import Connection, Ending
from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("healthy", "Accepts, drops TCP without a close frame at 10 s, is back at 15 s and boots with reason PowerUp.")
@dataclass(kw_only=True)
class Healthy(Restarting):
    pass


@named("fast", "Accepts, reports Unavailable, closes without a code at 0.07 s and is back 20 to 60 s later.")
@dataclass(kw_only=True)
class Fast(Restarting):
    drop_after: float = 0.07
    waits_for_last_words: bool = True
    ending: Ending = Ending.CLOSE_FRAME
    away: float | tuple[float, float] = (20.0, 60.0)

    async def answer(self, reset: "Reset", status: str) -> None:
        await reset.until(0.04)
        await reset.answer(status)

    async def wind_down(self, charger: "Charger", reset: "Reset") -> None:
        await super().wind_down(charger, reset)
        await charger.set_resetting()


@named("slow", "Accepts, drops at 10 s and stays away for 90 s, as a well-known wallbox does.")
@dataclass(kw_only=True)
class Slow(Restarting):
    away: float | tuple[float, float] = 90.0


@named("very-slow", "Accepts, drops at 10 s and takes 5 minutes to come back, as some hard resets do.")
@dataclass(kw_only=True)
class VerySlow(Restarting):
    away: float | tuple[float, float] = 290.0


@named("eager-status", "Closes without a code at 3 s, is back at 6 s and sends a status before its boot is answered.")
@dataclass(kw_only=True)
class EagerStatus(Restarting):
    drop_after: float = 3.0
    ending: Ending = Ending.CLOSE_FRAME
    away: float | tuple[float, float] = 3.0
    stops_transactions: bool = False

    async def before_boot(self, charger: "Charger", connection: Connection) -> None:
        # Written right behind the BootNotification, as it is scheduled before its answer can arrive.
        charger.run_in_background(self._hurry(charger, connection))

    async def _hurry(self, charger: "Charger", connection: Connection) -> None:
        for connector in charger.connectors.values():
            await connection.post(*charger.dialect.status(connector))


@named("null-fields", "Restarts like healthy, but answers with statusInfo null, which strict validation refuses.")
@dataclass(kw_only=True)
class NullFields(Restarting):
    follows_schemas = False

    async def answer(self, reset: "Reset", status: str) -> None:
        await reset.answer(status, statusInfo=None)
