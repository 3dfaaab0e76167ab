"""Who may come in, and as what: puts credentials, new passwords, registrations and refusals together."""

import asyncio
from collections.abc import Callable, Container

import structlog
from aiohttp import web

from chassis.clock import Clock
from chassis.tasks import background, cancel
from contracts.fleet import CredentialSet
from ocpp_bridge.approach import Approaches
from ocpp_bridge.buckets import Buckets
from ocpp_bridge.calling import Calling
from ocpp_bridge.credentials import Checked, Credentials, Verdict
from ocpp_bridge.failures import Failures, Turns
from ocpp_bridge.frames import CallError, CallResult, Json
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.password_changes import PasswordChanges
from ocpp_bridge.profiles import CLIENT_CERTIFICATE
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.refusals import Refusals, Refused
from ocpp_bridge.registrations import Registrations
from ocpp_bridge.rotation import Rotation
from ocpp_bridge.session import Session
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import Store
from ocpp_bridge.tls_door import TOO_MANY, Failure

log = structlog.stdlib.get_logger(__name__)


class Trust:
    """The bridge's view of who is who.

    Args:
        open_attempts: the chargers that are being restarted.
        has_credentials: whether all of fleet.credentials.v1 has been read.
        dismiss: ends the session of a charger that may no longer connect.

    Raises:
        approach.BadProxiesError: `OCPP_BRIDGE_TLS_PROXIES` can't be read.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        publishing: Publishing,
        sessions: Sessions,
        open_attempts: Container[str],
        clock: Clock,
        metrics: BridgeMetrics,
        has_credentials: Callable[[], bool],
        dismiss: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._open_attempts = open_attempts
        self._dismiss = dismiss
        self._approaches = Approaches(settings.tls_proxies)
        self.changes = PasswordChanges(
            store,
            publishing,
            clock,
            credential_of=lambda charger_id: self.credentials.of(charger_id),  # noqa: PLW0108 it is made below
            has_credentials=has_credentials,
        )
        self.registrations = Registrations(sessions, open_attempts, clock)
        self.refusals = Refusals(publishing, clock, metrics)
        self._failures = Failures(wrong=settings.wrong_credentials, wrong_every_s=settings.wrong_credentials_every_s)
        self._turns = Turns(
            self._failures,
            per_second=settings.crowded_handshakes_per_second,
            patience_s=settings.handshake_patience_s,
        )
        self._connections = Buckets(settings.connections_at_once, 1 / settings.connections_every_s)
        self.credentials = Credentials(
            failures=self._failures,
            organization=settings.tls_client_organization,
            changes=self.changes,
            on_set=self._credential_set,
            on_revoked=self._revoked,
        )
        self._following: asyncio.Task[None] | None = None
        self._rotation: Rotation | None = None

    def rotation(self, calling: Calling) -> Rotation:
        """Makes what changes passwords; `calling` reaches chargers, and the pending ones from now on, too."""
        self.registrations.calling = calling
        self._rotation = Rotation(
            calling=calling,
            changes=self.changes,
            credentials=self.credentials,
            open_attempts=self._open_attempts,
            clock=self._clock,
            metrics=self._metrics,
        )
        return self._rotation

    async def start(self) -> None:
        """Reads what was left unfinished; the database must be there."""
        await self.changes.look()
        self._following = background(self.changes.run(), "password-changes")

    async def stop(self) -> None:
        """Ends what is under way, and tells of the last refusals."""
        await cancel(self._following)
        await self.registrations.stop()
        await self.changes.stop()
        await self.refusals.stop()

    def look(self, charger_id: str, request: web.Request) -> Checked:
        """Decides about a handshake, and tells of a refusal where the charger is known."""
        approach = self._approaches.of(request)
        now = asyncio.get_running_loop().time()
        checked = self.credentials.check(charger_id, approach, now, at=self._clock.now().timestamp())
        if checked.fault is not None:
            self.refusals.note(Refused(checked.fault, approach.address, charger_id, checked.cause))
        if checked.verdict is Verdict.WELCOME and checked.credential is not None:
            wait = self._connections.wait(charger_id, now)
            if wait > 0:
                return Checked(Verdict.TOO_MANY, detail="this charger connects again and again: wait", retry_after=wait)
            self._connections.take(charger_id, now)
            certified = checked.credential.security_profile == CLIENT_CERTIFICATE
            self.registrations.came_in(charger_id, approach.address, certified=certified)
        return checked

    def tls_turn(self, address: str) -> float | None:
        """Seconds until somebody there may begin a TLS handshake; None when it is turned away."""
        return self._turns.wait(address, asyncio.get_running_loop().time())

    def tls_failed(self, failure: Failure) -> None:
        """Counts a handshake that failed against its address, and tells of the certificate that TLS did not accept."""
        if failure.why == TOO_MANY:
            self.refusals.note(Refused("too_many", failure.address))
        if failure.counts:
            self._failures.failed(failure.address, asyncio.get_running_loop().time())
        claim = failure.claim
        if claim is None:
            return
        known = claim.name is not None and self.credentials.of(claim.name) is not None
        refused = Refused(
            "wrong_certificate", failure.address, claim.name if known else None, claim.cause, "certificate"
        )
        self.refusals.note(refused, claimed_name=claim.name)

    def session_began(self, session: Session) -> None:
        """A charger that was let in has its session now."""
        credential = self.credentials.of(session.charger_id)
        if credential is not None:
            self.registrations.began(session, credential.registration)

    def vouches_for(self, session: Session, boot: Json) -> bool:
        """Whether a boot names the charger that the session's certificate does; tells of one that does not."""
        address = self.registrations.wrong_serial(session, boot)
        if address is not None:
            self.refusals.note(Refused("wrong_serial", address, session.charger_id))
        return address is None

    def late_answer(self, session: Session, frame: CallResult | CallError) -> None:
        """An answer that its session does not wait for."""
        if self._rotation is not None:
            self._rotation.late(session, frame)

    def _credential_set(self, credential: CredentialSet) -> None:
        self.changes.credential_set(credential)
        self.registrations.credential_set(credential)

    def _revoked(self, charger_id: str) -> None:
        self.changes.revoked(charger_id)
        self.registrations.revoked(charger_id)
        self._dismiss(charger_id)
