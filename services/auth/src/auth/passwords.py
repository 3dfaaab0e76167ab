"""People's passwords: argon2id, off the event loop, a few at a time, and as slow for a user who does not exist."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

_T = TypeVar("_T")

LONGEST = 256
"""Characters; more would only be work for us."""
SHORTEST = 8
"""Characters of a password that someone chooses (OWASP ASVS 5, 6.2.1)."""

AT_ONCE = 2
"""Each hash takes 64 MiB and a core for about 0.1 s."""
MOST_WAITING = 50
"""Beyond that the last in line would wait for seconds: better to say so."""


class TooBusyError(Exception):
    """Too many passwords wait to be checked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right; `better_hash` is to be stored when the one that was kept is out of date."""

    right: bool
    better_hash: str | None = None


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or PasswordHash((Argon2Hasher(),))
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._of_nobody: str | None = None

    async def prepare(self) -> None:
        """Makes the hash that stands in for users who do not exist, so that the first of them costs no more."""
        self._of_nobody = await self.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """What to store instead of the password. Raises TooBusyError."""
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def check(self, password: str, password_hash: str | None) -> Verdict:
        """Whether this is the password; without a hash it takes as long and is wrong. Raises TooBusyError."""
        if self._of_nobody is None:
            await self.prepare()
        against = password_hash or self._of_nobody or ""
        return await self._in_turn(lambda: self._compare(password, against, real=password_hash is not None))

    def _compare(self, password: str, against: str, *, real: bool) -> Verdict:
        try:
            right, better_hash = self._hasher.verify_and_update(password, against)
        except UnknownHashError:
            return Verdict(right=False)
        return Verdict(right and real, better_hash if right and real else None)

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MOST_WAITING:
            raise TooBusyError
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
