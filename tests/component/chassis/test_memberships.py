"""The memberships that a service remembers: the same whatever the batches were, and what they allow."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import MetaData, select
from sqlalchemy.schema import CreateTable

from chassis.database import Database
from chassis.http import Problem
from chassis.memberships import Rights, memberships_projection, memberships_table
from chassis.rights import MANAGING_ROLES
from chassis.testing import FakeClock
from chassis.tokens import Person
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.envelope import Envelope, Message
from contracts.words import Role

NOW = FakeClock().now()
TABLE = memberships_table(MetaData())
PROJECTION = memberships_projection(TABLE)


def granted(user_id: str, role: Role, version: int) -> Envelope[Message]:
    said = MembershipGranted(group_id="harbour", user_id=user_id, name="Someone", role=role, version=version)
    return Envelope(uuid4(), "/services/auth", NOW, said)


def ended(user_id: str) -> Envelope[Message]:
    return Envelope(uuid4(), "/services/auth", NOW, MembershipEnded(group_id="harbour", user_id=user_id))


@pytest.fixture
async def database(new_database: Callable[..., Awaitable[str]]) -> Any:
    """A database that has the table."""
    made = Database(await new_database(), "public")
    async with made.begin() as session:
        await session.execute(CreateTable(TABLE))
    yield made
    await made.dispose()


async def rows_after(database: Database, *batches: Sequence[Envelope[Message]]) -> list[tuple[str, str, int]]:
    async with database.session() as session:
        for batch in batches:
            await PROJECTION.apply(session, batch, PROJECTION.live)
        found = await session.execute(select(TABLE.c.user_id, TABLE.c.role, TABLE.c.version).order_by(TABLE.c.user_id))
        return [(row.user_id, row.role, row.version) for row in found]


SAID = [
    granted("ada", Role.USER, 1),
    granted("bob", Role.USER, 1),
    granted("ada", Role.ADMINISTRATOR, 2),
    ended("bob"),
    granted("bob", Role.OPERATOR, 3),
    granted("cyd", Role.USER, 1),
    ended("cyd"),
]


async def test_the_rows_are_the_same_however_the_messages_are_cut_into_batches(database: Database) -> None:
    expected = [("ada", "administrator", 2), ("bob", "operator", 3)]

    for size in range(1, len(SAID) + 1):
        batches = [SAID[at : at + size] for at in range(0, len(SAID), size)]
        assert await rows_after(database, *batches) == expected, size


async def test_what_was_said_earlier_never_replaces_what_was_said_later(database: Database) -> None:
    old, new = granted("ada", Role.SUPER_ADMINISTRATOR, 1), granted("ada", Role.USER, 2)

    for batches in itertools.permutations(([new], [old], [new, old])):
        assert await rows_after(database, *batches) == [("ada", "user", 2)]


def someone(*, operator: bool = False) -> Person:
    return Person("ada", "Ada", operator, NOW + timedelta(hours=1))


async def test_a_person_may_what_the_role_allows_and_an_operator_may_everything(database: Database) -> None:
    rights = Rights(TABLE)
    async with database.begin() as session:
        await PROJECTION.apply(session, [granted("ada", Role.ADMINISTRATOR, 1)], PROJECTION.live)

    async with database.begin() as session:
        await rights.require(session, someone(), "harbour")
        await rights.require(session, someone(operator=True), "nowhere", MANAGING_ROLES)
        with pytest.raises(Problem) as forbidden:
            await rights.require(session, someone(), "harbour", MANAGING_ROLES)
        with pytest.raises(Problem) as unknown:
            await rights.require(session, someone(), "airport")

    assert forbidden.value.status == 403
    assert unknown.value.status == 404
