"""New passwords between the moment before a charger is sent one and the moment that fleet keeps it.

The row of a change is committed before the frame is written, so that whatever dies in between, a charger that took its
new password is let in with it: showing it is the proof. Only then, or when it answers Accepted, the new one is valid
and the old one is not. A row lasts until fleet publishes the new verifier, or another one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog

from chassis.clock import Clock
from chassis.publisher import PublishFailedError
from chassis.tasks import cancel, delays
from contracts.calls import PasswordAccepted
from contracts.fleet import CredentialSet
from ocpp_bridge.store import UNAVAILABLE, Store

log = structlog.stdlib.get_logger(__name__)

OPEN_AT_MOST = 5
"""So many unanswered changes of one charger are kept, the oldest giving way."""
EVERY_S = 5.0
STOP_WITHIN_S = 1.0

_COLUMNS = "call_id, charger_id, salt, verifier, replaced, replaces, staged_at, accepted_at"
_STAGE = f"""
insert into password_changes ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, null)
on conflict (call_id) do nothing returning call_id
"""  # noqa: S608 the names of columns
_TRIM = """
delete from password_changes where charger_id = $1 and call_id not in
(select call_id from password_changes where charger_id = $1 order by accepted_at is null, staged_at desc limit $2)
"""
_ACCEPT = "update password_changes set accepted_at = coalesce(accepted_at, $2) where call_id = $1"
_OTHERS = "delete from password_changes where charger_id = $2 and call_id <> $1"


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """One new password.

    Attributes:
        salt, verifier: of the new password, as fleet publishes them.
        replaced: the verifier that the charger had when it was sent.
        replaces: the version of fleet's credential that the change is based on.
        accepted_at: when the charger had taken it; None while nobody knows.
    """

    call_id: UUID
    charger_id: str
    salt: str = field(repr=False)
    verifier: str = field(repr=False)
    replaced: str | None = field(repr=False)
    replaces: int
    staged_at: datetime
    accepted_at: datetime | None = None

    @property
    def accepted(self) -> bool:
        return self.accepted_at is not None


class Telling(Protocol):
    """Publishes what fleet must know."""

    async def password_accepted(self, event: PasswordAccepted) -> None:
        """Raises PublishFailedError."""
        ...


class PasswordChanges:
    """The table of changes, and a copy of it in memory, which the handshake looks at.

    Other instances' changes are seen within `every_s`. A charger that moves between instances faster than that, after
    an answer that was lost, is refused once or twice and then let in.

    Args:
        credential_of: what fleet last said of a charger.
        has_credentials: whether all of it has been read.
    """

    def __init__(
        self,
        store: Store,
        telling: Telling,
        clock: Clock,
        *,
        credential_of: Callable[[str], CredentialSet | None],
        has_credentials: Callable[[], bool],
        every_s: float = EVERY_S,
    ) -> None:
        self._store = store
        self._telling = telling
        self._clock = clock
        self._credential_of = credential_of
        self._has_credentials = has_credentials
        self._every = every_s
        self._open: dict[str, tuple[PasswordChange, ...]] = {}
        self._waiting: dict[UUID, asyncio.Future[bool]] = {}
        self._reading = asyncio.Lock()
        self._gone: set[UUID] = set()
        self._work: set[asyncio.Task[None]] = set()

    def of(self, charger_id: str) -> Sequence[PasswordChange]:
        """The open changes of a charger; where it has accepted one, that one alone."""
        return self._open.get(charger_id, ())

    def find(self, charger_id: str, call_id: UUID) -> PasswordChange | None:
        """One of them."""
        return next((change for change in self.of(charger_id) if change.call_id == call_id), None)

    async def stage(self, change: PasswordChange) -> bool:
        """Commits a change that is about to be sent; False when it was staged before. Raises store.UNAVAILABLE."""
        async with self._reading:
            row = await self._store.fetch_one(
                _STAGE,
                change.call_id,
                change.charger_id,
                change.salt,
                change.verifier,
                change.replaced,
                change.replaces,
                change.staged_at,
            )
            if row is None:
                return False
            await self._store.execute(_TRIM, change.charger_id, OPEN_AT_MOST)
            self._put((*self.of(change.charger_id), change)[-OPEN_AT_MOST:])
        return True

    def accept(self, change: PasswordChange) -> None:
        """The charger has taken the new password: from now on it counts, and no other."""
        if change.accepted or self.find(change.charger_id, change.call_id) is None:
            return
        taken = replace(change, accepted_at=self._clock.now())
        self._open[change.charger_id] = (taken,)
        log.info("a charger has taken its new password", charger=change.charger_id, call=str(change.call_id))
        self._start(self._keep(taken))

    def proven(self, charger_id: str, call_id: UUID) -> None:
        """The charger has shown a password that was staged for it."""
        change = self.find(charger_id, call_id)
        if change is not None:
            self.accept(change)

    def withdraw(self, change: PasswordChange) -> None:
        """The charger has not taken the new password, and never will."""
        self._forget(change, stored=False)

    def credential_set(self, credential: CredentialSet) -> None:
        """Fleet has said what a charger's credential is."""
        for change in self.of(credential.charger_id):
            if credential.verifier == change.verifier:
                self._forget(change, stored=True)
            elif credential.version <= change.replaces:
                continue  # what was said before, read again
            elif credential.verifier != change.replaced:
                # Somebody gave the charger another password, or another profile: fleet has the last word.
                log.warning("a password change was overtaken", charger=change.charger_id, call=str(change.call_id))
                self._forget(change, stored=False)
            else:
                moved = replace(change, replaces=credential.version)
                kept = (moved if each is change else each for each in self.of(change.charger_id))
                self._open[change.charger_id] = tuple(kept)
                if moved.accepted:
                    self._start(self._tell(moved))

    def revoked(self, charger_id: str) -> None:
        """The charger may no longer connect, with whatever password."""
        for change in self.of(charger_id):
            self._forget(change, stored=False)

    async def stored(self, change: PasswordChange, *, within: float) -> bool:
        """Whether fleet keeps the new password, as soon as that is known; False after `within` seconds."""
        if self.find(change.charger_id, change.call_id) is None:
            credential = self._credential_of(change.charger_id)
            return credential is not None and credential.verifier == change.verifier
        future = self._waiting.setdefault(change.call_id, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(change.call_id, None)

    async def run(self) -> None:
        """Follows what other instances do, and tells fleet again what it has not taken over, until cancelled.

        The first round is the caller's.
        """
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """One round."""
        try:
            async with self._reading:
                rows = await self._store.fetch(f"select {_COLUMNS} from password_changes order by staged_at")  # noqa: S608
        except UNAVAILABLE as error:
            log.warning("password changes can't be read", why=repr(error))
            return
        found: dict[str, tuple[PasswordChange, ...]] = {}
        for row in rows:
            change = PasswordChange(**row)
            known = self.find(change.charger_id, change.call_id)
            if change.call_id not in self._gone:
                # What this instance knows and has not written yet is newer than the row.
                mine = known is not None and (known.accepted, known.replaces) >= (change.accepted, change.replaces)
                found[change.charger_id] = (*found.get(change.charger_id, ()), known if mine and known else change)
        self._open = {}
        for changes in found.values():
            self._put(changes)
        if not self._has_credentials():
            return
        for charger_id in list(self._open):
            credential = self._credential_of(charger_id)
            if credential is None:
                self.revoked(charger_id)
                continue
            self.credential_set(credential)
            for change in self.of(charger_id):
                if change.accepted:
                    await self._tell(change)

    async def stop(self) -> None:
        """Gives up what is under way after a moment: the charger's next handshake settles what is not written."""
        if self._work:
            await asyncio.wait(self._work, timeout=STOP_WITHIN_S)
        for task in list(self._work):
            await cancel(task)

    def _put(self, changes: tuple[PasswordChange, ...]) -> None:
        taken = tuple(change for change in changes if change.accepted)
        self._open[changes[0].charger_id] = taken[-1:] or changes

    def _forget(self, change: PasswordChange, *, stored: bool) -> None:
        left = tuple(each for each in self.of(change.charger_id) if each.call_id != change.call_id)
        if left:
            self._open[change.charger_id] = left
        else:
            self._open.pop(change.charger_id, None)
        waiting = self._waiting.get(change.call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(stored)
        self._gone.add(change.call_id)
        self._start(self._delete(change.call_id))

    async def _keep(self, change: PasswordChange) -> None:
        await self._patiently(lambda: self._write_accepted(change))
        await self._tell(change)

    async def _write_accepted(self, change: PasswordChange) -> None:
        async with self._store.transaction() as connection:
            await connection.execute(_ACCEPT, change.call_id, change.accepted_at)
            await connection.execute(_OTHERS, change.call_id, change.charger_id)

    async def _tell(self, change: PasswordChange) -> None:
        """Tells fleet; where Kafka is away, the next round tells it."""
        if change.accepted_at is None:
            return
        event = PasswordAccepted(
            charger_id=change.charger_id,
            call_id=change.call_id,
            salt=change.salt,
            verifier=change.verifier,
            replaces=change.replaces,
            accepted_at=change.accepted_at,
        )
        try:
            await self._telling.password_accepted(event)
        except PublishFailedError as error:
            log.warning("an accepted password is told later", charger=change.charger_id, why=str(error))

    async def _delete(self, call_id: UUID) -> None:
        await self._patiently(lambda: self._store.execute("delete from password_changes where call_id = $1", call_id))
        self._gone.discard(call_id)

    async def _patiently(self, ask: Callable[[], Awaitable[None]]) -> None:
        for delay in delays(0.05, longest=2.0):
            try:
                await ask()
            except UNAVAILABLE as error:
                log.warning("a password change is not written yet", why=repr(error))
                await asyncio.sleep(delay)
            else:
                return

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="password-change")
        self._work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a password change went wrong", exc_info=error)
