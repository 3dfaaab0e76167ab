"""Groups and who is what in them: every change writes the row and what is said about it in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth.said import said
from auth.tables import groups, memberships, users
from chassis.clock import Clock
from chassis.outbox import Outbox
from chassis.rights import EVERY_ROLE, MANAGING_ROLES, check
from chassis.tokens import Person
from contracts import topics
from contracts.auth import GroupDefined, MembershipEnded, MembershipGranted
from contracts.words import Role


class UnknownError(Exception):
    """There is no such thing; `what` is its kind and `name` its id."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is no {what} {name!r}")
        self.what = what
        self.name = name


class LastSuperAdministratorError(Exception):
    """The group would be left without anyone who may do everything in it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group."""

    group_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a group."""

    group_id: str
    user_id: str
    name: str
    role: Role


class Groups:
    """Reads and changes groups and memberships. Changes of one group exclude each other: its row is locked first."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def page(self, session: AsyncSession, person: Person, *, after: str, limit: int) -> Sequence[Group]:
        """The person's groups, all of them for an operator, in the order of their ids, from what follows `after`."""
        query = select(groups).where(groups.c.group_id > after).order_by(groups.c.group_id).limit(limit)
        if not person.operator:
            mine = memberships.c.user_id == person.user_id, memberships.c.role.is_not(None)
            query = query.where(groups.c.group_id.in_(select(memberships.c.group_id).where(*mine)))
        return [Group(row.group_id, row.name) for row in await session.execute(query)]

    async def define(self, session: AsyncSession, group: Group) -> bool:
        """The group exists under this name from now on; returns whether it is new."""
        now = self._clock.now()
        row = insert(groups).values(group_id=group.group_id, name=group.name, version=1, changed_at=now)
        version: int | None = await session.scalar(
            row.on_conflict_do_update(
                index_elements=[groups.c.group_id],
                set_={"name": row.excluded.name, "version": groups.c.version + 1, "changed_at": now},
                where=groups.c.name != row.excluded.name,
            ).returning(groups.c.version)
        )
        if version is not None:
            message = said(GroupDefined(group_id=group.group_id, name=group.name), version=version, now=now)
            await self._outbox.add(session, topics.AUTH_GROUPS, [message])
        return version == 1

    async def members(self, session: AsyncSession, person: Person, group_id: str) -> Sequence[Member]:
        """Everyone in the group, by user id, for one of them. Raises UnknownError, and Problem like `grant`."""
        await self._require(session, person, group_id, EVERY_ROLE)
        if await session.scalar(select(groups.c.group_id).where(groups.c.group_id == group_id)) is None:
            raise UnknownError("group", group_id)
        query = (
            select(memberships, users.c.name)
            .join(users, users.c.user_id == memberships.c.user_id)
            .where(memberships.c.group_id == group_id, memberships.c.role.is_not(None))
            .order_by(memberships.c.user_id)
        )
        return [Member(row.group_id, row.user_id, row.name, Role(row.role)) for row in await session.execute(query)]

    async def grant(
        self, session: AsyncSession, person: Person, group_id: str, user_id: str, role: Role
    ) -> tuple[Member, bool]:
        """The user has this role in the group from now on; returns whether the user was no member before.

        The right of the person who asks is looked at under the group's lock: who loses it at this moment has lost it.
        Raises UnknownError and LastSuperAdministratorError, and Problem (403, 404) for who may not.
        """
        await self._lock(session, group_id, person)
        name = await session.scalar(select(users.c.name).where(users.c.user_id == user_id))
        if name is None:
            raise UnknownError("user", user_id)
        current = await self._membership(session, group_id, user_id)
        member = Member(group_id, user_id, name, role)
        if current is not None and current.role == role:
            return member, False
        if current is not None:
            await self._spare_the_last(session, current)
        version = await self._record(session, group_id, user_id, role)
        granted = MembershipGranted(group_id=group_id, user_id=user_id, name=name, role=role, version=version)
        message = said(granted, version=version, now=self._clock.now())
        await self._outbox.add(session, topics.AUTH_MEMBERSHIPS, [message])
        return member, current is None or current.role is None

    async def end(self, session: AsyncSession, person: Person, group_id: str, user_id: str) -> None:
        """The user is no longer in the group. Raises like `grant`."""
        await self._lock(session, group_id, person)
        current = await self._membership(session, group_id, user_id)
        if current is None or current.role is None:
            raise UnknownError("member", user_id)
        await self._spare_the_last(session, current)
        version = await self._record(session, group_id, user_id, None)
        ended = said(MembershipEnded(group_id=group_id, user_id=user_id), version=version, now=self._clock.now())
        await self._outbox.add(session, topics.AUTH_MEMBERSHIPS, [ended])

    async def _lock(self, session: AsyncSession, group_id: str, person: Person) -> None:
        query = select(groups.c.group_id).where(groups.c.group_id == group_id).with_for_update()
        found = await session.scalar(query)
        await self._require(session, person, group_id, MANAGING_ROLES)
        if found is None:
            raise UnknownError("group", group_id)

    async def _require(self, session: AsyncSession, person: Person, group_id: str, allowed: frozenset[Role]) -> None:
        own = None if person.operator else await self._membership(session, group_id, person.user_id)
        check(person, Role(own.role) if own is not None and own.role else None, group_id, allowed)

    async def _membership(self, session: AsyncSession, group_id: str, user_id: str) -> Row[Any] | None:
        query = select(memberships).where(memberships.c.group_id == group_id, memberships.c.user_id == user_id)
        return (await session.execute(query)).one_or_none()

    async def _spare_the_last(self, session: AsyncSession, losing: Row[Any]) -> None:
        if losing.role != Role.SUPER_ADMINISTRATOR:
            return
        there_are = await session.scalar(
            select(func.count())
            .select_from(memberships)
            .where(memberships.c.group_id == losing.group_id, memberships.c.role == Role.SUPER_ADMINISTRATOR)
        )
        if there_are == 1:
            raise LastSuperAdministratorError(
                f"{losing.user_id!r} is the last super-administrator of group {losing.group_id!r}: "
                "make someone else one first"
            )

    async def _record(self, session: AsyncSession, group_id: str, user_id: str, role: Role | None) -> int:
        now = self._clock.now()
        row = insert(memberships).values(group_id=group_id, user_id=user_id, role=role, version=1, changed_at=now)
        version: int | None = await session.scalar(
            row.on_conflict_do_update(
                index_elements=[memberships.c.group_id, memberships.c.user_id],
                set_={"role": row.excluded.role, "version": memberships.c.version + 1, "changed_at": now},
            ).returning(memberships.c.version)
        )
        if version is None:
            raise LookupError(f"membership of {user_id!r} in {group_id!r} was not recorded")
        return version
