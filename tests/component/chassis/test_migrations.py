"""Each service's migrations make what its models describe."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, Table, Text, text

from chassis import migrations
from chassis.database import Database, service_metadata
from chassis.tables import chassis_tables

FIRST = '''"""The first tables."""

import sqlalchemy as sa
from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis_tables(op, "{schema}")
    op.create_table("things", sa.Column("name", sa.Text, primary_key=True), schema="{schema}")
'''
SECOND = '''"""Things have a colour."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("things", sa.Column("colour", sa.Text), schema="{schema}")
'''


def models(schema="svc", *, colour=False):
    metadata = service_metadata(schema)
    chassis_tables(metadata)
    things = Table("things", metadata, Column("name", Text, primary_key=True))
    if colour:
        things.append_column(Column("colour", Text))
    return metadata


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.py").write_text(FIRST.format(schema="svc"))
    (tmp_path / "__init__.py").touch()
    return tmp_path


async def revision(url: str, schema: str = "svc") -> str | None:
    database = Database(url, schema)
    async with database.engine.connect() as connection:
        at = await migrations.current(connection, schema)
    await database.dispose()
    return at


async def test_migrating_makes_the_tables_that_the_models_describe(new_database, directory):
    url = await new_database()
    assert await revision(url) is None
    await migrations.run("svc", models(), directory, url)
    assert await revision(url) == migrations.head(directory) == "0001"
    await migrations.check("svc", models(), directory, url)


async def test_migrating_again_does_nothing_and_a_new_revision_is_applied(new_database, directory):
    url = await new_database()
    await migrations.run("svc", models(), directory, url)
    await migrations.run("svc", models(), directory, url)
    (directory / "0002_colour.py").write_text(SECOND.format(schema="svc"))
    await migrations.run("svc", models(colour=True), directory, url)
    assert await revision(url) == migrations.head(directory) == "0002"
    await migrations.check("svc", models(colour=True), directory, url)


async def test_models_that_ran_ahead_of_the_migrations_are_found(new_database, directory):
    url = await new_database()
    await migrations.run("svc", models(), directory, url)
    with pytest.raises(migrations.MigrationsDifferError, match="colour"):
        await migrations.check("svc", models(colour=True), directory, url)


async def test_two_that_migrate_at_the_same_time_take_turns(new_database, directory):
    url = await new_database()
    await asyncio.gather(*(migrations.run("svc", models(), directory, url) for _ in range(3)))
    assert await revision(url) == "0001"


async def test_services_share_a_database_and_do_not_see_each_others_tables(new_database, tmp_path):
    url = await new_database()
    for schema in ("one", "two"):
        folder = tmp_path / schema
        folder.mkdir()
        (folder / "0001_first.py").write_text(FIRST.format(schema=schema))
        await migrations.run(schema, models(schema), folder, url)
    for schema in ("one", "two"):
        await migrations.check(schema, models(schema), tmp_path / schema, url)


async def test_a_service_migrates_as_the_owner_of_its_schema_without_rights_on_the_database(new_database, directory):
    url = await new_database()
    admin = Database(url, "svc")
    async with admin.begin() as session:
        for statement in (
            "drop role if exists svc_role",
            "create role svc_role login password 'x'",
            "create schema svc authorization svc_role",
        ):
            await session.execute(text(statement))
    own = url.replace(url.split("//")[1].split("@")[0], "svc_role:x")
    await migrations.run("svc", models(), directory, own)
    await migrations.check("svc", models(), directory, own)
    with pytest.raises(PermissionError, match="provisioned"):
        await migrations.run("other", models("other"), directory, own)
    async with admin.begin() as session:
        await session.execute(text("drop owned by svc_role cascade"))
        await session.execute(text("drop role svc_role"))
    await admin.dispose()


def test_a_directory_without_migrations_has_no_head(tmp_path):
    assert migrations.head(tmp_path) is None
