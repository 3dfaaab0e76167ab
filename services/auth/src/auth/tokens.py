"""Access tokens: what auth says of a person who has signed in, signed with ES256."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from joserfc import jwt

from auth.signing_keys import SigningKey
from chassis.tokens import ALGORITHM, AUDIENCE, ISSUER


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and its end."""

    text: str = field(repr=False)
    expires_at: datetime


def issue(
    key: SigningKey, *, user_id: str, name: str, operator: bool, now: datetime, lifetime: timedelta
) -> AccessToken:
    """A token for this person, good for `lifetime` from now."""
    issued_at = int(now.timestamp())
    expires_at = issued_at + int(lifetime.total_seconds())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user_id,
        "name": name,
        "operator": operator,
        "iat": issued_at,
        "exp": expires_at,
        "jti": str(uuid4()),
    }
    signed = jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key.key, algorithms=[ALGORITHM])
    return AccessToken(signed, datetime.fromtimestamp(expires_at, now.tzinfo))
