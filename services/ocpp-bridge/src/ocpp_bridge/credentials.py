"""Who a charger is: credentials as fleet publishes them, checked at the handshake (OCPP security profiles 0 to 3)."""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

from contracts.envelope import Envelope, Message
from contracts.fleet import CredentialRevoked, CredentialSet
from ocpp_bridge.approach import Approach
from ocpp_bridge.failures import Failures
from ocpp_bridge.profiles import CLIENT_CERTIFICATE, NO_PASSWORD, OVER_TLS, WITH_PASSWORD

Fault = Literal["wrong_password", "no_password", "wrong_profile", "wrong_certificate", "wrong_serial", "too_many"]
"""What is wrong, in the words of ConnectionRefused."""


class Verdict(Enum):
    """What the handshake is answered."""

    WELCOME = 101
    WRONG = 401
    FORBIDDEN = 403
    UNKNOWN = 404
    TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check.

    Attributes:
        credential: goes with WELCOME.
        fault: what is wrong with a known charger's credentials, in a word.
        cause: what is wrong with its certificate, in a word.
        detail: the same in words, for whoever set the charger up.
        retry_after: seconds, with TOO_MANY.
    """

    verdict: Verdict
    credential: CredentialSet | None = None
    fault: Fault | None = None
    cause: str | None = None
    detail: str = ""
    retry_after: float = 0.0


class Change(Protocol):
    """A new password that a charger was sent: `replaced` is fleet's verifier at that moment."""

    @property
    def call_id(self) -> UUID: ...
    @property
    def salt(self) -> str: ...
    @property
    def verifier(self) -> str: ...
    @property
    def accepted(self) -> bool: ...


class Changes(Protocol):
    """The new passwords that fleet has not taken over yet."""

    def of(self, charger_id: str) -> Sequence[Change]:
        """Those of one charger; where it has accepted one, that one alone."""
        ...

    def proven(self, charger_id: str, call_id: UUID) -> None:
        """The charger has shown a password that was staged for it: so it has taken it."""
        ...


class Credentials:
    """The last word of fleet about each charger.

    Args:
        failures: counts wrong credentials.
        organization: what client certificates must name as O; any when empty.
        changes: new passwords under way.
        on_set: told of each credential.
        on_revoked: told the identity of a charger that may no longer connect.
    """

    def __init__(
        self,
        *,
        failures: Failures,
        changes: Changes,
        on_revoked: Callable[[str], None],
        on_set: Callable[[CredentialSet], None] | None = None,
        organization: str = "",
    ) -> None:
        self._known: dict[str, CredentialSet] = {}
        self._changes = changes
        self._on_set = on_set
        self._on_revoked = on_revoked
        self._organization = organization
        self._failures = failures

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, envelope: Envelope[Message]) -> None:
        """Takes a record of fleet.credentials.v1 in."""
        match envelope.data:
            case CredentialSet() as credential:
                self._known[credential.charger_id] = credential
                if self._on_set is not None:
                    self._on_set(credential)
            case CredentialRevoked(charger_id=charger_id):
                self._known.pop(charger_id, None)
                self._failures.forget(charger_id)
                self._on_revoked(charger_id)

    def of(self, charger_id: str) -> CredentialSet | None:
        """The credential of a charger, or None for one that may not connect."""
        return self._known.get(charger_id)

    def check(self, charger_id: str, approach: Approach, now: float, *, at: float) -> Checked:
        """Checks a handshake.

        Args:
            charger_id: the identity in the URL.
            approach: what it shows.
            now: monotonic seconds.
            at: seconds since 1970, which certificates expire by.
        """
        credential = self._known.get(charger_id)
        if credential is None:
            return Checked(Verdict.UNKNOWN)
        address = approach.address
        wait = self._failures.wait(charger_id, address, now)
        guessable = credential.security_profile in WITH_PASSWORD
        if wait > 0 and guessable and not self._failures.may_be_at_home(charger_id, address):
            # Not looked at, so that nobody can go on guessing at one charger's password.
            return _too_many(wait)
        fault = self._fault(credential, approach, at)
        if fault is None:
            self._failures.came_in(charger_id, address)
            return Checked(Verdict.WELCOME, credential)
        wait = max(wait, self._failures.address_wait(address, now))
        self._failures.failed(address, now, charger_id)
        return _too_many(wait) if wait > 0 else fault

    def _fault(self, credential: CredentialSet, approach: Approach, at: float) -> Checked | None:
        profile = credential.security_profile
        if approach.secure != (profile in OVER_TLS):
            # Before the password is looked at: it must not be tried where it does not belong (A00.FR.002).
            where = "over TLS (wss)" if profile in OVER_TLS else "without TLS (ws)"
            return _forbidden("wrong_profile", f"this charger has security profile {profile}: it connects {where}")
        if profile == NO_PASSWORD:
            return None
        if profile == CLIENT_CERTIFICATE:
            return self._certificate_fault(credential.charger_id, approach, at)
        return self._password_fault(credential, approach.authorization)

    def _certificate_fault(self, charger_id: str, approach: Approach, at: float) -> Checked | None:
        shown = approach.certificate
        if shown is None:
            why = "security profile 3 needs a client certificate, and there is none"
            return _forbidden("wrong_certificate", why, cause="missing")
        if shown.common_name != charger_id:
            why = "the common name (CN) of the client certificate is not the charger's identity"
            return _forbidden("wrong_certificate", why, cause="other_name")
        if self._organization and shown.organization != self._organization:
            why = f"the client certificate is not of the organization (O) {self._organization}"
            return _forbidden("wrong_certificate", why, cause="other_organization")
        if shown.expires <= at:
            # TLS looks at a new certificate, but resumes a session without looking again.
            return _forbidden("wrong_certificate", "the client certificate has expired", cause="expired")
        return None

    def _password_fault(self, credential: CredentialSet, authorization: str | None) -> Checked | None:
        parsed = parse_basic(authorization)
        if parsed is None:
            return Checked(Verdict.WRONG, fault="no_password", detail="this charger needs a password (Basic)")
        username, password = parsed
        charger_id = credential.charger_id
        named = hmac.compare_digest(username, charger_id.encode())
        changes = self._changes.of(charger_id)
        if named and not (changes and changes[0].accepted) and _proves(credential.salt, credential.verifier, password):
            return None
        for change in changes:
            if named and _proves(change.salt, change.verifier, password):
                if not change.accepted:
                    self._changes.proven(charger_id, change.call_id)
                return None
        return Checked(
            Verdict.WRONG,
            fault="wrong_password",
            detail="the user name is the charger's identity; check it and the password",
        )


def _too_many(wait: float) -> Checked:
    return Checked(Verdict.TOO_MANY, fault="too_many", detail="too many wrong credentials: wait", retry_after=wait)


def _forbidden(fault: Fault, detail: str, *, cause: str | None = None) -> Checked:
    return Checked(Verdict.FORBIDDEN, fault=fault, cause=cause, detail=detail)


def _proves(salt: str | None, verifier: str | None, password: bytes) -> bool:
    if salt is None or verifier is None:
        return False
    key = bytes.fromhex(salt)
    expected = verifier.lower()
    # 1.6 stations are given their AuthorizationKey in hex and send either that text or the bytes that it stands for.
    candidates = (password, password.hex().encode(), password.hex().upper().encode())
    found = [hmac.compare_digest(hmac.digest(key, sent, "sha256").hex(), expected) for sent in candidates]
    return any(found)


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
