"""What a charger's boot was answered, and what that means until the next one (OCPP 2.x B01 to B03; 1.6 section 4.2)."""

import asyncio
from collections.abc import Container
from datetime import timedelta
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakSet

import structlog

from chassis.clock import Clock
from chassis.tasks import cancel
from contracts.calls import CallCharger
from contracts.fleet import CredentialSet, Registration
from ocpp_bridge.calling import Calling, NoResultError
from ocpp_bridge.frames import Json
from ocpp_bridge.session import Session
from ocpp_bridge.sessions import Sessions

log = structlog.stdlib.get_logger(__name__)

WITHIN = timedelta(seconds=60)
ASKED_BY = "ocpp-bridge"
_SENT_FOR = {
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignV2G20Certificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
    "SignChargePointCertificate": "SignCertificate",
}
_REPORTS = frozenset({"GetBaseReport", "GetReport"})


class Registrations:
    """The pending sessions of this instance, and which chargers came in by a certificate.

    A registration that fleet changes is what the next boot is answered: OCPP has no other word for it, and a charger
    that was accepted goes on believing so. A pending one is asked to boot again as soon as it is accepted, unless it is
    being restarted; a rejected one may not be sent anything (B03.FR.03) and boots again by itself.

    Args:
        open_attempts: the chargers that are being restarted: a boot that we ask for would forge their evidence.

    Attributes:
        calling: what reaches chargers; nothing is asked of them before it is set.
    """

    def __init__(self, sessions: Sessions, open_attempts: Container[str], clock: Clock) -> None:
        self.calling: Calling | None = None
        self._clock = clock
        self._sessions = sessions
        self._open_attempts = open_attempts
        self._pending: WeakSet[Session] = WeakSet()
        self._asked: WeakKeyDictionary[Session, set[str]] = WeakKeyDictionary()
        self._certified: dict[str, str] = {}
        self._triggers: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """How many sessions are pending."""
        return sum(not session.over for session in self._pending)

    def came_in(self, charger_id: str, address: str, *, certified: bool) -> None:
        """A charger was let in, with a client certificate that names it or in another way."""
        if certified:
            self._certified[charger_id] = address
        else:
            self._certified.pop(charger_id, None)

    def revoked(self, charger_id: str) -> None:
        """The charger may no longer connect."""
        self._certified.pop(charger_id, None)

    def wrong_serial(self, session: Session, payload: Json) -> str | None:
        """The address of a charger whose boot does not name the serial number that is its certificate's CN (B01.FR.11).

        None when nothing is wrong. The CN is its identity too. 1.6 has two fields for the serial number, and one of
        them must be right; a boot that names none shows nothing wrong.
        """
        address = self._certified.get(session.charger_id)
        if address is None:
            return None
        named = payload.get("chargingStation", payload)
        fields = ("serialNumber", "chargePointSerialNumber", "chargeBoxSerialNumber")
        serials = [named[name] for name in fields if isinstance(named, dict) and isinstance(named.get(name), str)]
        return None if not serials or session.charger_id in serials else address

    def began(self, session: Session, registration: Registration) -> None:
        """A session begins of a charger that fleet has registered so.

        Where its last boot was not accepted, what it was told on an earlier session holds until it boots again: it may
        have gone away to wait (B03.FR.04).
        """
        if not session.accepted and registration is not Registration.ACCEPTED:
            self.told(session, registration)

    def told(self, session: Session, registration: Registration) -> None:
        """A boot on this session was answered so."""
        session.rejected = registration is Registration.REJECTED
        if registration is Registration.PENDING:
            self._pending.add(session)
        else:
            self._pending.discard(session)
            self._asked.pop(session, None)

    def may_speak(self, session: Session, action: str) -> bool:
        """Whether a CALL other than a boot is taken from the charger now.

        2.x: none before an accepted boot; 1.6: none after one that was not. What a pending charger was asked for is
        taken all the same (B02.FR.09); nothing is asked of a rejected one (B03.FR.07).
        """
        if session.rejected:
            return False
        if session in self._pending or (session.dialect.boot_first and not session.accepted):
            return action in self._asked.get(session, ())
        return True

    def asked(self, session: Session, action: str, payload: Json) -> None:
        """We are sending the charger this CALL, in answer to which it may send CALLs of its own while pending."""
        if session.accepted:
            return
        allowed = self._asked.setdefault(session, set())
        if action.endswith("TriggerMessage"):
            wanted = payload.get("requestedMessage")
            if isinstance(wanted, str):
                allowed.add(_SENT_FOR.get(wanted, wanted))
        elif action in _REPORTS:
            allowed.add("NotifyReport")

    def credential_set(self, credential: CredentialSet) -> None:
        """Fleet has said what a charger's boots are answered."""
        if credential.registration is not Registration.ACCEPTED:
            return
        session = self._sessions.get(credential.charger_id)
        if session is None or session.over or session not in self._pending:
            return
        if session.charger_id in self._open_attempts or self.calling is None:
            return
        task = asyncio.create_task(self._ask_to_boot(session, self.calling), name="registration")
        self._triggers.add(task)
        task.add_done_callback(self._triggers.discard)

    async def stop(self) -> None:
        """Gives up what is under way."""
        for task in list(self._triggers):
            await cancel(task)

    async def _ask_to_boot(self, session: Session, calling: Calling) -> None:
        """Asks a pending charger to boot before its interval is over (B02, F06.FR.17)."""
        asked = CallCharger(
            charger_id=session.charger_id,
            call_id=uuid4(),
            asked_by=ASKED_BY,
            not_after=self._clock.now() + WITHIN,
            action="TriggerMessage",
            payload={"requestedMessage": "BootNotification"},
        )
        try:
            async with calling.turn(session, asked):
                if session.charger_id in self._open_attempts or session not in self._pending:
                    return
                session.box.asked_to_boot = True
                answer = await calling.call(
                    session, str(asked.call_id), asked.action, asked.payload, within=asked.answer_within_s
                )
        except NoResultError as error:
            if error.refusal is not None:
                session.box.asked_to_boot = False
            log.info("a pending charger could not be asked to boot", charger=session.charger_id, why=error.why)
            return
        taken = answer.payload.get("status") == "Accepted"
        if not taken:
            session.box.asked_to_boot = False
        log.info("a pending charger was asked to boot", charger=session.charger_id, taken=taken)
