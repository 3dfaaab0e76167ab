"""Chargers that promise or say nothing, and then stay as they are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.personalities.base import Personality, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("accepts-and-ignores", "Accepts, then nothing: its socket stays and charging goes on.")
class AcceptsAndIgnores(Personality):
    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        del charger
        await reset.answer("Accepted")


@named("ignores-silently", "Never answers a Reset and stays as it is; everything else is answered.")
class IgnoresSilently(Personality):
    async def reset_again(self, charger: "Charger", reset: "Reset") -> None:
        await self.reset(charger, reset)


@named("answers-too-late", "Hangs for 40 s, not even answering pings, then accepts and stays as it is.")
@dataclass(kw_only=True)
class AnswersTooLate(Personality):
    hangs_for: float = 40.0

    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        await reset.connection.freeze(self.hangs_for / charger.speed)
        await reset.answer("Accepted")


@named("reset-failure", "Accepts and stays; at 30 s 1.6 reports errorCode ResetFailure, 2.x says nothing.")
@dataclass(kw_only=True)
class ResetFailure(Personality):
    fails_after: float = 30.0

    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        await reset.answer("Accepted")
        await reset.until(self.fails_after)
        if not charger.is_2:
            await charger.send_status(None, "Available", "ResetFailure")
