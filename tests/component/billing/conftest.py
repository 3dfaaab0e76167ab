"""Billing on a real database, without its broker: what it reads is given to it, what it would publish is read back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from joserfc.jwk import ECKey

from auth.signing_keys import SigningKey
from auth.tokens import issue
from billing.app import build
from billing.plans import BUILT_IN
from billing.settings import Settings
from billing.tables import metadata
from chassis import migrations
from chassis.app import Service
from chassis.clock import SystemClock
from contracts import topics
from contracts.auth import GroupDefined
from contracts.envelope import Envelope

SIGNING_KEY = SigningKey("for-tests", ECKey.generate_key("P-256"))


def bearer(*, operator: bool) -> str:
    """What a person's client sends."""
    now, lifetime = SystemClock().now(), timedelta(hours=1)
    token = issue(SIGNING_KEY, user_id="someone", name="Someone", operator=operator, now=now, lifetime=lifetime)
    return f"Bearer {token.text}"


@dataclass
class Billing:
    """A prepared service, and an operator's client."""

    service: Service
    http: httpx2.AsyncClient

    async def hear_of(self, *groups: GroupDefined) -> None:
        """The groups arrive from their topic, in one batch."""
        now = self.service.clock.now()
        said = [
            Envelope(uuid4(), "/services/auth", now + timedelta(seconds=at), group) for at, group in enumerate(groups)
        ]
        (subscription,) = self.service.consumers._subscriptions
        handle = subscription.processor._handle_batch
        assert subscription.processor.topic is topics.AUTH_GROUPS
        assert handle is not None
        async with self.service.database.begin() as session:
            await handle(session, said)

    async def set_plan(self, group: str, plan: str) -> httpx2.Response:
        return await self.http.put(f"/api/v1/groups/{group}/plan", json={"plan": plan})


StartBilling = Callable[..., Awaitable[Billing]]


@pytest.fixture
async def start_billing(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[StartBilling]:
    """Prepares a billing service; with the address of one that was prepared before, as if it had been restarted."""
    async with AsyncExitStack() as stack:

        async def start(url: str | None = None, plans_file: Path = BUILT_IN) -> Billing:
            given: dict[str, Any] = {"database_url": url or await new_database(), "plans_file": plans_file}
            service = build(Settings(**given))
            stack.push_async_callback(service.database.dispose)
            await migrations.run("billing", metadata, migrations.directory_of("billing"), service.database.dsn)
            for step in service._on_start:
                await step()
            public = {name: str(value) for name, value in SIGNING_KEY.key.as_dict(private=False).items()}
            service.keyring.add(SIGNING_KEY.kid, "ES256", public)
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=service.http),
                base_url="http://billing",
                headers={"authorization": bearer(operator=True)},
            )
            return Billing(service, await stack.enter_async_context(client))

        yield start


@pytest.fixture
async def billing(start_billing: StartBilling) -> Billing:
    """Billing that has heard of one group."""
    service = await start_billing()
    await service.hear_of(GroupDefined(group_id="harbour", name="Harbour"))
    return service


@pytest.fixture
def person() -> str:
    """What the client of someone sends who is no operator."""
    return bearer(operator=False)
