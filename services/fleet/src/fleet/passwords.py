"""Chargers' passwords: made with enough random bits, checked for OCPP's length, kept only as a salted verifier."""

import hmac
import math
import secrets
import string
from dataclasses import dataclass, field

SHORTEST = 16
LONGEST = 40
"""Characters of a BasicAuthPassword (OCPP 2.0.1); an AuthorizationKey (1.6) has 16 to 20 bytes."""

ALPHABET = string.ascii_letters + string.digits + "!#$%&()*+-./=?@[]^_{|}~"
"""Of made passwords: printable, and nothing that a CSV file, a page or a user:password pair splits at."""

MADE_LENGTH = 20
"""Fits every OCPP version, and is enough for 128 random bits from this alphabet."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """HMAC-SHA-256 of a password with the salt as its key; both in hex, as they are published."""

    salt: str = field(repr=False)
    digest: str = field(repr=False)

    @classmethod
    def of(cls, password: str) -> "Verifier":
        """A verifier under a new salt."""
        salt = secrets.token_bytes(16)
        return cls(salt.hex(), _digest(salt, password))

    def accepts(self, password: str) -> bool:
        return hmac.compare_digest(self.digest, _digest(bytes.fromhex(self.salt), password))


def _digest(salt: bytes, password: str) -> str:
    return hmac.digest(salt, password.encode(), "sha256").hex()


def make_password() -> str:
    """A new password."""
    return "".join(secrets.choice(ALPHABET) for _ in range(MADE_LENGTH))


def made_bits() -> float:
    """How many random bits a made password has."""
    return MADE_LENGTH * math.log2(len(ALPHABET))


def problem_with(password: str) -> str | None:
    """Why a charger can't have this password, in words; None when it can."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a charger's password has {SHORTEST} to {LONGEST} characters, this one has {len(password)}"
    if not password.isprintable():
        return "a charger's password has printable characters only"
    return None
