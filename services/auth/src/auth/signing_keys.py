"""The keys that tokens are signed with: made, kept, published, replaced and retired."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import Row, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth.said import said
from auth.tables import SCHEMA, signing_keys
from chassis.clock import Clock
from chassis.outbox import Outbox
from chassis.timers import Timer, Timers
from chassis.tokens import ALGORITHM
from contracts import topics
from contracts.auth import SigningKeyPublished, SigningKeyRetired

TIMER = "retire-signing-key"
LEEWAY = timedelta(minutes=1)
"""Between the expiry of a key's last token and its retirement: clocks differ."""

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtext(:what))")


class SigningKeyLockedError(Exception):
    """A kept key is encrypted, and not with the encryption key that we were given."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its private half."""

    kid: str
    key: ECKey = field(repr=False)


class SigningKeys:
    """Keeps the signing keys, inside of the caller's transaction.

    A new key is published some time before it signs (`lead`), so that whoever checks tokens knows it by then. The old
    one is retired when the last token that it signed has expired.

    Args:
        encryption_key: 32 bytes that encrypt the private halves at rest; None leaves them as they are.
    """

    def __init__(
        self,
        outbox: Outbox,
        timers: Timers,
        clock: Clock,
        *,
        token_lifetime: timedelta,
        lead: timedelta,
        encryption_key: bytes | None = None,
    ) -> None:
        self._outbox = outbox
        self._timers = timers
        self._clock = clock
        self._token_lifetime = token_lifetime
        self._lead = lead
        self._wrapping_key = OctKey.import_key(encryption_key) if encryption_key is not None else None

    async def start(self, session: AsyncSession) -> None:
        """Makes the first key if there is none, and publishes all; encrypts what was kept without.

        Raises SigningKeyLockedError.
        """
        rows = await self._all(session, lock=True)
        if not rows:
            await self._make(session, signs_from=self._clock.now())
            return
        for row in rows:
            key = self._unlock(row)
            if self._wrapping_key is not None and not row.encrypted:
                values = {"private_key": self._at_rest(key), "encrypted": True}
                await session.execute(update(signing_keys).where(signing_keys.c.kid == row.kid).values(values))
        await self._publish(session, rows)

    async def rotate(self, session: AsyncSession) -> tuple[str, datetime]:
        """Makes the next key; returns its id and from when it signs. The older ones go when their tokens have gone."""
        older = await self._all(session, lock=True)
        signs_from = self._clock.now() + (self._lead if older else timedelta(0))
        kid = await self._make(session, signs_from=signs_from)
        due = signs_from + self._token_lifetime + LEEWAY
        for row in older:
            await self._timers.arm(session, name=TIMER, key=row.kid, due=due, payload={})
        return kid, signs_from

    async def retire(self, session: AsyncSession, timer: Timer) -> None:
        """Ends a key whose tokens have expired, unless it is the one that signs."""
        rows = await self._all(session, lock=True)
        if timer.key not in {row.kid for row in rows} or timer.key == self._signing(rows).kid:
            return
        await session.execute(delete(signing_keys).where(signing_keys.c.kid == timer.key))
        retired = said(SigningKeyRetired(kid=timer.key), version=1, now=self._clock.now())
        await self._outbox.add(session, topics.AUTH_SIGNING_KEYS, [retired])

    async def current(self, session: AsyncSession) -> SigningKey:
        """The key to sign with now. Raises SigningKeyLockedError."""
        row = self._signing(await self._all(session))
        return SigningKey(row.kid, self._unlock(row))

    async def public(self, session: AsyncSession) -> dict[str, dict[str, str]]:
        """The public halves by key id."""
        return {row.kid: row.public_jwk for row in await self._all(session)}

    async def _all(self, session: AsyncSession, *, lock: bool = False) -> list[Row[Any]]:
        if lock:
            await session.execute(_ONE_AT_A_TIME, {"what": f"{SCHEMA}.signing_keys"})
        return list(await session.execute(select(signing_keys).order_by(signing_keys.c.signs_from)))

    def _signing(self, rows: list[Row[Any]]) -> Row[Any]:
        now = self._clock.now()
        return next((row for row in reversed(rows) if row.signs_from <= now), rows[0])

    async def _make(self, session: AsyncSession, *, signs_from: datetime) -> str:
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        kid = key.kid
        if kid is None:
            raise TypeError("a new signing key has no id")
        row = insert(signing_keys).values(
            kid=kid,
            private_key=self._at_rest(key),
            encrypted=self._wrapping_key is not None,
            public_jwk=key.as_dict(private=False),
            created_at=self._clock.now(),
            signs_from=signs_from,
        )
        await self._publish(session, list(await session.execute(row.returning(signing_keys))))
        return kid

    async def _publish(self, session: AsyncSession, rows: list[Row[Any]]) -> None:
        messages = [
            SigningKeyPublished(
                kid=row.kid, algorithm=ALGORITHM, public_jwk=row.public_jwk, published_at=row.created_at
            )
            for row in rows
        ]
        now = self._clock.now()
        await self._outbox.add(
            session, topics.AUTH_SIGNING_KEYS, [said(message, version=1, now=now) for message in messages]
        )

    def _at_rest(self, key: ECKey) -> str:
        plain = json.dumps(key.as_dict(private=True))
        if self._wrapping_key is None:
            return plain
        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, plain, self._wrapping_key)

    def _unlock(self, row: Row[Any]) -> ECKey:
        kept: str | bytes = row.private_key
        if row.encrypted:
            if self._wrapping_key is None:
                raise SigningKeyLockedError(
                    f"signing key {row.kid} is kept encrypted: set AUTH_KEY_ENCRYPTION_KEY as it was then"
                )
            try:
                kept = jwe.decrypt_compact(kept, self._wrapping_key).plaintext or b""
            except (JoseError, ValueError) as error:
                raise SigningKeyLockedError(
                    f"signing key {row.kid} was encrypted with another key than AUTH_KEY_ENCRYPTION_KEY"
                ) from error
        return ECKey.import_key(json.loads(kept))
