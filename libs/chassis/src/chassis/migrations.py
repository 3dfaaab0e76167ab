"""Database migrations: each service has its own directory, its own schema and its own version table."""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable, SetTableComment

from chassis.database import service_metadata
from chassis.tables import chassis_tables

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION_FILE = re.compile(r"^(\d{4})_\w+\.py$")


class MigrationsDifferError(Exception):
    """The models and the migrations do not describe the same tables. The message says what differs."""


def create_chassis_tables(op: Any, schema: str) -> None:
    """Creates the chassis' tables of a service: one line in its first migration. `op` is `alembic.op`."""
    for table in chassis_tables(service_metadata(schema)).all():
        op.execute(CreateTable(table))
        op.execute(SetTableComment(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            op.execute(CreateIndex(index))


def directory_of(import_name: str) -> Path:
    """Where the migrations of a service are: its package's `migrations`."""
    return Path(str(files(import_name).joinpath("migrations")))


def head(directory: Path) -> str | None:
    """The newest revision, told by the numbers in the file names; None when there is no migration."""
    numbers = [match[1] for path in _versions(directory).glob("*.py") if (match := _REVISION_FILE.match(path.name))]
    return max(numbers, default=None)


async def current(connection: AsyncConnection, schema: str) -> str | None:
    """The revision that the database is at; None before the first migration."""
    table = (
        await connection.execute(text("select to_regclass(:name)"), {"name": f"{schema}.alembic_version"})
    ).scalar()
    if table is None:
        return None
    revision = await connection.execute(text(f'select version_num from "{schema}".alembic_version'))  # noqa: S608 our own name
    value = revision.scalar_one_or_none()
    return None if value is None else str(value)


async def run(schema: str, metadata: MetaData, directory: Path | str, url: str) -> None:
    """Brings the schema to the newest revision. Two runs at the same time take turns.

    The schema is made when it is missing and the role may do so.
    """
    from alembic import command

    await _with_config(schema, metadata, Path(directory), url, lambda config: command.upgrade(config, "head"))


async def check(schema: str, metadata: MetaData, directory: Path | str, url: str) -> None:
    """Raises MigrationsDifferError when migrating again would not give the tables that the models describe."""
    from alembic import command
    from alembic.util import CommandError

    try:
        await _with_config(schema, metadata, Path(directory), url, command.check)
    except CommandError as error:
        raise MigrationsDifferError(f"{schema}: the models and the migrations differ: {error}") from error


def _versions(directory: Path) -> Path:
    inner = directory / "versions"
    return inner if inner.is_dir() else directory


async def _with_config(
    schema: str, metadata: MetaData, directory: Path, url: str, act: Callable[["Config"], Any]
) -> None:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("chassis").joinpath("alembic_environment")).replace("%", "%%"))
    config.set_main_option("version_locations", str(_versions(directory)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["schema"] = schema
    config.attributes["metadata"] = metadata

    def apply(connection: Connection) -> None:
        config.attributes["connection"] = connection
        act(config)

    # With the service's schema in the search path, Alembic would take its tables for those of a nameless schema.
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        connect_args={"server_settings": {"search_path": "pg_catalog", "application_name": f"{schema} migrations"}},
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(
                text("select pg_advisory_xact_lock(hashtextextended('chassis.migrations:' || :schema, 0))"),
                {"schema": schema},
            )
            await _create_schema(connection, schema)
            await connection.run_sync(apply)
    finally:
        await engine.dispose()


async def _create_schema(connection: AsyncConnection, schema: str) -> None:
    known = await connection.execute(text("select 1 from pg_namespace where nspname = :schema"), {"schema": schema})
    if known.scalar() is not None:
        return
    try:
        await connection.execute(text(f'create schema "{schema}"'))
    except DBAPIError as error:
        raise PermissionError(
            f"the schema {schema} does not exist and this role may not create it: have it provisioned first"
        ) from error
