"""`python -m auth rotate-signing-key`: makes the next signing key; the running service publishes it."""

import asyncio
import sys

from pydantic import ValidationError

from auth.app import build, signing_keys
from auth.settings import Settings
from chassis.app import CannotStartError
from chassis.database import DatabaseUnavailableError
from chassis.settings import explain


def run() -> None:
    """Rotates, and says so on standard output. Ends the process with 1 and a sentence when it can't."""
    try:
        asyncio.run(rotate(Settings()))
    except ValidationError as error:
        raise SystemExit(f"auth: the settings are not right:\n{explain(error)}") from None
    except (CannotStartError, DatabaseUnavailableError) as error:
        raise SystemExit(f"auth: {error}") from None


async def rotate(settings: Settings) -> None:
    """Makes the next signing key."""
    service = build(settings)
    try:
        await service.database.wait_until_reachable(within=10)
        async with service.database.begin() as session:
            kid, signs_from = await signing_keys(service, settings).rotate(session)
    finally:
        await service.database.dispose()
    sys.stdout.write(
        f"Key {kid} signs from {signs_from.isoformat(timespec='seconds')}. Tokens of the older keys stay good until "
        "they expire.\n"
    )
