"""From a charger that has proved who it is to its session, and on to that session's end."""

import asyncio
import contextlib
import sys
from collections.abc import Callable

import structlog
from aiohttp import WSCloseCode, web

from chassis.clock import Clock
from ocpp_bridge import dialects
from ocpp_bridge.admission import Admission, FullError, jittered
from ocpp_bridge.allowance import Limits
from ocpp_bridge.black_box import BlackBoxes
from ocpp_bridge.calls import Calls
from ocpp_bridge.capacity import sockets_at_most
from ocpp_bridge.connectivity import Connectivity
from ocpp_bridge.dialects import Dialect
from ocpp_bridge.epochs import Epochs, NoLeaseError, Opened
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.session import CLOSE_WITHIN_S, SEND_WITHIN_S, Session, StrayAnswer, Why
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import UNAVAILABLE
from ocpp_bridge.upgrade import HANDED_OVER, accept_key, upgrade
from ocpp_bridge.wire import CLOSE, Wire, close_frame

log = structlog.stdlib.get_logger(__name__)


class RefusedError(Exception):
    """The handshake is refused with this HTTP status; `retry_after` is in seconds."""

    def __init__(self, status: int, why: str, *, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.retry_after = retry_after


class Opening:
    """Opens sessions, and tells of them and of their ends.

    Args:
        stray: told of answers that their session does not wait for.
        instance: tells the name of this instance.
        is_known: whether a charger may still connect; asked again after it has waited for its turn.
        began: told of each session before anything is read from it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        epochs: Epochs,
        sessions: Sessions,
        connectivity: Connectivity,
        calls: Calls,
        stray: StrayAnswer,
        metrics: BridgeMetrics,
        boxes: BlackBoxes,
        admission: Admission,
        instance: Callable[[], str],
        is_known: Callable[[str], bool],
        began: Callable[[Session], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._epochs = epochs
        self._sessions = sessions
        self._connectivity = connectivity
        self._calls = calls
        self._stray = stray
        self._metrics = metrics
        self._boxes = boxes
        self._admission = admission
        self._instance = instance
        self._is_known = is_known
        self._began = began
        self._limits = Limits(
            frame_soft_limit=settings.frame_soft_limit,
            frames_per_second=settings.frames_per_second,
            bad_frames=settings.bad_frames,
            waiting_calls=settings.waiting_calls,
        )
        self._stopping = False
        self._sockets: set[Session] = set()
        self._sockets_at_most = min(settings.sockets_at_most or sys.maxsize, sockets_at_most())

    async def open(self, request: web.Request, charger_id: str, offered: list[str]) -> web.StreamResponse:
        """Opens a websocket, in one of the subprotocols that the client offers, and its session.

        Returns once it is open: nothing waits for its end. Raises RefusedError.
        """
        key = accept_key(request)
        if key is None:
            raise RefusedError(400, "this is where chargers open a websocket, version 13")
        try:
            dialect = dialects.choose(offered)
            if dialect is None:
                self._speak_no_common_language(request, key, charger_id, offered)
            else:
                await self._wait_and_open(request, key, charger_id, dialect)
        except ConnectionError:
            # The charger has gone away in the meantime: there is nobody to answer, and nothing is wrong here.
            self._metrics.handshakes.labels("gone").inc()
        return HANDED_OVER

    async def _wait_and_open(self, request: web.Request, key: str, charger_id: str, dialect: Dialect) -> None:
        retry_after = jittered(self._settings.retry_after_s)
        # Those who wait for their turn have a file open as well.
        held = len(self._sockets) + self._admission.in_progress + self._admission.waiting
        if held >= self._sockets_at_most:
            why = f"this instance holds {held} sockets and can hold no more: add one, or allow more files"
            log.error("a charger is turned away", charger=charger_id, why=why)
            raise RefusedError(503, why, retry_after=retry_after)
        try:
            async with self._admission.turn(charger_id):
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionResetError("the charger is gone")
                if self._stopping:
                    raise RefusedError(503, "not ready: this instance is stopping", retry_after=retry_after)
                if not self._is_known(charger_id):
                    raise RefusedError(404, f"no charger {charger_id} is known here: register it first")
                await self._open(request, key, charger_id, dialect)
        except FullError as error:
            raise RefusedError(503, "very many chargers connect at once: wait", retry_after=retry_after) from error

    async def _open(self, request: web.Request, key: str, charger_id: str, dialect: Dialect) -> None:
        instance = self._instance()
        try:
            opened = await self._epochs.open(charger_id, dialect.protocol)
        except NoLeaseError as error:
            why = "not ready: the others took this instance for dead, and it is beginning anew"
            raise RefusedError(503, why, retry_after=jittered(self._settings.retry_after_s)) from error
        except UNAVAILABLE as error:
            self._overtaken(charger_id)
            log.warning("a charger could not be let in", charger=charger_id, why=repr(error))
            retry_after = jittered(self._settings.retry_after_s)
            raise RefusedError(503, "not ready: the database is away", retry_after=retry_after) from error
        try:
            wire, behind = self._upgrade(request, key, dialect.protocol, deflate=dialect.deflate)
        except ConnectionError:
            # The charger is gone. The number is spent, and nobody was told of it.
            self._overtaken(charger_id)
            with contextlib.suppress(*UNAVAILABLE):
                await self._epochs.close(charger_id, opened.epoch)
            raise
        session = self._session(wire, charger_id, opened, instance, dialect)
        self._metrics.handshakes.labels("welcome").inc()
        self._begin(session)
        if behind:
            wire.data_received(behind)

    def _upgrade(self, request: web.Request, key: str, protocol: str | None, *, deflate: bool) -> tuple[Wire, bytes]:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the charger is gone")
        return upgrade(
            request,
            transport,
            key=key,
            protocol=protocol,
            deflate=deflate,
            limit=self._settings.frame_hard_limit,
            enough=self._settings.frame_soft_limit,
            patience=SEND_WITHIN_S,
        )

    def _session(self, wire: Wire, charger_id: str, opened: Opened, instance: str, dialect: Dialect) -> Session:
        return Session(
            wire,
            charger_id=charger_id,
            epoch=opened.epoch,
            instance=instance,
            dialect=dialect,
            opened_at=self._clock.now(),
            accepted=opened.accepted,
            limits=self._limits,
            answering=self._calls.answer,
            stray=self._stray,
            on_end=self._ended,
            on_gone=self._sockets.discard,
            metrics=self._metrics,
            box=self._boxes.opened(charger_id),
        )

    def _speak_no_common_language(self, request: web.Request, key: str, charger_id: str, offered: list[str]) -> None:
        """Completes the handshake without the header, then closes (2.x part 4, 3.1.2; RFC 6455, 4.2.2)."""
        log.warning("no common subprotocol", charger=charger_id, offered=offered)
        wire, _ = self._upgrade(request, key, None, deflate=False)
        self._metrics.handshakes.labels("no subprotocol").inc()
        spoken = ", ".join(dialects.DIALECTS)
        wire.deafen()
        wire.write(close_frame(WSCloseCode.PROTOCOL_ERROR, f"offer one of: {spoken}"), CLOSE)
        asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, wire.transport.abort)

    def dismiss(self, session: Session, why: Why) -> None:
        """Ends a session and tells of it at once: how long the charger takes to say goodbye is its own affair."""
        session.end(why)
        self._forget(session)

    def stop(self) -> None:
        """Ends all sessions, and those whose handshake is under way as soon as they begin."""
        self._stopping = True
        for session in self._sessions:
            self.dismiss(session, "bridge_stopped")

    async def wait_until_empty(self) -> None:
        """Returns when every handshake is over and every websocket closed; each is given up after a moment."""
        while self._sockets or self._admission.in_progress:  # noqa: ASYNC110 each leaves by itself
            await asyncio.sleep(0.01)

    def _overtaken(self, charger_id: str) -> None:
        """Ends the session that a charger has, when a number may have been spent on a next one that did not begin.

        It is no longer the last one by the database: no Reset could be sent on it for as long as it lasts.
        """
        held = self._sessions.get(charger_id)
        if held is not None:
            held.fence()
            self._forget(held)

    def _begin(self, session: Session) -> None:
        protocol = session.dialect.protocol
        self._began(session)
        self._sockets.add(session)
        self._metrics.sessions.labels(protocol).inc()
        loser = self._sessions.put(session)
        if loser is not None:
            loser.fence()
        if loser is session:
            return
        if loser is not None:
            self._connectivity.ended(loser, since=self._clock.now(), why="replaced")
        self._connectivity.opened(session)
        log.info("a charger is connected", charger=session.charger_id, epoch=session.epoch, protocol=protocol)
        if self._stopping:
            self.dismiss(session, "bridge_stopped")

    def _ended(self, session: Session) -> None:
        self._metrics.sessions.labels(session.dialect.protocol).dec()
        why = session.why or "lost"
        self._metrics.ended.labels(why).inc()
        log.info("a session ended", charger=session.charger_id, epoch=session.epoch, why=why)
        self._forget(session)

    def _forget(self, session: Session) -> None:
        if self._sessions.remove(session):
            self._boxes.ended(session.charger_id)
            self._connectivity.ended(session, since=self._clock.now(), why=session.why or "lost")
