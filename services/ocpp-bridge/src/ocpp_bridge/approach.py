"""How somebody comes to the door: from which address, over TLS or not, with which certificate and which header."""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web

UNKNOWN_ADDRESS = "unknown"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadProxiesError(ValueError):
    """The list of trusted proxies can't be read."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a client certificate says, once TLS has found it good: CN, O, and when it expires (seconds since 1970)."""

    common_name: str | None
    organization: str | None
    expires: float

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "ClientCertificate":
        """From what `ssl.SSLSocket.getpeercert` returns."""
        names: dict[str, str] = {}
        for part in told.get("subject", ()):
            for name, value in part:
                names.setdefault(name, value)
        not_after = told.get("notAfter")
        expires = ssl.cert_time_to_seconds(not_after) if isinstance(not_after, str) else 0.0
        return cls(names.get("commonName"), names.get("organizationName"), float(expires))


@dataclass(frozen=True, slots=True)
class Approach:
    """All that a handshake shows before anybody looks at who it says it is.

    Attributes:
        authorization: the header as sent, or None.
        address: where it comes from.
        secure: whether it came over TLS.
        certificate: the client's, or None.
    """

    authorization: str | None = field(repr=False)
    address: str
    secure: bool = False
    certificate: ClientCertificate | None = None


class Approaches:
    """Reads the approach of each request.

    Args:
        proxies: addresses or networks, separated by commas, of proxies that end TLS before the plain listener. Of them
            alone X-Forwarded-Proto and the last address of X-Forwarded-For are believed.

    Raises:
        BadProxiesError: `proxies` can't be read.
    """

    def __init__(self, proxies: str) -> None:
        self._proxies = _networks(proxies)

    def of(self, request: web.Request) -> Approach:
        """The approach of one request."""
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        address = request.remote or UNKNOWN_ADDRESS
        transport = request.transport
        if transport is not None and transport.get_extra_info("sslcontext") is not None:
            told = transport.get_extra_info("peercert")
            return Approach(authorization, address, True, ClientCertificate.of(told) if told else None)
        if self._proxies and self._is_proxy(address):
            proto = request.headers.get(hdrs.X_FORWARDED_PROTO, "").strip().lower()
            forwarded = request.headers.get(hdrs.X_FORWARDED_FOR, "").rpartition(",")[2].strip()
            return Approach(authorization, forwarded or address, proto in {"https", "wss"})
        return Approach(authorization, address)

    def _is_proxy(self, address: str) -> bool:
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._proxies)


def _networks(proxies: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(each.strip()) for each in proxies.split(",") if each.strip())
    except ValueError as error:
        raise BadProxiesError(f"OCPP_BRIDGE_TLS_PROXIES: {error}; give addresses or networks, as 10.0.0.0/8") from error
