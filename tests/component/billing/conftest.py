"""Billing on a real database, without its broker."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prepared_service import Prepared, bearer

from billing.app import build
from billing.plans import BUILT_IN
from billing.settings import Settings
from contracts import topics
from contracts.auth import GroupDefined


class Billing(Prepared):
    """A prepared billing service."""

    async def hear_of(self, *groups: GroupDefined) -> None:
        await self.hear(topics.AUTH_GROUPS, groups)

    async def set_plan(self, group: str, plan: str, **options: Any) -> httpx2.Response:
        return await self.http.put(f"/api/v1/groups/{group}/plan", json={"plan": plan}, **options)


StartBilling = Callable[..., Awaitable[Billing]]


@pytest.fixture
async def start_billing(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[StartBilling]:
    """Prepares a billing service; with the address of one that was prepared before, as if it had been restarted."""
    async with AsyncExitStack() as stack:

        async def start(url: str | None = None, plans_file: Path = BUILT_IN) -> Billing:
            given: dict[str, Any] = {"database_url": url or await new_database("billing"), "plans_file": plans_file}
            return await Billing.start(build(Settings(**given)), stack)

        yield start


@pytest.fixture
async def billing(start_billing: StartBilling) -> Billing:
    """Billing that has heard of one group."""
    service = await start_billing()
    await service.hear_of(GroupDefined(group_id="harbour", name="Harbour"))
    return service


@pytest.fixture
def person() -> str:
    """What the client of someone sends who is no operator, and in no group."""
    return bearer()
