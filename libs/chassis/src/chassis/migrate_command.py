"""`python -m chassis.migrate_command auth fleet`: migrates the schemas of several services in one process.

The service itself is not loaded, which takes longer than its migrations: these say all that an upgrade needs. Each is
migrated with its own role, whose address is in `<NAME>_DATABASE_URL`.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from sqlalchemy import MetaData

from chassis import migrations


async def run(services: Sequence[str]) -> None:
    """Brings these services' schemas to their newest revisions, one after the other."""
    for name in services:
        url = os.environ[f"{name.upper()}_DATABASE_URL"]
        try:
            await migrations.run(name, MetaData(schema=name), migrations.directory_of(name), url)
        except Exception as error:
            why = str(error).partition("\n")[0]
            raise RuntimeError(f"the schema {name} could not be migrated: {why}") from error


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(run(sys.argv[1:]))
