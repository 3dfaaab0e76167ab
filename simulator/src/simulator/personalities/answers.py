"""Chargers that restart, and whose answer to the Reset is lost, late, or in an odd place."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.connection import Ending
from simulator.frames import error, result
from simulator.personalities.base import Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("never-answers-but-restarts", "Goes down before it could answer, is back 15 s after the Reset and boots.")
@dataclass(kw_only=True)
class NeverAnswersButRestarts(Restarting):
    drop_after: float = 0.05
    away: float | tuple[float, float] = 15.0

    async def answer(self, reset: "Reset", status: str) -> None:
        """Lose the answer."""


@named(
    "answers-late-on-next-socket",
    "Boots at 20 s, then answers the old Reset on the new socket, with a stale status and a CALLERROR of the same id.",
)
@dataclass(kw_only=True)
class AnswersLateOnNextSocket(NeverAnswersButRestarts):
    away: float | tuple[float, float] = 20.0

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        await super().go_down(charger, reset)
        connection = await charger.connected()
        await charger.booted()
        await charger.pause(0.05)
        await connection.send(result(reset.message_id, {"status": "Accepted"}))
        await charger.send_status(1, "Unavailable")
        await connection.send(error(reset.message_id, "GenericError", "the call was answered already"))
        await charger.pause(0.5)
        await charger.report()


@named("stale-status-last", "Its answer is lost; after the boot come StopTransaction and, as last status, Unavailable.")
@dataclass(kw_only=True)
class StaleStatusLast(NeverAnswersButRestarts):
    away: float | tuple[float, float] = 20.0

    async def wind_down(self, charger: "Charger", reset: "Reset") -> None:
        for connector in charger.running():
            charger.end_silently(connector, charger.dialect.stop_reason(reset.kind))

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        await super().go_down(charger, reset)
        await charger.booted()
        await charger.pause(1.0)
        await charger.send_status(1, "Unavailable")


@named("statuses-before-answer", "Statuses and the end of a transaction come before the answer; drops at 0.04 s.")
@dataclass(kw_only=True)
class StatusesBeforeAnswer(Restarting):
    ending: Ending = Ending.CLOSE_FRAME
    away: float | tuple[float, float] = (20.0, 60.0)

    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        if reset.evse_id is not None or reset.when_idle:
            await super().reset(charger, reset)
            return
        await self.wind_down(charger, reset)
        await charger.set_resetting()
        await reset.answer("Accepted")
        await charger.pause(0.04)
        await self.go_down(charger, reset)
