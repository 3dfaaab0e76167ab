"""Chargers that say no."""

from typing import TYPE_CHECKING

from simulator.personalities.base import Personality, Restarting, named

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


@named("rejects", "Answers every Reset with Rejected.")
class Rejects(Personality):
    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        del charger
        await reset.answer("Rejected")


@named("rejects-soft", "Rejects Soft and OnIdle, and restarts like healthy when told Hard or Immediate.")
class RejectsSoft(Restarting):
    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        if reset.kind in ("Soft", "OnIdle"):
            await reset.answer("Rejected")
        else:
            await super().reset(charger, reset)


@named("unsupported", "Answers every Reset with CALLERROR NotSupported.")
class Unsupported(Personality):
    code = "NotSupported"

    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        del charger
        await reset.refuse(self.code, "Reset is not available on this charger")


@named("not-implemented", "Answers every Reset with CALLERROR NotImplemented.")
class Unimplemented(Unsupported):
    code = "NotImplemented"


@named("internal-error", "Answers every Reset with CALLERROR InternalError, and stays up.")
class FailsInside(Unsupported):
    code = "InternalError"
