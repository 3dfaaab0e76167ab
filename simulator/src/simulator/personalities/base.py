"""What a personality is: what a charger does when it is told to reset, and anything odd that it does besides."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from simulator.connection import Connection, Ending

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.reset import Reset


class Personality:
    """Does nothing at all when reset; subclasses write the play. One instance belongs to one charger.

    Attributes:
        name: under which it is selected.
        about: one sentence for lists.
        family: the file's subject, for lists.
        follows_schemas: whether everything it sends is valid OCPP.
    """

    name: ClassVar[str] = ""
    about: ClassVar[str] = ""
    family: ClassVar[str] = ""
    follows_schemas: ClassVar[bool] = True

    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        """Act on a Reset; the play may go on after the restart."""

    async def reset_again(self, charger: "Charger", reset: "Reset") -> None:
        """Act on a Reset that arrives while an earlier one is not done: by default promise, and go on as before."""
        del charger
        await reset.answer("Accepted")

    async def before_boot(self, charger: "Charger", connection: Connection) -> None:
        """Act on a new socket before the BootNotification."""

    async def booted(self, charger: "Charger") -> None:
        """Act once a BootNotification was accepted and the statuses are sent."""

    def called(self, charger: "Charger", action: str) -> None:
        """See any CALL from the server, before it is answered."""

    def boots_when_triggered(self, charger: "Charger") -> bool:
        """Whether TriggerMessage(BootNotification) is obeyed: on 2.x not once accepted (F06.FR.17)."""
        return not (charger.is_2 and charger.is_registered)


@dataclass(kw_only=True)
class Restarting(Personality):
    """Answers, ends what is charging, drops the socket, stays away, boots; subclasses change the details.

    Attributes:
        drop_after: the charger's own seconds from the Reset frame to the socket's end.
        ending: how the socket ends.
        away: seconds from there to the next connection, or a range to choose from.
        reason: of the boot on 2.x; None leaves the field out.
        boots: whether it sends a BootNotification at all.
        stops_transactions: whether a running transaction is ended before the drop.
        waits_for_last_words: whether the drop waits until its last messages are answered, for those in a hurry.
    """

    drop_after: float = 10.0
    ending: Ending = Ending.ABRUPT
    away: float | tuple[float, float] = 5.0
    reason: str | None = "PowerUp"
    boots: bool = True
    stops_transactions: bool = True
    waits_for_last_words: bool = False

    async def reset(self, charger: "Charger", reset: "Reset") -> None:
        if reset.evse_id is not None:
            await self.reset_evse(charger, reset)
        elif reset.when_idle and charger.running():
            await self.answer(reset, "Scheduled")
            await charger.until_idle()
            await charger.pause(self.drop_after)
            await self.go_down(charger, reset)
        else:
            await self.answer(reset, "Accepted")
            # In the background, because a server that never answers StopTransaction does not stop the restart.
            last_words = charger.run_script(self.wind_down(charger, reset))
            if self.waits_for_last_words:
                await asyncio.wait([last_words])
            await reset.until(self.drop_after)
            await self.go_down(charger, reset)

    async def answer(self, reset: "Reset", status: str) -> None:
        await reset.answer(status)

    async def reset_evse(self, charger: "Charger", reset: "Reset") -> None:
        """Refuse to reset one EVSE alone (B11.FR.09)."""
        del charger
        await reset.answer("Rejected")

    async def wind_down(self, charger: "Charger", reset: "Reset") -> None:
        """Use the time between the answer and the drop."""
        if self.stops_transactions and reset.kind != "ImmediateAndResume":
            for connector in charger.running():
                await charger.end_transaction(connector, charger.dialect.stop_reason(reset.kind))

    async def go_down(self, charger: "Charger", reset: "Reset") -> None:
        del reset
        away = self.away if isinstance(self.away, float | int) else charger.random.uniform(*self.away)
        await charger.restart(away=away, ending=self.ending, reason=self.reason, boot=self.boots)


NAMED: dict[str, type[Personality]] = {}

P = TypeVar("P", bound=type[Personality])


def named(name: str, about: str) -> Callable[[P], P]:
    """Enter a personality into the registry."""

    def enter(personality: P) -> P:
        if name in NAMED:
            raise ValueError(f"two personalities are called {name!r}")
        personality.name = name
        personality.about = about
        personality.family = personality.__module__.rsplit(".", 1)[-1]
        NAMED[name] = personality
        return personality

    return enter
