"""What a charger's CALL goes through: known? allowed now? well-formed? Then its handler, Kafka, and the answer."""

import inspect
import time
from collections.abc import Awaitable, Mapping

import structlog

from chassis.clock import Clock
from chassis.publisher import PublishFailedError
from contracts.fleet import Registration
from ocpp_bridge import calls_v2, calls_v16, frames
from ocpp_bridge.credentials import Credentials
from ocpp_bridge.dialects import V16, V21, V201
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.frames import Call, Json
from ocpp_bridge.handling import Context, Handler, Reply, Transactions
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publishing
from ocpp_bridge.schemas import Violation
from ocpp_bridge.session import Session
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import UNAVAILABLE, UNSTORABLE

log = structlog.stdlib.get_logger(__name__)

HANDLERS: dict[str, Mapping[str, Handler]] = {
    V16.protocol: calls_v16.HANDLERS,
    V201.protocol: calls_v2.HANDLERS_V201,
    V21.protocol: calls_v2.HANDLERS_V21,
}
BOOT = "BootNotification"


class Calls:
    """Answers the CALLs of all sessions."""

    def __init__(
        self,
        *,
        publishing: Publishing,
        credentials: Credentials,
        epochs: Epochs,
        transactions: Transactions,
        clock: Clock,
        settings: Settings,
        metrics: BridgeMetrics,
    ) -> None:
        self._publishing = publishing
        self._credentials = credentials
        self._epochs = epochs
        self._transactions = transactions
        self._clock = clock
        self._settings = settings
        self._metrics = metrics

    def answer(self, session: Session, call: Call, data: bytes) -> bytes | Awaitable[bytes | None]:
        """The frame that answers a CALL: at once where nothing is to be published or stored, else when that is done.

        None where Kafka or the database did not take what was said: the charger is left to say it again.
        """
        handler = HANDLERS[session.dialect.protocol].get(call.action)
        if handler is None:
            return self._unknown(session, call)
        if call.action != BOOT and _may_not_speak(session):
            return self._refuse(session, call, "SecurityError", "no BootNotification of this charger is accepted yet")
        checked = session.dialect.schemas.check_call(call.action, call.payload)
        for kind in checked.deviations:
            self._deviated(session, call, kind)
        if len(call.message_id) > frames.MESSAGE_ID_LENGTH:
            self._deviated(session, call, "MessageIdLength")
        if checked.violation is not None:
            return self._refuse(session, call, session.dialect.codes[checked.violation], checked.why)
        return self._handle(handler, session, call, checked.payload, data)

    def _handle(
        self, handler: Handler, session: Session, call: Call, payload: Json, data: bytes
    ) -> bytes | Awaitable[bytes | None]:
        try:
            reply = handler(self._context(session), payload)
        except Exception as error:  # noqa: BLE001 the charger gets an answer, the log the error
            return self._failed(session, call, error)
        if inspect.isawaitable(reply) or reply.said:
            return self._carry_through(session, call, reply, data)
        return self._accept(session, call, reply)

    async def _carry_through(
        self, session: Session, call: Call, reply: Reply | Awaitable[Reply], data: bytes
    ) -> bytes | None:
        began = time.perf_counter()
        try:
            if not isinstance(reply, Reply):
                reply = await reply
            await self._publishing.observations(reply.said, data)
            if reply.registration is not None:
                await self._register(session, reply.registration)
        except UNSTORABLE:
            return self._refuse(session, call, session.dialect.codes[Violation.PROPERTY], "a value is out of range")
        except (PublishFailedError, *UNAVAILABLE) as error:
            log.warning(
                "a CALL is left without an answer", charger=session.charger_id, action=call.action, why=str(error)
            )
            self._count(session, call.action, "none")
            return None
        except Exception as error:  # noqa: BLE001 the charger gets an answer, the log the error
            return self._failed(session, call, error)
        self._metrics.evidence_seconds.observe(time.perf_counter() - began)
        return self._accept(session, call, reply)

    async def _register(self, session: Session, registration: Registration) -> None:
        accepted = registration is Registration.ACCEPTED
        if accepted != session.accepted:
            await self._epochs.accept(session.charger_id, session.epoch, accepted=accepted)
        session.accepted = accepted
        session.rejected = registration is Registration.REJECTED

    def _context(self, session: Session) -> Context:
        credential = self._credentials.of(session.charger_id)
        return Context(
            charger_id=session.charger_id,
            epoch=session.epoch,
            now=self._clock.now(),
            registration=credential.registration if credential is not None else Registration.REJECTED,
            heartbeat_interval=self._settings.heartbeat_interval_s,
            boot_retry=self._settings.boot_retry_s,
            transactions=self._transactions,
        )

    def _accept(self, session: Session, call: Call, reply: Reply) -> bytes:
        self._count(session, call.action, "result")
        return frames.call_result(call.message_id, reply.payload)

    def _unknown(self, session: Session, call: Call) -> bytes:
        if session.dialect.schemas.knows(call.action):
            return self._refuse(session, call, "NotSupported", f"{call.action} is not for a charger to send here")
        self._count(session, "unknown", "NotImplemented")
        why = f"{session.dialect.protocol} has no action {call.action!r}"
        return frames.call_error(call.message_id, "NotImplemented", why)

    def _refuse(self, session: Session, call: Call, code: str, why: str) -> bytes:
        # The reason quotes the payload, which may name a person's card: it goes to the charger, not into the log.
        log.info("a CALL is refused", charger=session.charger_id, action=call.action, code=code)
        self._count(session, call.action, code)
        return frames.call_error(call.message_id, code, why)

    def _failed(self, session: Session, call: Call, error: Exception) -> bytes:
        log.error("a CALL could not be handled", charger=session.charger_id, action=call.action, exc_info=error)
        self._count(session, call.action, "InternalError")
        return frames.call_error(call.message_id, "InternalError", "this is our fault; it is in our log")

    def _count(self, session: Session, action: str, answer: str) -> None:
        self._metrics.calls.labels(session.dialect.protocol, action, answer).inc()

    def _deviated(self, session: Session, call: Call, kind: str) -> None:
        self._metrics.deviations.labels(session.dialect.protocol, call.action, kind).inc()


def _may_not_speak(session: Session) -> bool:
    """2.x: no CALL before an accepted boot (B01.FR.10, B02.FR.09, B03.FR.07). 1.6: only a rejected one is silenced."""
    return session.rejected or (session.dialect.boot_first and not session.accepted)
