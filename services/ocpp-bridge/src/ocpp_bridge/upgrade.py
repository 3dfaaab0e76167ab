"""From an HTTP request to a websocket: the opening handshake (RFC 6455, 4.2; RFC 7692, 7.1)."""

import base64
import binascii
import hashlib

from aiohttp import hdrs, web
from aiohttp.http import WS_KEY, ws_ext_gen, ws_ext_parse

from ocpp_bridge.wire import Transport, Wire

_KEY_LENGTH = 16
_VERSION = "13"


def accept_key(request: web.Request) -> str | None:
    """The Sec-WebSocket-Accept of a request, or None when it does not ask for a websocket of version 13."""
    headers = request.headers
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "")
    connection = {token.strip().lower() for token in headers.get(hdrs.CONNECTION, "").split(",")}
    if (
        request.method != hdrs.METH_GET
        or headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket"
        or "upgrade" not in connection
        or headers.get(hdrs.SEC_WEBSOCKET_VERSION, "").strip() != _VERSION
    ):
        return None
    try:
        if len(base64.b64decode(key, validate=True)) != _KEY_LENGTH:
            return None
    except binascii.Error:
        return None
    return base64.b64encode(hashlib.sha1(key.encode() + WS_KEY).digest()).decode()  # noqa: S324 the RFC's own


class HandedOver(web.StreamResponse):
    """What the HTTP server is given in place of a response: the connection is no longer its own."""

    async def prepare(self, _request: web.BaseRequest) -> None:
        """Ends the server's work on the connection."""
        raise ConnectionResetError


HANDED_OVER = HandedOver()


def upgrade(
    request: web.Request,
    transport: Transport,
    *,
    key: str,
    protocol: str | None,
    deflate: bool,
    limit: int,
    enough: int,
    patience: float,
) -> tuple[Wire, bytes]:
    """Answers 101 and takes the connection away from the HTTP server, of which nothing is left in memory.

    Return `HANDED_OVER` from the request's handler afterwards.

    Args:
        request: the handshake.
        transport: the request's.
        key: of `accept_key`.
        protocol: the subprotocol, or None to name none.
        deflate: whether permessage-deflate is agreed to, where the client offers it.
        limit: of a message, see `Wire`.
        enough: of a compressed message, see `Wire`.
        patience: see `Wire`.

    Returns:
        The wire, and what the client has sent behind its request: give it to `data_received` once somebody listens.

    Raises:
        ConnectionError: the client is gone.
    """
    server = request.protocol
    if transport.is_closing() or server.transport is None:
        raise ConnectionResetError("the client is gone")
    wbits = ws_ext_parse(request.headers.get(hdrs.SEC_WEBSOCKET_EXTENSIONS), isserver=True)[0] if deflate else 0
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {key}",
    ]
    if protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    if wbits:
        # We never refer to an earlier message, so the client need not remember any.
        lines.append(f"Sec-WebSocket-Extensions: {ws_ext_gen(wbits, isserver=True, server_notakeover=True)}")
    transport.write("\r\n".join((*lines, "", "")).encode())
    wire = Wire(transport, limit=limit, enough=enough, wbits=wbits, patience=patience)
    behind: bytes = server._message_tail  # noqa: SLF001 it is told nowhere else
    transport.set_protocol(wire)
    if server._reading_paused or server._buffer_paused:  # noqa: SLF001 as above
        transport.resume_reading()
    server.transport = None
    server.connection_lost(None)
    return wire, behind
