"""The command line of a service: run it, migrate its database, or replay one of its projections."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError
from sqlalchemy import MetaData

from chassis import migrations
from chassis.database import DatabaseUnavailableError
from chassis.projection import Projection
from chassis.settings import explain
from chassis.telemetry import configure_logging

if TYPE_CHECKING:
    from chassis.app import Service

log = structlog.stdlib.get_logger(__name__)

START_WITHIN_S = 60.0


class CannotStartError(Exception):
    """Why the service does not start, in words for people."""


def main(
    import_name: str, build: Callable[[], "Service"], *, projections: Mapping[str, Projection] | None = None
) -> None:
    """The command line of a service: `python -m <import_name> [migrate | check-migrations | replay NAME]`.

    Without a word it runs the service. Ends the process with 0, or with 1 and a sentence on standard error.
    """
    arguments = sys.argv[1:]
    try:
        service = build()
        configure_logging(
            service.name,
            level=service.settings.log_level,
            style=service.settings.log_format,
            instance=service.instance_id,
        )
        match arguments:
            case []:
                service.run()
            case ["migrate"]:
                _migrate(service)
            case ["check-migrations"]:
                _migrate(service, check=True)
            case ["replay", *rest] if projections:
                from chassis import replay_command

                raise SystemExit(replay_command.run(service.name, service.settings, projections, rest))
            case _:
                words = "migrate, check-migrations" + (", replay NAME" if projections else "")
                raise CannotStartError(f"unknown argument {arguments[0]!r}; there are: {words}; or none, to run")
    except ValidationError as error:
        raise SystemExit(f"{import_name}: the settings are not right:\n{explain(error)}") from None
    except (CannotStartError, DatabaseUnavailableError, migrations.MigrationsDifferError, PermissionError) as error:
        raise SystemExit(f"{import_name}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _migrate(service: "Service", *, check: bool = False) -> None:
    if service.metadata is None:
        raise CannotStartError(f"{service.name} has no tables, so there is nothing to migrate")
    asyncio.run(_migrate_async(service, service.metadata, migrations.directory_of(service.import_name), check=check))


async def _migrate_async(service: "Service", metadata: MetaData, directory: Path, *, check: bool) -> None:
    try:
        await service.database.wait_until_reachable(within=START_WITHIN_S)
        act = migrations.check if check else migrations.run
        await act(service.import_name, metadata, directory, service.database.dsn)
        log.info("migrated" if not check else "models and migrations agree", revision=migrations.head(directory))
    finally:
        await service.database.dispose()
