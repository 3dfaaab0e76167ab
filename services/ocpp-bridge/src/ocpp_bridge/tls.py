"""The listener's own TLS: an ECDSA and an RSA certificate, OCPP's cipher suites, and files that change as it runs."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ocpp_bridge import claims
from ocpp_bridge.buckets import Bucket
from ocpp_bridge.failures import Turn
from ocpp_bridge.tls_door import GONE, SLOW, Failed, Failure, TlsDoor

log = structlog.stdlib.get_logger(__name__)

MANDATORY_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
"""OpenSSL's names of the suites that OCPP asks of a central system (A00.FR.318, A00.FR.421).

The last two, TLS_RSA, have no forward secrecy: Python leaves them out, and so do we when we are told to.
"""
PREFERRED_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
STATIC_RSA_SUITES = ("AES256-GCM-SHA384", "AES128-GCM-SHA256")
BACKLOG = 4096
LOGGED_FAILURES = 20.0


class BadTlsError(Exception):
    """The TLS files or settings are no good; says which and why."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate with its chain, leaf first, and its private key; both PEM, perhaps in one file."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a listener is made of: certificates, and the authorities of client certificates, if there are any.

    Args:
        static_rsa: also offer the two TLS_RSA suites.
    """

    certificates: tuple[CertificateFiles, ...]
    client_ca: Path | None
    static_rsa: bool = True

    @classmethod
    def read(cls, certificates: str, client_ca: str, *, static_rsa: bool) -> "TlsFiles":
        """From settings: `chain.pem:key.pem,chain.pem:key.pem`; the key may be left out where both are in one file."""
        found = []
        for each in certificates.split(","):
            chain, _, key = each.strip().partition(":")
            if chain:
                found.append(CertificateFiles(Path(chain), Path(key or chain)))
        if not found:
            raise BadTlsError(
                "OCPP_BRIDGE_TLS_CERTIFICATES is empty: give chain.pem:key.pem, best one of an ECDSA key and one of an "
                "RSA key, separated by a comma"
            )
        return cls(tuple(found), Path(client_ca) if client_ca else None, static_rsa)

    def stamp(self) -> tuple[object, ...]:
        """Differs when one of the files was written."""
        paths = [path for files in self.certificates for path in (files.chain, files.key)]
        return tuple(_stamp(path) for path in (*paths, *([self.client_ca] if self.client_ca else [])))

    def context(self, now: datetime) -> ssl.SSLContext:
        """A context made of the files as they are now. Raises BadTlsError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_ciphers(":".join((*PREFERRED_SUITES, *(STATIC_RSA_SUITES if self.static_rsa else ()))))
        kinds: dict[str, Path] = {}
        for files in self.certificates:
            kind = _kind(files.chain, now)
            if kind in kinds:
                raise BadTlsError(f"{files.chain} and {kinds[kind]} are both {kind}: one of each kind is served")
            kinds[kind] = files.chain
            try:
                context.load_cert_chain(files.chain, files.key, password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise BadTlsError(f"{files.chain} with the key {files.key}: {_why(error)}") from error
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise BadTlsError(f"the client authorities {self.client_ca}: {_why(error)}") from error
            # Not every charger here has one: whose profile needs a certificate, the handshake decides.
            context.verify_mode = ssl.CERT_OPTIONAL
        claims.listen(context)
        return context


class TlsSite:
    """The TLS listener of a running web application.

    New files take effect for new handshakes and leave open connections alone. The listening socket stays the same all
    along, so no charger finds the door shut.

    Args:
        within_s: so long a client has for the TLS handshake.
        turn: when an address may begin one.
        failed: told of each connection that did not come to its TLS.
        loaded: told whether new files were good.
    """

    def __init__(
        self,
        files: TlsFiles,
        host: str,
        port: int,
        *,
        every_s: float,
        within_s: float,
        turn: Turn,
        failed: Failed,
        loaded: Callable[[bool], None],
    ) -> None:
        self._files = files
        self._host = host
        self._every = every_s
        self._within = within_s
        self._turn = turn
        self._failed = failed
        self._loaded = loaded
        self._door: TlsDoor | None = None
        self._stamp: tuple[object, ...] = ()
        self._logged = Bucket.full(LOGGED_FAILURES, 1.0, time.monotonic())
        self.port = port

    async def start(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Listens; `protocol` makes what speaks on a connection once it has agreed on TLS.

        Raises BadTlsError, or OSError when the address can't be bound.
        """
        self._stamp = self._files.stamp()
        context = self._files.context(datetime.now(UTC))
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.create_server((self._host, self.port), family=family, backlog=BACKLOG)
        self.port = listening.getsockname()[1]
        self._door = TlsDoor(
            listening, context, protocol=protocol, within_s=self._within, turn=self._turn, failed=self._note
        )
        self._loaded(True)
        log.info("listening for chargers over TLS", host=self._host, port=self.port)

    async def stop(self) -> None:
        """Stops listening; open connections are not touched."""
        if self._door is not None:
            await self._door.close()
            self._door = None

    async def run(self) -> None:
        """Looks at the files until it is cancelled."""
        while True:
            await asyncio.sleep(self._every)
            self.look()

    def look(self) -> None:
        """Takes the files if they have changed; where they are no good, what was good stays."""
        stamp = self._files.stamp()
        if stamp == self._stamp or self._door is None:
            return
        self._stamp = stamp
        try:
            self._door.context = self._files.context(datetime.now(UTC))
        except BadTlsError as error:
            log.warning("the new TLS files are no good: the ones before go on", why=str(error))
            self._loaded(False)
            return
        self._loaded(True)
        log.info("new TLS files are used from now on")

    def _note(self, failure: Failure) -> None:
        self._failed(failure)
        if failure.why not in {SLOW, GONE} and self._logged.take(time.monotonic()):
            log.warning(
                "a TLS handshake failed",
                why=failure.why,
                detail=failure.detail,
                address=failure.address,
                claimed=failure.claim.name if failure.claim is not None else None,
            )


def _kind(chain: Path, now: datetime) -> str:
    try:
        leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise BadTlsError(f"{chain}: {_why(error)}") from error
    if leaf.not_valid_after_utc <= now:
        raise BadTlsError(f"{chain}: the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    key = leaf.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA"
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    raise BadTlsError(f"{chain}: a {type(key).__name__}; chargers know ECDSA and RSA")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _no_password() -> str:
    # Without this OpenSSL asks at the terminal, and a service waits for ever.
    raise ValueError("the private key is encrypted: give one that is not")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
