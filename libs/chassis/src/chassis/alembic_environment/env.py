"""Alembic's entry point: runs the migrations of whichever service `chassis.migrations` has put into the config."""

from alembic import context
from sqlalchemy import Connection

config = context.config
connection: Connection = config.attributes["connection"]
schema: str = config.attributes["schema"]


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leaves other services' schemas alone."""
    return name == schema if kind == "schema" else True


context.configure(
    connection=connection,
    target_metadata=config.attributes["metadata"],
    version_table_schema=schema,
    include_schemas=True,
    include_name=include_name,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
