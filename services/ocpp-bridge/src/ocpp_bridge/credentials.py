"""Who a charger is: credentials as fleet publishes them, checked at the handshake (OCPP security profiles 0 to 3)."""

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from contracts.envelope import Envelope, Message
from contracts.fleet import CredentialRevoked, CredentialSet
from ocpp_bridge.buckets import Buckets

NO_PASSWORD = 0
CLIENT_CERTIFICATE = 3
ADDRESS_SHARE = 10
"""How many times the failures of one identity an address may have: chargers share addresses."""


class Verdict(Enum):
    """What the handshake is answered."""

    WELCOME = 101
    WRONG = 401
    UNKNOWN = 404
    TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check; `retry_after` (seconds) goes with TOO_MANY, `credential` with WELCOME."""

    verdict: Verdict
    credential: CredentialSet | None = None
    retry_after: float = 0.0


class Credentials:
    """The last word of fleet about each charger.

    Args:
        wrong: so many wrong credentials are allowed for one identity from one address.
        wrong_every_s: one more is allowed after so many seconds.
        on_revoked: told the identity of a charger that may no longer connect.
    """

    def __init__(self, *, wrong: int, wrong_every_s: float, on_revoked: Callable[[str], None]) -> None:
        self._known: dict[str, CredentialSet] = {}
        self._on_revoked = on_revoked
        # By identity and address together, so that a stranger can't lock a charger out of its own account.
        self._pairs = Buckets(wrong, 1 / wrong_every_s)
        self._addresses = Buckets(wrong * ADDRESS_SHARE, ADDRESS_SHARE / wrong_every_s)

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, envelope: Envelope[Message]) -> None:
        """Takes a record of fleet.credentials.v1 in."""
        match envelope.data:
            case CredentialSet() as credential:
                self._known[credential.charger_id] = credential
            case CredentialRevoked(charger_id=charger_id):
                self._known.pop(charger_id, None)
                self._on_revoked(charger_id)

    def of(self, charger_id: str) -> CredentialSet | None:
        """The credential of a charger, or None for one that may not connect."""
        return self._known.get(charger_id)

    def check(self, charger_id: str, authorization: str | None, address: str, now: float) -> Checked:
        """Checks the Authorization header of a handshake.

        Args:
            charger_id: the identity in the URL.
            authorization: the header as sent, or None.
            address: where it comes from.
            now: monotonic seconds.
        """
        credential = self._known.get(charger_id)
        if credential is None:
            return Checked(Verdict.UNKNOWN)
        if credential.security_profile == NO_PASSWORD:
            return Checked(Verdict.WELCOME, credential)
        pair = f"{charger_id} {address}"
        wait = max(self._pairs.wait(pair, now), self._addresses.wait(address, now))
        if wait > 0:
            return Checked(Verdict.TOO_MANY, retry_after=wait)
        if _proves(credential, authorization):
            return Checked(Verdict.WELCOME, credential)
        self._pairs.take(pair, now)
        self._addresses.take(address, now)
        return Checked(Verdict.WRONG)


def _proves(credential: CredentialSet, authorization: str | None) -> bool:
    if credential.security_profile == CLIENT_CERTIFICATE or credential.salt is None or credential.verifier is None:
        return False  # this listener has no client certificates to look at
    parsed = parse_basic(authorization)
    if parsed is None:
        return False
    username, password = parsed
    salt = bytes.fromhex(credential.salt)
    expected = credential.verifier.lower()
    # 1.6 stations are given their AuthorizationKey in hex and send either that text or the bytes that it stands for.
    candidates = (password, password.hex().encode(), password.hex().upper().encode())
    found = [hmac.compare_digest(hmac.digest(salt, sent, "sha256").hex(), expected) for sent in candidates]
    return hmac.compare_digest(username, credential.charger_id.encode()) and any(found)


def parse_basic(authorization: str | None) -> tuple[bytes, bytes] | None:
    """User name and password of a Basic Authorization header (RFC 7617), or None when it is none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (username, password) if colon else None
