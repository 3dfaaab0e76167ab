"""Chargers that take a second Reset badly while they act on the first."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.connection import Ending
from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("second-reset-restarts-timer", "Like healthy, but every further Reset starts its 10 s anew.")
@dataclass(kw_only=True)
class SecondResetRestartsTimer(Restarting):
    async def reset_again(self, charger: "Charger", reset: "Reset") -> None:
        charger.forget_earlier_resets()
        await self.reset(charger, reset)


@named("second-reset-crashes", "Closes at 3 s and boots at 6 s, but two Resets before that and it never comes back.")
@dataclass(kw_only=True)
class SecondResetCrashes(Restarting):
    drop_after: float = 3.0
    ending: Ending = Ending.CLOSE_FRAME
    away: float | tuple[float, float] = 3.0
    stops_transactions: bool = False
    crashing: bool = False

    async def reset_again(self, charger: "Charger", reset: "Reset") -> None:
        del charger
        self.crashing = True
        await reset.answer("Accepted")

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        if self.crashing:
            await charger.vanish(self.ending)
        else:
            await super().go_down(charger, reset)
