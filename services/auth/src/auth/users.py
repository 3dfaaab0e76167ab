"""Who people are: users and their passwords, kept inside of the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.tables import users
from chassis.clock import Clock


class UserExistsError(Exception):
    """There is such a user already."""


class NotTheOperatorError(Exception):
    """The name that the environment gives the platform operator is another person's."""


@dataclass(frozen=True, slots=True)
class User:
    """A person."""

    user_id: str
    name: str
    operator: bool
    password_hash: str | None = field(repr=False)
    language: str | None = None


class Users:
    """Reads and writes users."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def find(self, session: AsyncSession, user_id: str) -> User | None:
        row = (await session.execute(select(users).where(users.c.user_id == user_id))).one_or_none()
        return None if row is None else User(row.user_id, row.name, row.operator, row.password_hash, row.language)

    async def page(self, session: AsyncSession, *, after: str, limit: int) -> Sequence[User]:
        """Users in the order of their ids, from the one that follows `after`."""
        query = select(users).where(users.c.user_id > after).order_by(users.c.user_id).limit(limit)
        return [User(row.user_id, row.name, row.operator, row.password_hash) for row in await session.execute(query)]

    async def add(self, session: AsyncSession, user: User) -> None:
        """Raises UserExistsError."""
        added = await session.execute(self._row(user).on_conflict_do_nothing().returning(users.c.user_id))
        if added.scalar_one_or_none() is None:
            raise UserExistsError

    async def keep_hash(self, session: AsyncSession, user_id: str, password_hash: str) -> None:
        """Replaces the hash of the user's password."""
        await session.execute(update(users).where(users.c.user_id == user_id).values(password_hash=password_hash))

    async def choose_language(self, session: AsyncSession, user_id: str, language: str | None) -> bool:
        """Keeps the language that the user chose; None forgets it. False when there is no such user."""
        chosen = update(users).where(users.c.user_id == user_id).values(language=language).returning(users.c.user_id)
        return (await session.execute(chosen)).scalar_one_or_none() is not None

    async def appoint_operator(self, session: AsyncSession, operator: User | None) -> None:
        """Makes this the only platform operator; None leaves the platform without one.

        A former operator's account stays, but nobody can sign in with it. Raises NotTheOperatorError.
        """
        user_id = operator.user_id if operator else ""
        former = update(users).where(users.c.operator, users.c.user_id != user_id)
        await session.execute(former.values(operator=False, password_hash=None))
        if operator is None:
            return
        current = await self.find(session, user_id)
        if current is not None and not current.operator and current.password_hash is not None:
            raise NotTheOperatorError(f"{user_id!r} is the name of another user: choose another AUTH_OPERATOR_USERNAME")
        row = self._row(operator)
        changes = {name: row.excluded[name] for name in ("name", "operator", "password_hash")}
        await session.execute(row.on_conflict_do_update(index_elements=[users.c.user_id], set_=changes))

    def _row(self, user: User) -> Insert:
        return insert(users).values(
            user_id=user.user_id,
            name=user.name,
            operator=user.operator,
            password_hash=user.password_hash,
            created_at=self._clock.now(),
        )
