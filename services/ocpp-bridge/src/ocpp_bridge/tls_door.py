"""Where chargers come in over TLS: connections are accepted, agree on TLS, and are handed to the HTTP server."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from chassis.tasks import cancel
from ocpp_bridge import claims
from ocpp_bridge.claims import Claim
from ocpp_bridge.failures import Turn

log = structlog.stdlib.get_logger(__name__)

ACCEPTED_AT_ONCE = 100
"""Connections that are accepted before others have their turn."""
FULL_FOR_S = 1.0
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

TOO_MANY, SLOW, GONE = "too_many", "slow", "gone"
"""Why, in words that are not OpenSSL's: turned away unheard, too slow, gone without a word."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A connection that did not come to its TLS.

    Attributes:
        address: where it came from.
        why: a word; OpenSSL's reason, or one of ours.
        detail: OpenSSL's words about a certificate.
        claim: the certificate that it failed over.
    """

    address: str
    why: str
    detail: str | None = None
    claim: Claim | None = None

    @property
    def counts(self) -> bool:
        """Whether TLS itself refused it, so that it counts against its address."""
        return self.why not in {TOO_MANY, SLOW, GONE}


Failed = Callable[[Failure], None]


class TlsDoor:
    """A listening socket behind which TLS is spoken.

    Connections are accepted here and not by the event loop's own server, which keeps to itself who it was that failed.

    Args:
        listening: it is closed with the door.
        protocol: makes the protocol of a connection that has agreed on TLS.
        within_s: so long a client has for the handshake.
        turn: when an address may begin.
        failed: told of each connection that did not come to its TLS.

    Attributes:
        context: of the handshakes that begin from now on.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        *,
        protocol: Callable[[], asyncio.BaseProtocol],
        within_s: float,
        turn: Turn,
        failed: Failed,
    ) -> None:
        self.context = context
        self._listening = listening
        self._listening.setblocking(False)
        self._protocol = protocol
        self._within = within_s
        self._turn = turn
        self._failed = failed
        self._coming: set[asyncio.Task[None]] = set()
        self._full: asyncio.TimerHandle | None = None
        self._open()

    async def close(self) -> None:
        """Accepts nobody any more, and ends what has not come to its TLS; the others are not touched."""
        if self._full is not None:
            self._full.cancel()
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        for coming in list(self._coming):
            await cancel(coming)

    def _open(self) -> None:
        self._full = None
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._listening)
                self._full = loop.call_later(FULL_FOR_S, self._open)
                log.warning("no connection can be accepted", why=error.strerror)
                return
            client.setblocking(False)
            address = str(peer[0])
            wait = self._turn(address)
            if wait is None:
                client.close()
                self._failed(Failure(address, TOO_MANY))
            else:
                coming = asyncio.create_task(self._let_in(client, address, wait), name="tls-handshake")
                self._coming.add(coming)
                coming.add_done_callback(self._coming.discard)

    async def _let_in(self, client: socket.socket, address: str, wait: float) -> None:
        if wait > 0:
            try:
                await asyncio.sleep(wait)
            except asyncio.CancelledError:
                client.close()
                raise
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol, client, ssl=self.context, ssl_handshake_timeout=self._within
            )
        except ssl.SSLError as error:
            why = (error.reason or type(error).__name__).lower()
            self._failed(Failure(address, why, getattr(error, "verify_message", None), claims.of(error)))
        except (ConnectionAbortedError, TimeoutError):
            self._failed(Failure(address, SLOW))
        except OSError:
            self._failed(Failure(address, GONE))
