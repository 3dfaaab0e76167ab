"""Chargers whose sockets tell a misleading story."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.connection import Ending
from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("blip", "Accepts, drops its socket at 10 s and is back at 15 s without a boot: it never restarted.")
@dataclass(kw_only=True)
class Blip(Restarting):
    stops_transactions: bool = False

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        del reset
        away = self.away if isinstance(self.away, float | int) else charger.random.uniform(*self.away)
        await charger.blink(away, self.ending)


@named("quick-blip", "Accepts, drops its socket at once and is back 1 s later without a boot: it never restarted.")
@dataclass(kw_only=True)
class QuickBlip(Blip):
    drop_after: float = 0.1
    away: float | tuple[float, float] = 1.0


@named("reconnects-then-restarts", "Loses its socket and the answer, is back in 4 ms without a boot, boots at 15 s.")
@dataclass(kw_only=True)
class ReconnectsThenRestarts(Restarting):
    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        await charger.blink(0.004)
        await reset.until(self.drop_after)
        await self.go_down(charger, reset)


@named("never-returns", "Accepts, drops at 10 s and is never seen again until somebody switches the power off and on.")
@dataclass(kw_only=True)
class NeverReturns(Restarting):
    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        del reset
        await charger.vanish(self.ending)


@named(
    "dies-silently", "Accepts; at 10 s its socket stops answering, without FIN or close frame, and it never returns."
)
@dataclass(kw_only=True)
class DiesSilently(NeverReturns):
    ending: Ending = Ending.SILENT


@named("silent-death", "Restarts like healthy, but its old socket stays open and dead while the new one boots.")
@dataclass(kw_only=True)
class SilentDeath(Restarting):
    ending: Ending = Ending.SILENT


@named("returns-late", "Accepts, drops at 10 s and comes back with a boot only after 20 minutes.")
@dataclass(kw_only=True)
class ReturnsLate(Restarting):
    away: float | tuple[float, float] = 1200.0
