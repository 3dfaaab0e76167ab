"""Fleet on a real database, without its broker."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prepared_service import Prepared, bearer

from contracts import topics
from contracts.auth import GroupDefined
from fleet.app import build
from fleet.models import BUILT_IN
from fleet.settings import Settings


class Fleet(Prepared):
    """A prepared fleet service."""

    async def register(self, charger_id: str, **changes: Any) -> httpx2.Response:
        """PUT of a charger that is fine unless `changes` make it otherwise; None leaves a field out."""
        body = {
            "group_id": "harbour",
            "model": "Terra AC",
            "label": "Quay 1",
            "security_profile": 1,
            "password": "a-password-of-a-charger",
        } | changes
        given = {name: value for name, value in body.items() if value is not None}
        return await self.http.put(f"/api/v1/chargers/{charger_id}", json=given)


StartFleet = Callable[..., Awaitable[Fleet]]


@pytest.fixture
async def start_fleet(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[StartFleet]:
    """Prepares a fleet service; with the address of one that was prepared before, as if it had been restarted."""
    async with AsyncExitStack() as stack:

        async def start(url: str | None = None, models_file: Path = BUILT_IN) -> Fleet:
            given: dict[str, Any] = {"database_url": url or await new_database("fleet"), "models_file": models_file}
            return await Fleet.start(build(Settings(**given)), stack)

        yield start


@pytest.fixture
async def fleet(start_fleet: StartFleet) -> Fleet:
    """Fleet that has heard of one group."""
    service = await start_fleet()
    await service.hear(topics.AUTH_GROUPS, [GroupDefined(group_id="harbour", name="Harbour")])
    return service


@pytest.fixture
def person() -> str:
    """What the client of someone sends who is no operator, and in no group."""
    return bearer()
