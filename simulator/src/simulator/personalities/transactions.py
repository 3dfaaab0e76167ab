"""Chargers that are told to reset while they charge, or one EVSE of them alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.connection import Ending
from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("scheduled", "OnIdle while charging (2.x): Scheduled, waits for the end, restarts 10 s later as ScheduledReset.")
@dataclass(kw_only=True)
class Scheduled(Restarting):
    async def answer(self, reset: "Reset", status: str) -> None:
        self.reason = "ScheduledReset" if status == "Scheduled" else "RemoteReset"
        await reset.answer(status)


@named("never-stops-transaction", "Restarts at 0.02 s while charging and never says that the transaction ended.")
@dataclass(kw_only=True)
class NeverStopsTransaction(Restarting):
    drop_after: float = 0.02
    waits_for_last_words: bool = True
    ending: Ending = Ending.CLOSE_FRAME
    away: float | tuple[float, float] = (20.0, 60.0)
    stops_transactions: bool = False

    async def wind_down(self, charger: "Charger", reset: "Reset") -> None:
        del reset
        await charger.set_resetting()

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        for connector in charger.running():
            charger.forget_transaction(connector)
        await super().go_down(charger, reset)


@named("stops-after-boot", "Restarts while charging and reports the end of the transaction only after its boot.")
@dataclass(kw_only=True)
class StopsAfterBoot(Restarting):
    stops_transactions: bool = False

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        for connector in charger.running():
            charger.end_silently(connector, charger.dialect.stop_reason(reset.kind))
        await super().go_down(charger, reset)


@named("resumes-transaction", "Restarts while charging and goes on with the same transaction afterwards.")
@dataclass(kw_only=True)
class ResumesTransaction(Restarting):
    stops_transactions: bool = False


@named("second-transaction", "Restarts while charging and starts another transaction without ending the first.")
@dataclass(kw_only=True)
class SecondTransaction(Restarting):
    stops_transactions: bool = False

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        interrupted = [connector for connector in charger.running() if charger.forget_transaction(connector)]
        await super().go_down(charger, reset)
        await charger.booted()
        await charger.pause(1.0)
        for connector in interrupted:
            await charger.start_transaction(connector.id)


@named("evse-only", "Resets one EVSE alone: Unavailable, Accepted, Available 1 s later, no drop and no boot.")
@dataclass(kw_only=True)
class EvseOnly(Restarting):
    async def reset_evse(self, charger: "Charger", reset: "Reset") -> None:
        connector = charger.connectors.get(reset.evse_id or 0)
        if connector is None:
            await reset.answer("Rejected")
            return
        if connector.transaction and reset.when_idle:
            await reset.answer("Scheduled")
            await charger.until_idle()
        else:
            connector.resetting = True
            await charger.report_changes()
            await reset.answer("Accepted")
            charger.end_silently(connector, charger.dialect.stop_reason(reset.kind))
            await charger.pause(1.0)
        connector.software_started()
        charger.facts.evse_restarts += 1
        await charger.report_changes()
