"""Where chargers connect: the HTTP side of the handshake at /ocpp/{identity}."""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from chassis.tasks import background, cancel
from contracts.words import ChargerId
from ocpp_bridge.admission import jittered
from ocpp_bridge.credentials import Verdict
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.opening import Opening, RefusedError
from ocpp_bridge.settings import Settings
from ocpp_bridge.slow_handshakes import SlowHandshakes
from ocpp_bridge.tls import BadTlsError, TlsFiles, TlsSite
from ocpp_bridge.tls_door import SLOW, Failure
from ocpp_bridge.trust import Trust

log = structlog.stdlib.get_logger(__name__)

_IDENTITY: TypeAdapter[str] = TypeAdapter(ChargerId)


class CannotListenError(Exception):
    """The address for chargers can't be bound."""


class Listener:
    """The websocket server for chargers.

    Args:
        not_ready: why no charger can be let in at the moment, or None.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        trust: Trust,
        opening: Opening,
        metrics: BridgeMetrics,
        not_ready: Callable[[], str | None],
    ) -> None:
        self._settings = settings
        self._trust = trust
        self._opening = opening
        self._metrics = metrics
        self._not_ready = not_ready
        self._runner: web.AppRunner | None = None
        self._tls: TlsSite | None = None
        self._looking: asyncio.Task[None] | None = None
        self._hurrying: asyncio.Task[None] | None = None
        self.port = settings.port
        self.tls_port = settings.tls_port

    async def start(self) -> None:
        """Listens. Raises CannotListenError, in words, when it can't."""
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
        slow = SlowHandshakes(
            self._runner,
            within_s=self._settings.handshake_within_s,
            on_ended=self._metrics.handshakes.labels("slow").inc,
        )
        self._hurrying = background(slow.run(), "slow-handshakes")
        log.info("listening for chargers", host=self._settings.host, port=self.port)
        if self._settings.tls_port is not None:
            await self._listen_over_tls(self._runner, self._settings.tls_port)

    async def stop(self) -> None:
        """Stops listening; sessions are to be ended before."""
        await cancel(self._looking)
        await cancel(self._hurrying)
        if self._tls is not None:
            await self._tls.stop()
            self._tls = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def look_at_tls_files(self) -> None:
        """Takes changed TLS files at once, rather than at the next look."""
        if self._tls is not None:
            self._tls.look()

    async def _listen_over_tls(self, runner: web.AppRunner, port: int) -> None:
        settings = self._settings
        try:
            files = TlsFiles.read(settings.tls_certificates, settings.tls_client_ca, static_rsa=settings.tls_static_rsa)
            self._tls = TlsSite(
                files,
                settings.host,
                port,
                every_s=settings.tls_look_every_s,
                within_s=settings.handshake_within_s,
                turn=self._trust.tls_turn,
                failed=self._tls_failed,
                loaded=lambda good: self._metrics.tls_loads.labels("used" if good else "refused").inc(),
            )
            await self._tls.start(cast("web.Server", runner.server))
        except BadTlsError as error:
            raise CannotListenError(f"chargers can't be listened for over TLS: {error}") from error
        except OSError as error:
            raise CannotListenError(
                f"chargers can't be listened for over TLS on {settings.host}:{port} ({error.strerror}): "
                f"stop what uses it, or set OCPP_BRIDGE_TLS_PORT"
            ) from error
        self.tls_port = self._tls.port
        self._looking = background(self._tls.run(), "tls-files")

    def _tls_failed(self, failure: Failure) -> None:
        self._metrics.tls_failures.labels(failure.why).inc()
        if failure.why == SLOW:
            self._metrics.handshakes.labels("slow").inc()
        self._trust.tls_failed(failure)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        try:
            charger_id = _IDENTITY.validate_python(request.match_info["identity"])
        except ValidationError:
            return self._refuse(404, "this is no charger identity: 1 to 48 letters, digits and *-_=+|@. (no colon)")
        why = self._not_ready()
        if why is not None:
            return self._refuse(503, f"not ready: {why}", retry_after=jittered(self._settings.retry_after_s))
        checked = self._trust.look(charger_id, request)
        if checked.verdict is Verdict.UNKNOWN:
            return self._refuse(404, f"no charger {charger_id} is known here: register it first")
        if checked.verdict is not Verdict.WELCOME:
            wait = checked.retry_after or None
            return self._refuse(checked.verdict.value, checked.detail, retry_after=wait)
        offered = [
            name.strip() for value in request.headers.getall("Sec-WebSocket-Protocol", []) for name in value.split(",")
        ]
        try:
            return await self._opening.open(request, charger_id, offered)
        except RefusedError as refused:
            return self._refuse(refused.status, refused.why, retry_after=refused.retry_after)

    def _refuse(self, status: int, why: str, *, retry_after: float | None = None) -> web.Response:
        self._metrics.handshakes.labels(str(status)).inc()
        headers = {"Connection": "close"}
        if status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = 'Basic realm="ocpp", charset="UTF-8"'
        if retry_after is not None:
            headers["Retry-After"] = str(max(1, round(retry_after)))
        return web.Response(status=status, text=why + "\n", headers=headers)
