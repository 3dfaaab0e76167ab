"""Who is what in which group, as a service remembers it of auth.memberships.v1 to decide who may do what."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Column, Delete, MetaData, Table, Text, bindparam, delete, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import CreateTable, SetTableComment

from chassis.database import Work, service_metadata, write_rows
from chassis.projection import Projection, Tables
from chassis.rights import EVERY_ROLE, check
from chassis.tokens import Person
from contracts import topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.envelope import Envelope, Message
from contracts.words import Role

NAME = "memberships"


def memberships_table(metadata: MetaData) -> Table:
    """Declares the table in the service's metadata."""
    return Table(
        NAME,
        metadata,
        Column("group_id", Text, primary_key=True),
        Column("user_id", Text, primary_key=True),
        Column("role", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        comment="A projection of auth.memberships.v1, guarded by version; an ended membership has no row.",
    )


def create_memberships_table(op: Any, schema: str) -> None:
    """Creates the table: one line in a migration. `op` is `alembic.op`."""
    table = memberships_table(service_metadata(schema))
    op.execute(CreateTable(table))
    op.execute(SetTableComment(table))


async def apply_memberships(session: Work, messages: Sequence[Envelope[Message]], into: Tables) -> None:
    """Writes down who is what in which group; an ended membership is forgotten."""
    table = into[NAME]
    last: dict[tuple[str, str], dict[str, Any]] = {}
    gone: set[tuple[str, str]] = set()
    for message in messages:
        match message.data:
            case MembershipGranted() as said:
                key = (said.group_id, said.user_id)
                known = last.get(key)
                if known is None or said.version > known["version"]:
                    last[key] = {
                        "group_id": said.group_id,
                        "user_id": said.user_id,
                        "role": said.role.value,
                        "version": said.version,
                    }
            case MembershipEnded() as said:
                gone.add((said.group_id, said.user_id))
                last.pop((said.group_id, said.user_id), None)
            case _:
                pass
    await write_rows(session, _ending(table), [{"of_group": group, "of_user": user} for group, user in sorted(gone)])
    await write_rows(session, _granting(table), list(last.values()))


@lru_cache
def _ending(table: Table) -> Delete:
    return delete(table).where(table.c.group_id == bindparam("of_group"), table.c.user_id == bindparam("of_user"))


@lru_cache
def _granting(table: Table) -> Insert:
    rows = insert(table)
    return rows.on_conflict_do_update(
        index_elements=[table.c.group_id, table.c.user_id],
        set_={"role": rows.excluded.role, "version": rows.excluded.version},
        where=rows.excluded.version > table.c.version,
    )


def memberships_projection(table: Table) -> Projection:
    """The projection that keeps the table."""
    return Projection(NAME, (topics.AUTH_MEMBERSHIPS,), (table,), apply_memberships)


class Rights:
    """Says no to who may not, by the memberships that this service remembers."""

    def __init__(self, memberships: Table) -> None:
        self._memberships = memberships

    async def require(
        self, session: AsyncSession, person: Person, group_id: str, roles: frozenset[Role] = EVERY_ROLE
    ) -> None:
        """The person has one of these roles in the group, or is an operator of this system.

        Raises Problem: 404 for who is not in the group, whether there is one or not, else 403.
        """
        if not person.operator:
            check(person, await self.role_of(session, group_id, person.user_id), group_id, roles)

    async def role_of(self, session: AsyncSession, group_id: str, user_id: str) -> Role | None:
        """What the user is in the group; None for who is not in it."""
        table = self._memberships
        query = select(table.c.role).where(table.c.group_id == group_id, table.c.user_id == user_id)
        role = await session.scalar(query)
        return None if role is None else Role(role)
