"""Signing in: a user name and a password for an access token."""

from dataclasses import dataclass, field
from datetime import timedelta

from auth import tokens
from auth.passwords import Passwords
from auth.signing_keys import SigningKeys
from auth.tokens import AccessToken
from auth.users import User, Users
from chassis.clock import Clock
from chassis.database import Database
from chassis.limits import MovingWindow


class WrongCredentialsError(Exception):
    """There is no such user, or the password is another; which of the two is not said."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, and their token."""

    user: User
    token: AccessToken = field(repr=False)


class Login:
    """Checks passwords and issues tokens."""

    def __init__(
        self,
        database: Database,
        users: Users,
        passwords: Passwords,
        keys: SigningKeys,
        tries: MovingWindow,
        *,
        clock: Clock,
        token_lifetime: timedelta,
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._keys = keys
        self._tries = tries
        self._clock = clock
        self._token_lifetime = token_lifetime

    async def sign_in(self, user_id: str, password: str) -> SignedIn:
        """Raises TooOftenError, TooBusyError and WrongCredentialsError.

        A try counts before its outcome is known, and names that do not exist count alike: the limit tells nothing.
        No connection to the database is held while the password is checked, which takes long.
        """
        self._tries.take(user_id)
        async with self._database.begin() as session:
            user = await self._users.find(session, user_id)
        verdict = await self._passwords.check(password, user.password_hash if user is not None else None)
        if user is None or not verdict.right:
            raise WrongCredentialsError
        self._tries.forget(user_id)
        async with self._database.begin() as session:
            if verdict.better_hash is not None:
                await self._users.keep_hash(session, user.user_id, verdict.better_hash)
            key = await self._keys.current(session)
        token = tokens.issue(
            key,
            user_id=user.user_id,
            name=user.name,
            operator=user.operator,
            now=self._clock.now(),
            lifetime=self._token_lifetime,
        )
        return SignedIn(user, token)
