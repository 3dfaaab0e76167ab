"""`python -m <service> replay NAME`: runs a replay in the service's own name and tells how it goes in JSON lines."""

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence

from chassis.database import Database
from chassis.kafka import KafkaConnection
from chassis.projection import Projection
from chassis.replay import replay
from chassis.settings import ServiceSettings

_SECONDS_BETWEEN_LINES = 0.2


def run(service: str, settings: ServiceSettings, projections: Mapping[str, Projection], argv: Sequence[str]) -> int:
    """Replays the projection named in `argv`; exit code 0 when it was done, 1 when a switch was refused.

    Standard output has one JSON object a line: {"done", "total"} while it reads, then {"result"}.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {service.replace('-', '_')} replay")
    parser.add_argument("name", choices=sorted(projections))
    parser.add_argument("--dry-run", action="store_true", help="compare only; change nothing")
    parser.add_argument("--accept-loss", action="store_true", help="remove rows whose cause Kafka no longer has")
    chosen = parser.parse_args(argv)
    return asyncio.run(
        _replay(service, settings, projections[chosen.name], dry_run=chosen.dry_run, accept_loss=chosen.accept_loss)
    )


async def _replay(
    service: str, settings: ServiceSettings, projection: Projection, *, dry_run: bool, accept_loss: bool
) -> int:
    if settings.database_url is None:
        raise SystemExit("DATABASE_URL is not set: it names the database whose tables are to be replayed")
    url = str(settings.database_url.get_secret_value())
    database = Database(url, service.replace("-", "_"), application_name=f"{service} replay", pool_size=2)
    said_at = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal said_at
        if done == total or time.monotonic() - said_at >= _SECONDS_BETWEEN_LINES:
            said_at = time.monotonic()
            _tell({"done": done, "total": total})

    try:
        found = await replay(
            projection,
            service=service,
            database=database,
            kafka=KafkaConnection.from_settings(settings, f"{service}.replay"),
            dry_run=dry_run,
            accept_loss=accept_loss,
            progress=progress,
        )
    finally:
        await database.dispose()
    _tell({"result": dataclasses.asdict(found)})
    return 1 if found.refused else 0


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()
