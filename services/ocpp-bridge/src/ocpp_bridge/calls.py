"""What a charger's CALL goes through: known? allowed now? well-formed? Then its handler, Kafka, and the answer."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

import structlog
from prometheus_client import Counter

from chassis import failpoints
from chassis.clock import Clock
from chassis.publisher import PublishFailedError
from contracts.fleet import Registration
from ocpp_bridge import calls_v2, calls_v16, frames
from ocpp_bridge.black_box import BlackBoxes
from ocpp_bridge.boots import Boots
from ocpp_bridge.dialects import V16, V21, V201
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.frames import Call, Json
from ocpp_bridge.handling import Context, Handler, Reply, Transactions, pending_boot
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.publishing import Publishing, about
from ocpp_bridge.schemas import Violation
from ocpp_bridge.session import Session
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import UNAVAILABLE, UNSTORABLE
from ocpp_bridge.trust import Trust

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
        trust: Trust,
        epochs: Epochs,
        transactions: Transactions,
        clock: Clock,
        settings: Settings,
        metrics: BridgeMetrics,
        boxes: BlackBoxes,
        boots: Boots,
    ) -> None:
        self._publishing = publishing
        self._trust = trust
        self._epochs = epochs
        self._transactions = transactions
        self._clock = clock
        self._settings = settings
        self._metrics = metrics
        self._boxes = boxes
        self._boots = boots
        self._counters: dict[tuple[str, str, str], Counter] = {}

    def answer(self, session: Session, call: Call, data: bytes) -> bytes | Awaitable[bytes | None]:
        """The frame that answers a CALL: at once where nothing is to be published or stored, else when that is done.

        None where Kafka or the database did not take what was said: the charger is left to say it again.
        """
        if call.action != BOOT and not self._trust.registrations.may_speak(session, call.action):
            # Whatever it asks for: also what we do not know or do not do (B01.FR.10).
            return self._refuse(session, call, "SecurityError", "no BootNotification of this charger is accepted yet")
        handler = HANDLERS[session.dialect.protocol].get(call.action)
        if handler is None:
            return self._unknown(session, call)
        payload = call.payload
        if call.action == BOOT and session.dialect.boot_first and payload.get("reason") is None:
            # Some stations leave it out; refusing their boot would keep them out for ever (B01.FR.02).
            self._deviated(session, call, "NoReason")
            payload = payload | {"reason": "Unknown"}
        checked = session.dialect.schemas.check_call(call.action, payload)
        if call.action == BOOT:
            session.box.booted(checked.payload, time.monotonic())
        for kind in checked.deviations:
            self._deviated(session, call, kind)
        if len(call.message_id) > frames.MESSAGE_ID_LENGTH:
            self._deviated(session, call, "MessageIdLength")
        if call.had_nuls:
            self._deviated(session, call, "Nul")
        if checked.violation is not None:
            return self._refuse(session, call, session.dialect.codes[checked.violation], checked.why)
        if call.action == BOOT and not self._trust.vouches_for(session, checked.payload):
            refusal = self._refuse(session, call, "SecurityError", "the serial number is not the certificate's CN")
            session.end("refused")  # B01.FR.12
            return refusal
        return self._handle(handler, session, call, checked.payload, data)

    def _handle(
        self, handler: Handler, session: Session, call: Call, payload: Json, data: bytes
    ) -> bytes | Awaitable[bytes | None]:
        try:
            reply = handler(self._context(session), payload)
        except Exception as error:  # noqa: BLE001 the charger gets an answer, the log the error
            return self._failed(session, call, error)
        if not isinstance(reply, Reply):
            return self._carry_through(session, call, reply, data)
        if reply.registration is not None:
            return self._boot(session, call, reply, reply.registration, data)
        if reply.said:
            return self._tell(session, call, reply, data)
        return self._accept(session, call, reply)

    def _tell(self, session: Session, call: Call, reply: Reply, data: bytes) -> Awaitable[bytes | None]:
        """Publishes what a CALL says, without a task: there are thousands of these in a second."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()

        def judge(told: asyncio.Future[Any]) -> None:
            if answer.done():
                return
            error = asyncio.CancelledError() if told.cancelled() else told.exception()
            if error is not None:
                answer.set_result(self._not_done(session, call, error))
                return
            failpoints.reach(failpoints.OBSERVATION_PUBLISHED, partial(about, reply.said))
            self._metrics.evidence_seconds.observe(time.perf_counter() - began)
            answer.set_result(self._accept(session, call, reply))

        self._note_time(session, reply)
        try:
            told = self._publishing.observations(reply.said, data)
        except Exception as error:  # noqa: BLE001 judged there
            answer.set_result(self._not_done(session, call, error))
        else:
            told.add_done_callback(judge)
        return answer

    async def _carry_through(self, session: Session, call: Call, asked: Awaitable[Reply], data: bytes) -> bytes | None:
        try:
            reply = await asked
        except Exception as error:  # noqa: BLE001 judged there
            return self._not_done(session, call, error)
        return await self._tell(session, call, reply, data)

    async def _boot(
        self, session: Session, call: Call, reply: Reply, registration: Registration, data: bytes
    ) -> bytes | None:
        """A boot that finds too many others in progress, or Kafka or the database slow, is put off.

        The charger is told when to say it again. Nothing is decided: its registration stays what it was.
        """
        began = time.perf_counter()
        self._boots.heard(session)
        if not self._boots.has_room(session):
            return self._put_off(session, call, data, "too many")
        first = self._boots.frame(session, data)
        with self._boots.turn():
            self._note_time(session, reply)
            try:
                if not await self._boots.in_time(self._publishing.observations(reply.said, first)):
                    return self._put_off(session, call, first, "late")
                failpoints.reach(failpoints.OBSERVATION_PUBLISHED, partial(about, reply.said))
                await self._register(session, registration)
            except (PublishFailedError, *UNAVAILABLE) as error:
                log.warning("a boot is put off", charger=session.charger_id, why=str(error))
                return self._put_off(session, call, first, "away")
            except Exception as error:  # noqa: BLE001 the charger gets an answer, the log the error
                return self._failed(session, call, error)
        self._boots.done(session)
        self._metrics.evidence_seconds.observe(time.perf_counter() - began)
        return self._accept(session, call, reply)

    def _put_off(self, session: Session, call: Call, data: bytes, why: str) -> bytes:
        interval = self._boots.put_off(session, data, why)
        self._count(session, call.action, "put off")
        return frames.call_result(call.message_id, pending_boot(self._clock.now(), interval))

    def _not_done(self, session: Session, call: Call, error: BaseException) -> bytes | None:
        """What a CALL is answered that could not be carried through."""
        if isinstance(error, UNSTORABLE):
            return self._refuse(session, call, session.dialect.codes[Violation.PROPERTY], "a value is out of range")
        if isinstance(error, (PublishFailedError, *UNAVAILABLE)):
            log.warning(
                "a CALL is left without an answer", charger=session.charger_id, action=call.action, why=str(error)
            )
            self._count(session, call.action, "none")
            return None
        return self._failed(session, call, error)

    async def _register(self, session: Session, registration: Registration) -> None:
        accepted = registration is Registration.ACCEPTED
        if not (accepted and session.accepted):
            # Where it is not accepted that is always written: a boot that was put off has changed the session alone.
            await self._epochs.accept(session.charger_id, session.epoch, accepted=accepted)
        session.accepted = accepted
        self._trust.registrations.told(session, registration)

    def _context(self, session: Session) -> Context:
        credential = self._trust.credentials.of(session.charger_id)
        return Context(
            charger_id=session.charger_id,
            epoch=session.epoch,
            now=self._clock.now(),
            registration=credential.registration if credential is not None else Registration.REJECTED,
            heartbeat_interval=self._settings.heartbeat_interval_s,
            boot_retry=self._settings.boot_retry_s,
            asked_to_boot=session.box.asked_to_boot,
            owed_since=self._boots.owed_since(session),
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
        # Anything may stand there as an action, and each that is counted takes memory for ever.
        action = call.action if session.dialect.schemas.knows(call.action) else "unknown"
        # The reason quotes the payload, which may name a person's card: it goes to the charger, not into the log.
        log.info("a CALL is refused", charger=session.charger_id, action=action, code=code)
        self._count(session, action, code)
        return frames.call_error(call.message_id, code, why)

    def _failed(self, session: Session, call: Call, error: BaseException) -> bytes:
        log.error("a CALL could not be handled", charger=session.charger_id, action=call.action, exc_info=error)
        self._count(session, call.action, "InternalError")
        return frames.call_error(call.message_id, "InternalError", "this is our fault; it is in our log")

    def _count(self, session: Session, action: str, answer: str) -> None:
        key = (session.dialect.protocol, action, answer)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._metrics.calls.labels(*key)
        counter.inc()

    def _deviated(self, session: Session, call: Call, kind: str) -> None:
        self._boxes.deviated(session.box, session.dialect.protocol, call.action, kind)

    def _note_time(self, session: Session, reply: Reply) -> None:
        for one in reply.said:
            if one.observation.reported_at is not None:
                session.box.told_time(one.observation.reported_at, self._clock.now())
