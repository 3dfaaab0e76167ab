"""Chargers that restart and say more, or less, about why than PowerUp."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("says-remote-reset", "Restarts like healthy, with boot reason RemoteReset, or ScheduledReset if it had to wait.")
@dataclass(kw_only=True)
class SaysRemoteReset(Restarting):
    reason: str | None = "RemoteReset"

    async def answer(self, reset: "Reset", status: str) -> None:
        self.reason = "ScheduledReset" if status == "Scheduled" else "RemoteReset"
        await reset.answer(status)


@named("says-watchdog", "Restarts like healthy, with boot reason Watchdog, which names another cause.")
@dataclass(kw_only=True)
class SaysWatchdog(Restarting):
    reason: str | None = "Watchdog"


@named("says-local-reset", "Restarts like healthy, with boot reason LocalReset, which names another cause.")
@dataclass(kw_only=True)
class SaysLocalReset(Restarting):
    reason: str | None = "LocalReset"


@named("says-no-reason", "Restarts like healthy, with no boot reason at all, although 2.x demands one.")
@dataclass(kw_only=True)
class SaysNoReason(Restarting):
    follows_schemas = False
    reason: str | None = None


@named("security-events", "Reports ResetOrReboot before the drop and StartupOfTheDevice after the boot.")
@dataclass(kw_only=True)
class SecurityEvents(Restarting):
    restarted_by_reset: bool = False

    async def wind_down(self, charger: "Charger", reset: "Reset") -> None:
        self.restarted_by_reset = True
        await charger.security_event("ResetOrReboot", f"{reset.kind} reset from the CSMS")
        await super().wind_down(charger, reset)

    async def booted(self, charger: "Charger") -> None:
        if self.restarted_by_reset:
            self.restarted_by_reset = False
            await charger.security_event("StartupOfTheDevice", "after a reset")


@named("no-boot-after-return", "Really restarts and is back at 15 s, but never sends a BootNotification again.")
@dataclass(kw_only=True)
class NoBootAfterReturn(Restarting):
    boots: bool = False


@named("triggered-boot", "Accepts and stays; on TriggerMessage it sends a boot on the same socket, on any version.")
@dataclass(kw_only=True)
class TriggeredBoot(Restarting):
    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        del charger
        await reset.answer("Accepted")

    def boots_when_triggered(self, charger: "Charger") -> bool:
        del charger
        return True


@named("boots-on-same-socket", "Accepts and, without ever dropping its socket, sends a boot on it at 10 s.")
@dataclass(kw_only=True)
class BootsOnSameSocket(Restarting):
    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        await reset.answer("Accepted")
        await reset.until(self.drop_after)
        if charger.connection is not None:
            await charger.send_boot(charger.connection, self.reason)
