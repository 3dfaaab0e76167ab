"""Where chargers connect: the handshake at /ocpp/{identity}, and the life of the session that it leads to."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import structlog
from aiohttp import WSCloseCode, web
from pydantic import TypeAdapter, ValidationError

from chassis.clock import Clock
from contracts.words import ChargerId
from ocpp_bridge import dialects
from ocpp_bridge.calls import Calls
from ocpp_bridge.connectivity import Connectivity
from ocpp_bridge.credentials import Credentials, Verdict
from ocpp_bridge.dialects import Dialect
from ocpp_bridge.epochs import Epochs
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.resets import Resets
from ocpp_bridge.session import CLOSE_WITHIN_S, Limits, Session, Why
from ocpp_bridge.sessions import Sessions
from ocpp_bridge.settings import Settings
from ocpp_bridge.store import UNAVAILABLE

log = structlog.stdlib.get_logger(__name__)

RETRY_AFTER_S = 5
_IDENTITY: TypeAdapter[str] = TypeAdapter(ChargerId)


class CannotListenError(Exception):
    """The address for chargers can't be bound."""


class Listener:
    """The websocket server for chargers.

    Args:
        instance: tells the name of this instance.
        not_ready: why no charger can be let in at the moment, or None.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        credentials: Credentials,
        epochs: Epochs,
        sessions: Sessions,
        connectivity: Connectivity,
        calls: Calls,
        resets: Resets,
        metrics: BridgeMetrics,
        instance: Callable[[], str],
        not_ready: Callable[[], str | None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._credentials = credentials
        self._epochs = epochs
        self._sessions = sessions
        self._connectivity = connectivity
        self._calls = calls
        self._resets = resets
        self._metrics = metrics
        self._instance = instance
        self._not_ready = not_ready
        self._limits = Limits(
            frame_soft_limit=settings.frame_soft_limit,
            frames_per_second=settings.frames_per_second,
            bad_frames=settings.bad_frames,
            waiting_calls=settings.waiting_calls,
        )
        self._sockets = 0
        self._runner: web.AppRunner | None = None
        self.port = settings.port

    async def start(self) -> None:
        """Listens. Raises CannotListenError, in words, when it can't."""
        # aiohttp warns of every client that offers no common subprotocol; we count them and answer them ourselves.
        logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
        app = web.Application()
        app.router.add_get("/ocpp/{identity}", self._connect)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port, backlog=4096)
        try:
            await site.start()
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise CannotListenError(
                f"chargers can't be listened for on {where} ({error.strerror}): "
                f"stop what uses it, or set OCPP_BRIDGE_PORT"
            ) from error
        self.port = self._runner.addresses[0][1]
        log.info("listening for chargers", host=self._settings.host, port=self.port)

    async def stop(self) -> None:
        """Stops listening; sessions are to be ended before."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def dismiss(self, session: Session, why: Why) -> None:
        """Ends a session and tells of it at once: how long the charger takes to say goodbye is its own affair."""
        session.end(why)
        self._forget(session)

    async def wait_until_empty(self) -> None:
        """Returns when every websocket is closed; each is given up after a moment."""
        while self._sockets:  # noqa: ASYNC110 each leaves by itself
            await asyncio.sleep(0.01)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        try:
            charger_id = _IDENTITY.validate_python(request.match_info["identity"])
        except ValidationError:
            return self._refuse(404, "this is no charger identity: 1 to 48 letters, digits and *-_=+|@. (no colon)")
        why = self._not_ready()
        if why is not None:
            return self._refuse(503, f"not ready: {why}", retry_after=RETRY_AFTER_S)
        authorization, address = request.headers.get("Authorization"), request.remote or "unknown"
        checked = self._credentials.check(charger_id, authorization, address, time.monotonic())
        match checked.verdict:
            case Verdict.UNKNOWN:
                return self._refuse(404, f"no charger {charger_id} is known here: register it first")
            case Verdict.TOO_MANY:
                return self._refuse(429, "too many wrong credentials: wait", retry_after=checked.retry_after)
            case Verdict.WRONG:
                log.warning("wrong credentials", charger=charger_id, address=address)
                return self._refuse(401, "the user name is the charger's identity; check it and the password")
        offered = [
            name.strip() for value in request.headers.getall("Sec-WebSocket-Protocol", []) for name in value.split(",")
        ]
        dialect = dialects.choose(offered)
        if dialect is None:
            return await self._speak_no_common_language(request, charger_id, offered)
        return await self._open(request, charger_id, dialect)

    async def _speak_no_common_language(
        self, request: web.Request, charger_id: str, offered: list[str]
    ) -> web.StreamResponse:
        """Completes the handshake without the header, then closes (2.x part 4, 3.1.2; RFC 6455, 4.2.2)."""
        log.warning("no common subprotocol", charger=charger_id, offered=offered)
        ws = web.WebSocketResponse(timeout=CLOSE_WITHIN_S, compress=False)
        await ws.prepare(request)
        self._metrics.handshakes.labels("no subprotocol").inc()
        spoken = ", ".join(dialects.DIALECTS)
        await ws.close(code=WSCloseCode.PROTOCOL_ERROR, message=f"offer one of: {spoken}".encode())
        return ws

    async def _open(self, request: web.Request, charger_id: str, dialect: Dialect) -> web.StreamResponse:
        ws: web.WebSocketResponse[bool] = web.WebSocketResponse(
            protocols=(dialect.protocol,),
            compress=dialect.deflate,
            max_msg_size=self._settings.frame_hard_limit,
            decode_text=False,
            autoping=False,
            autoclose=False,
            timeout=CLOSE_WITHIN_S,
        )
        transport = request.transport
        if transport is None or not ws.can_prepare(request):
            return self._refuse(400, "this is where chargers open a websocket, version 13")
        instance = self._instance()
        try:
            opened = await self._epochs.open(charger_id, dialect.protocol)
        except UNAVAILABLE as error:
            log.warning("a charger could not be let in", charger=charger_id, why=repr(error))
            return self._refuse(503, "not ready: the database is away", retry_after=RETRY_AFTER_S)
        try:
            await ws.prepare(request)
        except ConnectionError:
            # The charger is gone. The number is spent, and nobody was told of it.
            with contextlib.suppress(*UNAVAILABLE):
                await self._epochs.close(charger_id, opened.epoch)
            raise
        session = Session(
            ws,
            transport,
            charger_id=charger_id,
            epoch=opened.epoch,
            instance=instance,
            dialect=dialect,
            opened_at=self._clock.now(),
            accepted=opened.accepted,
            limits=self._limits,
            answering=self._calls.answer,
            stray=self._resets.stray_answer,
            metrics=self._metrics,
        )
        self._metrics.handshakes.labels("welcome").inc()
        self._sockets += 1
        try:
            await self._live(session)
        finally:
            self._sockets -= 1
        return ws

    async def _live(self, session: Session) -> None:
        protocol = session.dialect.protocol
        loser = self._sessions.put(session)
        if loser is not None:
            loser.fence()
        if loser is session:
            await session.run()
            return
        if loser is not None:
            self._connectivity.ended(loser, since=self._clock.now(), why="replaced")
        self._connectivity.opened(session)
        self._metrics.sessions.labels(protocol).inc()
        log.info("a charger is connected", charger=session.charger_id, epoch=session.epoch, protocol=protocol)
        try:
            await session.run()
        finally:
            self._metrics.sessions.labels(protocol).dec()
            why = session.why or "lost"
            self._metrics.ended.labels(why).inc()
            log.info("a session ended", charger=session.charger_id, epoch=session.epoch, why=why)
            self._forget(session)

    def _forget(self, session: Session) -> None:
        if self._sessions.remove(session):
            self._connectivity.ended(session, since=self._clock.now(), why=session.why or "lost")

    def _refuse(self, status: int, why: str, *, retry_after: float | None = None) -> web.Response:
        self._metrics.handshakes.labels(str(status)).inc()
        headers = {"Connection": "close"}
        if status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = 'Basic realm="ocpp", charset="UTF-8"'
        if retry_after is not None:
            headers["Retry-After"] = str(max(1, round(retry_after)))
        return web.Response(status=status, text=why + "\n", headers=headers)
