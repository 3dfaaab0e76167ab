"""Keeps this instance's lease, notices who took its chargers over, and inherits from instances that died."""

import asyncio
import time
from datetime import datetime

import structlog

from chassis.clock import Clock
from chassis.tasks import cancel
from contracts.ocpp import ChargerDisconnected
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.lease import Dead, Lease
from ocpp_bridge.ledger import Ledger
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.resets import Resets
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.store import UNAVAILABLE

log = structlog.stdlib.get_logger(__name__)

RENEWALS = 5
"""How often a lease is renewed in the time that it lasts."""


class Succession:
    """What instances owe each other.

    Args:
        lasts_s: seconds without renewal after which an instance is dead.
    """

    def __init__(
        self,
        *,
        lease: Lease,
        sessions: Sessions,
        epochs: Epochs,
        ledger: Ledger,
        resets: Resets,
        publishing: Publishing,
        clock: Clock,
        lasts_s: float,
    ) -> None:
        self._lease = lease
        self._sessions = sessions
        self._epochs = epochs
        self._ledger = ledger
        self._resets = resets
        self._publishing = publishing
        self._clock = clock
        self._lasts = lasts_s
        self._renewed_at = time.monotonic()
        self._patient_until = 0.0

    async def begin(self) -> None:
        """Takes a lease, and what earlier processes of this instance and dead ones left behind."""
        await self._lease.take()
        self._renewed_at = time.monotonic()
        await self.inherit(own_past=True)
        if not await self._lease.renew():  # it took long, and others took this one for dead, which has no session yet
            await self._lease.take()

    async def run(self) -> None:
        """Keeps the lease until it is cancelled.

        Inheriting waits for Kafka, and so must not keep the lease waiting: the next one would take the heir for dead.
        """
        inheriting: asyncio.Task[None] | None = None
        try:
            while True:
                await self._pause()
                try:
                    await self.keep()
                except UNAVAILABLE as error:
                    log.warning("the lease could not be renewed", why=repr(error))
                    continue
                if inheriting is None or inheriting.done():
                    inheriting = asyncio.create_task(self._inherit_if_possible(), name="inheritance")
        finally:
            if inheriting is not None:
                await cancel(inheriting)

    async def look(self) -> None:
        """One round: renew, give way, inherit."""
        await self.keep()
        if time.monotonic() >= self._patient_until:
            await self.inherit()

    async def keep(self) -> None:
        """Renews the lease, and gives way to those who took chargers over."""
        if not await self._lease.renew():
            log.error("the others took this instance for dead: all its sessions are closed, chargers come back")
            for session in self._sessions:
                session.fence()
            await self._lease.take()
        now = time.monotonic()
        if now - self._renewed_at > self._lasts / 2:
            # The database was away, for the others as for us: give them the time to renew before they count as dead.
            self._patient_until = now + self._lasts
        self._renewed_at = now
        for charger_id, epoch in await self._epochs.taken():
            held = self._sessions.get(charger_id)
            if held is not None and held.epoch < epoch:
                held.fence()

    async def _pause(self) -> None:
        await asyncio.sleep(self._lasts / RENEWALS)

    async def _inherit_if_possible(self) -> None:
        if time.monotonic() >= self._patient_until:
            try:
                await self.inherit()
            except UNAVAILABLE as error:
                log.warning("nothing could be inherited", why=repr(error))

    async def inherit(self, *, own_past: bool = False) -> None:
        """Says what dead instances can't say any more: their Resets are unanswered, their sessions are over."""
        while True:
            async with self._lease.dead(own_past=own_past) as dead:
                if dead is None:
                    return
                began = time.monotonic()
                for entry in await self._ledger.left_by(dead.instance):
                    await self._resets.bridge_lost(entry)
                sessions = await self._inherit_sessions(dead)
                await self._lease.inherit_the_rest(dead)
                took = round(time.monotonic() - began, 3)
                log.info("inherited from an instance", dead=dead.instance, sessions=sessions, seconds=took)

    async def _inherit_sessions(self, dead: Dead) -> int:
        count = 0
        while True:
            async with self._lease.inherit_sessions(dead) as sessions:
                now = self._clock.now()
                await asyncio.gather(*(self._lost(dead, charger_id, epoch, now) for charger_id, epoch in sessions))
            if not sessions:
                return count
            count += len(sessions)

    async def _lost(self, dead: Dead, charger_id: str, epoch: int, now: datetime) -> None:
        await self._publishing.connectivity(
            ChargerDisconnected(charger_id=charger_id, epoch=epoch, bridge=dead.instance, since=now, why="bridge_lost")
        )
