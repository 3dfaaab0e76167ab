"""Several schemas are migrated in one process, each as the role that owns it; a failure names the schema."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from chassis import migrations
from contracts.topics import Service
from ops.embedded.testing import Infrastructure

SERVICES = ("auth", "fleet")


async def migrate(*arguments: str, by: str = "chassis.migrate_command", **addresses: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", by, *arguments),
        env=os.environ | addresses,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_each_schema_comes_to_its_newest_revision_as_its_own_role(
    database_server: Infrastructure, new_database: Callable[..., Awaitable[str]]
) -> None:
    url = await new_database()
    roles = await database_server.provision_roles(url)
    ended, said = await migrate(*SERVICES, **{f"{name.upper()}_DATABASE_URL": roles[name] for name in SERVICES})
    assert ended == 0, said
    connection = await asyncpg.connect(url)
    try:
        for name in SERVICES:
            revision = await connection.fetchval(f'select version_num from "{name}".alembic_version')  # noqa: S608
            assert revision == migrations.head(migrations.directory_of(name))
        owners = await connection.fetch(
            "select distinct schemaname, tableowner from pg_tables where schemaname = any($1)", list(SERVICES)
        )
        assert sorted(map(tuple, owners)) == [(name, name) for name in SERVICES]
    finally:
        await connection.close()


async def test_a_schema_that_cannot_be_migrated_is_named(
    database_server: Infrastructure, new_database: Callable[..., Awaitable[str]]
) -> None:
    roles = await database_server.provision_roles(await new_database())
    ended, said = await migrate("fleet", FLEET_DATABASE_URL=roles["auth"])
    assert ended == 1
    assert said.splitlines()[-1].startswith("RuntimeError: the schema fleet could not be migrated: ")


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_migrates_its_own_schema_as_operators_have_it_do(
    service: Service, database_server: Infrastructure, new_database: Callable[..., Awaitable[str]]
) -> None:
    name = service.value.replace("-", "_")
    roles = await database_server.provision_roles(await new_database())
    ended, said = await migrate("migrate", by=name, DATABASE_URL=roles[name])
    assert ended == 0, said
    connection = await asyncpg.connect(roles[name])
    try:
        revision = await connection.fetchval(f'select version_num from "{name}".alembic_version')  # noqa: S608
        assert revision == migrations.head(migrations.directory_of(name))
    finally:
        await connection.close()
