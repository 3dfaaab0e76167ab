"""Chargers that restart and then are not well."""

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@dataclass(kw_only=True)
class _AfterReset(Restarting):
    """Remembers whether the next boot is the one after a Reset."""

    was_reset: bool = field(default=False, init=False)

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        self.was_reset = True
        await super().go_down(charger, reset)

    async def booted(self, charger: "Charger") -> None:
        if self.was_reset:
            self.was_reset = False
            await self.aftermath(charger)

    async def aftermath(self, charger: "Charger") -> None:
        """Act after the boot that follows a Reset."""


@named("boot-loop", "Restarts, and then again and again: four boots, each 5 s after the one before.")
@dataclass(kw_only=True)
class BootLoop(Restarting):
    more_boots: int = 3
    boots_left: int = field(default=0, init=False)

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        self.boots_left = self.more_boots
        await super().go_down(charger, reset)

    async def booted(self, charger: "Charger") -> None:
        if self.boots_left > 0:
            self.boots_left -= 1
            await charger.pause(2.0)
            await charger.restart(away=3.0, reason="Watchdog")


@named("comes-back-faulted", "Restarts, and its first connector is Faulted afterwards.")
@dataclass(kw_only=True)
class ComesBackFaulted(_AfterReset):
    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        charger.connectors[1].fault = "InternalError"
        await super().go_down(charger, reset)


@named("comes-back-unavailable", "Restarts, and its first connector stays Unavailable although it was not before.")
@dataclass(kw_only=True)
class ComesBackUnavailable(_AfterReset):
    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        charger.connectors[1].operative = False
        await super().go_down(charger, reset)


@named("goes-away-again", "Restarts and boots well, then crashes 4.6 s later and never returns.")
@dataclass(kw_only=True)
class GoesAwayAgain(_AfterReset):
    stops_transactions: bool = False

    async def aftermath(self, charger: "Charger") -> None:
        await charger.pause(4.6)
        await charger.vanish()


@named("repeats-boot", "Restarts, and sends another boot on the same socket 30 s after the first was accepted.")
@dataclass(kw_only=True)
class RepeatsBoot(_AfterReset):
    async def aftermath(self, charger: "Charger") -> None:
        await charger.pause(30.0)
        if charger.connection is not None:
            await charger.send_boot(charger.connection, "PowerUp")


@named("dislikes-early-commands", "Restarts anew whenever the server sends it a call within 5 s of a boot.")
@dataclass(kw_only=True)
class DislikesEarlyCommands(Restarting):
    delicate_for: float = 5.0
    delicate_until: float = field(default=0.0, init=False)

    async def booted(self, charger: "Charger") -> None:
        self.delicate_until = monotonic() + self.delicate_for / charger.speed

    def called(self, charger: "Charger", action: str) -> None:
        del action
        if monotonic() < self.delicate_until:
            self.delicate_until = 0.0
            charger.run_script(charger.restart(away=5.0, reason="Watchdog"))
