"""Roles and schemas: every service owns one schema and can see no other."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from ops.embedded.problems import Problem

_MARK = "made by comeback"
_CONNECT_S = 10
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def with_user(url: str, user: str, password: str) -> str:
    """The same database, as another user."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"))


def without_password(url: str) -> str:
    """An address that can be shown."""
    parts = urlsplit(url)
    account, _, place = parts.netloc.rpartition("@")
    user = account.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{place}" if user else place))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for the length of the block; a `Problem` when there is none to be had."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        raise Problem(f"The database {without_password(url)} cannot be reached: {reason}") from error
    try:
        yield connection
    finally:
        await connection.close()


async def create_database(admin_url: str, name: str, like: str | None = None) -> bool:
    """Create a database, unless it is there; whether it was created. `like`: one to copy, that nobody is using."""
    async with connected(admin_url) as connection:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        # Copied file by file, and not page by page through the log.
        copied = f" TEMPLATE {_quoted(like)} STRATEGY FILE_COPY" if like else ""
        await connection.execute(f"CREATE DATABASE {_quoted(name)}{copied}")
        return True


async def drop_database(admin_url: str, name: str) -> None:
    """Drop a database, sending away whoever is connected to it."""
    async with connected(admin_url) as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


async def may_create_roles(url: str) -> bool:
    """Whether this user can make the roles that keep services apart."""
    async with connected(url) as connection:
        return bool(
            await connection.fetchval(
                "SELECT rolsuper OR (rolcreaterole AND pg_has_role(current_user, datdba, 'USAGE'))"
                " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
            )
        )


async def provision_roles(url: str, passwords: Mapping[str, str], operator: str, *, alone: bool) -> None:
    """In the database at `url`: a role with a schema of the same name for each name in `passwords`.

    A role can use its own schema and no other. `operator`, one of the names, has no schema of its own: it is a member
    of every other role and may create schemas, so that it can read all and build a projection beside the live one.

    Args:
        url: the database, as a user who may create roles.
        passwords: of each role to be.
        operator: which of them is the operator's.
        alone: whether the database is for these roles only, so that everyone else may be shut out of it.

    Raises:
        Problem: a role of such a name is there that this command did not make, or the database refused.
    """
    services = [name for name in passwords if name != operator]
    async with connected(url) as connection:
        try:
            async with connection.transaction():
                database = _quoted(await connection.fetchval("SELECT current_database()"))
                for name, password in passwords.items():
                    await _role(connection, name, password)
                if alone:
                    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
                    await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
                everyone = ", ".join(_quoted(name) for name in passwords)
                await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {everyone}")
                await connection.execute(f"GRANT CREATE ON DATABASE {database} TO {_quoted(operator)}")
                for name in services:
                    await _schema(connection, name, owner=name)
                    await connection.execute(f"ALTER ROLE {_quoted(name)} SET search_path = {_quoted(name)}")
                    await connection.execute(f"GRANT {_quoted(name)} TO {_quoted(operator)}")
        except asyncpg.PostgresError as error:
            raise Problem(f"The database {without_password(url)} refused to make roles and schemas: {error}") from error


async def provision_schemas(url: str, names: list[str]) -> None:
    """In the database at `url`: a schema for each name, owned by the user of the address. Nothing is kept apart."""
    async with connected(url) as connection:
        try:
            for name in names:
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(name)}")
        except asyncpg.PostgresError as error:
            raise Problem(f"The database {without_password(url)} refused to make a schema: {error}") from error


async def schema_remarks(url: str, names: list[str]) -> dict[str, str]:
    """What was remarked on each schema with `remark_schema`."""
    async with connected(url) as connection:
        rows = await connection.fetch(
            "SELECT nspname, obj_description(oid, 'pg_namespace') AS remark FROM pg_namespace WHERE nspname = ANY($1)",
            names,
        )
        return {row["nspname"]: row["remark"] for row in rows if row["remark"]}


async def remark_schema(url: str, name: str, remark: str) -> None:
    """Keep a remark with a schema; it goes when the schema does."""
    async with connected(url) as connection:
        await connection.execute(f"COMMENT ON SCHEMA {_quoted(name)} IS {_literal(remark)}")


async def _role(connection: asyncpg.Connection, name: str, password: str) -> None:
    row = await connection.fetchrow(
        "SELECT shobj_description(oid, 'pg_authid') AS remark FROM pg_roles WHERE rolname = $1", name
    )
    if row is not None and row["remark"] != _MARK:
        raise Problem(
            f"The database server already has a role {name} that Comeback did not make",
            todo="Use another server, or a DATABASE_URL whose user may not create roles: then all services share it",
        )
    verb = "CREATE" if row is None else "ALTER"
    await connection.execute(f"{verb} ROLE {_quoted(name)} LOGIN PASSWORD {_literal(password)}")
    if row is None:
        await connection.execute(f"COMMENT ON ROLE {_quoted(name)} IS {_literal(_MARK)}")
        # One who is no super-user must belong to a role before giving it a schema.
        await connection.execute(f"GRANT {_quoted(name)} TO CURRENT_USER")


async def _schema(connection: asyncpg.Connection, name: str, owner: str) -> None:
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(name)} AUTHORIZATION {_quoted(owner)}")


def _quoted(name: str) -> str:
    if not _NAME.fullmatch(name):
        message = f"{name!r} is no plain name for a role, schema or database"
        raise ValueError(message)
    return f'"{name}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
