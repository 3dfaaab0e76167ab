"""Says whether a charger is really there, before anybody says that it ignored a Reset."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from chassis.clock import Clock
from chassis.tasks import cancel
from contracts.envelope import Envelope, Message
from contracts.ocpp import ChargerProbed, ProbeCharger
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.sessions import Sessions

LOOK_S = 0.05
WITHIN_S = 300.0
"""Nobody waits longer for an answer. Not by the command's `not_after`: a ping can come too late for nobody, and two
clocks need not agree."""


class Probes:
    """Pings the chargers that hold their session here when that is asked for, and tells of each that answered.

    Silence is no answer: when the session ends instead, its end is told as that of any other.
    """

    def __init__(self, *, sessions: Sessions, publishing: Publishing, clock: Clock) -> None:
        self._sessions = sessions
        self._publishing = publishing
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, envelope: Envelope[Message]) -> None:
        """Takes a record of ocpp.commands.v1 in; what comes of it runs on its own."""
        if isinstance(envelope.data, ProbeCharger):
            self._start(self._probe(envelope.data))

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._under_way

    async def stop(self) -> None:
        """Gives up what is under way."""
        for task in list(self._under_way):
            await cancel(task)

    async def _probe(self, command: ProbeCharger) -> None:
        session = self._sessions.get(command.charger_id)
        if session is None or session.epoch != command.epoch or session.over:
            return
        asked = time.monotonic()
        session.ping()
        while session.heard_at <= asked:  # a session has no event for it: it hears much, and this is asked rarely
            if time.monotonic() - asked > WITHIN_S:
                return
            await asyncio.sleep(LOOK_S)
            if session.over:  # its farewell is heard as well, and says the opposite
                return
        if session.over:
            return  # what was heard is its goodbye
        await self._publishing.answer(
            ChargerProbed(
                charger_id=command.charger_id,
                attempt_id=command.attempt_id,
                epoch=command.epoch,
                escalation=command.escalation,
                heard_at=self._clock.now(),
                asked_at=command.asked_at,
                lasted_s=session.heard_at - session.began_at,
            )
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="probe")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
