"""Fleet on a real database, without its broker: what it reads is given to it, what it would publish is read back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
from chassis import migrations
from chassis.app import Service
from chassis.clock import SystemClock
from chassis.testing.outbox import outbox_messages
from contracts import topics
from contracts.auth import GroupDefined
from contracts.envelope import Envelope, Message
from contracts.topics import Topic
from fleet.app import build
from fleet.models import BUILT_IN
from fleet.settings import Settings
from fleet.tables import metadata

SIGNING_KEY = SigningKey("for-tests", ECKey.generate_key("P-256"))


def bearer(*, operator: bool) -> str:
    """What a person's client sends."""
    now, lifetime = SystemClock().now(), timedelta(hours=1)
    token = issue(SIGNING_KEY, user_id="someone", name="Someone", operator=operator, now=now, lifetime=lifetime)
    return f"Bearer {token.text}"


@dataclass
class Fleet:
    """A prepared service, and an operator's client."""

    service: Service
    http: httpx2.AsyncClient

    async def hear(self, topic: Topic, messages: Sequence[Message]) -> None:
        """The messages arrive from their topic, in one batch."""
        now = self.service.clock.now()
        said = [Envelope(uuid4(), "/services/other", now, message) for message in messages]
        (subscription,) = (one for one in self.service.consumers._subscriptions if one.processor.topic is topic)
        handle = subscription.processor._handle_batch
        assert handle is not None
        async with self.service.database.begin() as session:
            await handle(session, said)

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

    async def said(self, topic: Topic) -> list[Any]:
        return [each.data for each in await outbox_messages(self.service.database, topic)]


StartFleet = Callable[..., Awaitable[Fleet]]


@pytest.fixture
async def start_fleet(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[StartFleet]:
    """Prepares a fleet service; with the address of one that was prepared before, as if it had been restarted."""
    async with AsyncExitStack() as stack:

        async def start(url: str | None = None, models_file: Path = BUILT_IN) -> Fleet:
            given: dict[str, Any] = {"database_url": url or await new_database(), "models_file": models_file}
            service = build(Settings(**given))
            stack.push_async_callback(service.database.dispose)
            await migrations.run("fleet", metadata, migrations.directory_of("fleet"), service.database.dsn)
            for step in service._on_start:
                await step()
            public = {name: str(value) for name, value in SIGNING_KEY.key.as_dict(private=False).items()}
            service.keyring.add(SIGNING_KEY.kid, "ES256", public)
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=service.http),
                base_url="http://fleet",
                headers={"authorization": bearer(operator=True)},
            )
            return Fleet(service, await stack.enter_async_context(client))

        yield start


@pytest.fixture
async def fleet(start_fleet: StartFleet) -> Fleet:
    """Fleet that has heard of one group."""
    service = await start_fleet()
    await service.hear(topics.AUTH_GROUPS, [GroupDefined(group_id="harbour", name="Harbour")])
    return service


@pytest.fixture
def person() -> str:
    """What the client of someone sends who is no operator."""
    return bearer(operator=False)
