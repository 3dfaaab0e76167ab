"""A service on a real database, without its broker: what it reads is given to it, what it would publish is read back."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

import httpx2
from joserfc.jwk import ECKey

from auth.signing_keys import SigningKey
from auth.tokens import issue
from chassis.app import Service
from chassis.clock import SystemClock
from chassis.testing.outbox import outbox_messages
from contracts.envelope import Envelope, Message
from contracts.topics import Topic

SIGNING_KEY = SigningKey("for-tests", ECKey.generate_key("P-256"))


def bearer(user_id: str = "someone", *, operator: bool = False) -> str:
    """What a person's client sends."""
    now, lifetime = SystemClock().now(), timedelta(hours=1)
    token = issue(SIGNING_KEY, user_id=user_id, name=user_id.title(), operator=operator, now=now, lifetime=lifetime)
    return f"Bearer {token.text}"


@dataclass
class Prepared:
    """A prepared service, and an operator's client."""

    service: Service
    http: httpx2.AsyncClient

    @classmethod
    async def start(cls, service: Service, stack: AsyncExitStack) -> Self:
        """Does what the service does before it serves, on a migrated database; `stack` undoes it."""
        stack.push_async_callback(service.database.dispose)
        for step in service._on_start:
            await step()
        public = {part: str(value) for part, value in SIGNING_KEY.key.as_dict(private=False).items()}
        service.keyring.add(SIGNING_KEY.kid, "ES256", public)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=service.http),
            base_url=f"http://{service.name}",
            headers={"authorization": bearer("operator", operator=True)},
        )
        return cls(service, await stack.enter_async_context(client))

    async def hear(self, topic: Topic, messages: Sequence[Message]) -> None:
        """The messages arrive from their topic, a second apart, in one batch."""
        now = self.service.clock.now()
        said = [
            Envelope(uuid4(), f"/services/{topic.writer}", now + timedelta(seconds=at), message)
            for at, message in enumerate(messages)
        ]
        (subscription,) = (one for one in self.service.consumers._subscriptions if one.processor.topic is topic)
        processor = subscription.processor
        if processor._handle_by_driver is not None:
            async with self.service.database.transaction() as transaction:
                await processor._handle_by_driver(transaction, said)
            return
        async with self.service.database.begin() as session:
            if processor._handle_batch is not None:
                await processor._handle_batch(session, said)
                return
            assert processor._handle is not None
            for each in said:
                await processor._handle(session, each)

    async def said(self, topic: Topic) -> list[Any]:
        """What would be published on the topic."""
        return [each.data for each in await outbox_messages(self.service.database, topic)]
