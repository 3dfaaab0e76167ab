"""Access tokens: who a person is, from a token that auth signed."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from joserfc import jwt
from joserfc.errors import DecodeError, ExpiredTokenError, JoseError
from joserfc.jwk import ECKey
from joserfc.jwt import JWTClaimsRegistry

from chassis.clock import Clock, SystemClock
from contracts.auth import SigningKeyPublished, SigningKeyRetired
from contracts.envelope import Envelope

log = structlog.stdlib.get_logger(__name__)

ALGORITHM = "ES256"
ISSUER = "comeback"
AUDIENCE = "comeback"
EXPIRED = "the token has expired: sign in again"
REMEMBERED = 1024
"""Verified tokens that are kept in memory, the oldest giving way."""
SKEW_S = 30
"""How far auth's clock may be ahead of ours before a token counts as issued in the future. Expiry has no such grace."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking. `operator` may act on every group: it is a claim of the person, not a role in a group."""

    user_id: str
    name: str
    operator: bool
    expires_at: datetime


class InvalidToken(Exception):  # noqa: N818 the word of the project
    """The token proves nothing. `reason` says why, and may be shown to its bearer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyRing:
    """The public keys that tokens may be signed with. Feed it with `apply` from the topic of signing keys."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._keys: dict[str, ECKey] = {}
        self._verified: OrderedDict[str, tuple[Person, ECKey]] = OrderedDict()

    def apply(self, envelope: Envelope[Any]) -> None:
        """Takes a key in or strikes it out. A key that is not for our algorithm is left out, and said so."""
        match envelope.data:
            case SigningKeyPublished(kid=kid, algorithm=algorithm, public_jwk=jwk):
                self.add(kid, algorithm, jwk)
            case SigningKeyRetired(kid=kid):
                self._keys.pop(kid, None)
            case _:
                pass

    def add(self, kid: str, algorithm: str, public_jwk: Mapping[str, str]) -> None:
        """Takes a key in."""
        try:
            if algorithm != ALGORITHM:
                raise ValueError(f"its algorithm is {algorithm!r}")
            key = ECKey.import_key(dict(public_jwk))
            if key.curve_name != "P-256":
                raise ValueError(f"its curve is {key.curve_name}")
        except (ValueError, TypeError, KeyError, JoseError) as error:
            log.warning("a signing key is left out", kid=kid, why=str(error))
            self._keys.pop(kid, None)
        else:
            self._keys[kid] = key

    @property
    def known(self) -> frozenset[str]:
        """The ids of the keys."""
        return frozenset(self._keys)

    def verify(self, token: str) -> Person:
        """The bearer of the token. Raises InvalidToken.

        A token that was verified is remembered: it holds for as long as its key does, until it expires.
        """
        known = self._verified.get(token)
        if known is not None:
            person, key = known
            if self._clock.now() < person.expires_at and any(key is valid for valid in self._keys.values()):
                return person
            del self._verified[token]
        person, key = self._verify(token)
        self._verified[token] = (person, key)
        if len(self._verified) > REMEMBERED:
            self._verified.popitem(last=False)
        return person

    def _verify(self, token: str) -> tuple[Person, ECKey]:
        used: list[ECKey] = []

        def key_of(signed: Any) -> ECKey:
            used.append(self._key_of(signed))
            return used[-1]

        try:
            decoded = jwt.decode(token, key_of, algorithms=[ALGORITHM])
        except InvalidToken:
            raise
        except (JoseError, ValueError, TypeError, KeyError, UnicodeError) as error:
            why = "it is not a token" if isinstance(error, DecodeError | ValueError) else "its signature does not hold"
            raise InvalidToken(f"the token is not accepted: {why}") from error
        now = self._clock.now()
        rules = JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=SKEW_S,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
        )
        claims = decoded.claims
        try:
            rules.validate(claims)
        except ExpiredTokenError as error:
            raise InvalidToken(EXPIRED) from error
        except JoseError as error:
            raise InvalidToken(f"the token is not accepted: {error.description or error}") from error
        if claims["exp"] <= now.timestamp():
            raise InvalidToken(EXPIRED)
        subject, name, operator = claims["sub"], claims.get("name", ""), claims.get("operator", False)
        if not (isinstance(subject, str) and subject and isinstance(name, str) and isinstance(operator, bool)):
            raise InvalidToken("the token is not accepted: its claims have the wrong shape")
        try:
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        except (OverflowError, ValueError, OSError) as error:
            raise InvalidToken("the token is not accepted: its expiry is no moment in time") from error
        return Person(subject, name, operator, expires_at), used[-1]

    def _key_of(self, signed: Any) -> ECKey:
        kid = signed.headers().get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise InvalidToken(f"the token is not accepted: its key {kid!r} is not known, or no longer")
        return key
