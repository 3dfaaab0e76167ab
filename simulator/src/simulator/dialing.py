"""How a charger reaches its server: address, credentials, subprotocol, and patience when nobody answers."""

import asyncio
import base64
from dataclasses import dataclass, field
from random import Random
from ssl import SSLContext
from urllib.parse import quote

import aiohttp
from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, TCPConnector

HANDSHAKE_SECONDS = 30.0
CLOSE_SECONDS = 1.0


class HandshakeRefusedError(Exception):
    """The connection failed; `status` is the HTTP status, or None when nothing answered."""

    def __init__(self, why: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after


def open_session() -> ClientSession:
    """An HTTP session without a limit of connections, to share among many chargers; close it after them."""
    return ClientSession(
        connector=TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_connect=HANDSHAKE_SECONDS)
    )


@dataclass(slots=True)
class Endpoint:
    """Where a charger connects to and as whom.

    Attributes:
        url: the server's address without the identity, which is appended (OCPP-J part 4, 3.1.1).
        identity: the charger's OCPP identity.
        password: for Basic auth; None sends none (security profiles 0 and 3).
        subprotocols: offered in this order.
        ssl: for wss; a context that holds a client certificate is security profile 3.
    """

    url: str
    identity: str
    password: bytes | None = field(repr=False)
    subprotocols: tuple[str, ...]
    ssl: SSLContext | None = None

    async def dial(self, session: ClientSession) -> ClientWebSocketResponse[bool]:
        """Open a websocket.

        Raises:
            HandshakeRefusedError: nobody answered, an HTTP error did, or no subprotocol was chosen.
        """
        headers = {}
        if self.password is not None:
            credentials = base64.b64encode(self.identity.encode() + b":" + self.password).decode()
            headers["Authorization"] = f"Basic {credentials}"
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                websocket = await session.ws_connect(
                    f"{self.url.rstrip('/')}/{quote(self.identity, safe='')}",
                    protocols=self.subprotocols,
                    headers=headers,
                    ssl=self.ssl or True,
                    autoclose=False,
                    max_msg_size=0,
                    timeout=ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
        except aiohttp.WSServerHandshakeError as refused:
            wait = refused.headers.get("Retry-After", "") if refused.headers is not None else ""
            retry_after = float(wait) if wait.isdigit() else None
            raise HandshakeRefusedError(f"HTTP {refused.status}", refused.status, retry_after) from refused
        except (aiohttp.ClientError, OSError, TimeoutError) as failed:
            raise HandshakeRefusedError(f"nobody answered: {failed or type(failed).__name__}") from failed
        if websocket.protocol is None:
            await websocket.close()
            raise HandshakeRefusedError("the server chose no subprotocol", 101)
        return websocket


@dataclass(slots=True)
class Backoff:
    """Pauses between attempts to connect, as OCPP 2.0.1 part 4 section 5.3 describes them.

    Attributes:
        wait_minimum: seconds before the first attempt (RetryBackOffWaitMinimum).
        random_range: up to so many seconds more (RetryBackOffRandomRange).
        repeat_times: how often the pause doubles (RetryBackOffRepeatTimes).
    """

    wait_minimum: float = 2.0
    random_range: float = 3.0
    repeat_times: int = 4
    failures: int = 0

    def next_pause(self, random: Random) -> float:
        """Seconds to wait before the next attempt."""
        doubled = self.wait_minimum * 2 ** min(self.failures, self.repeat_times)
        self.failures += 1
        return float(doubled + random.uniform(0, self.random_range))

    def succeeded(self) -> None:
        self.failures = 0
