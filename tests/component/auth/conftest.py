"""Auth on a real database, without its broker: what it would publish is read from its outbox."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from auth.app import build
from auth.passwords import Passwords
from auth.settings import Settings
from chassis.app import Service
from chassis.testing import FakeClock

OPERATOR_PASSWORD = "the operator's own"


@dataclass
class Auth:
    """A prepared service, its clock, and a client that may have signed in."""

    service: Service
    clock: FakeClock
    http: httpx2.AsyncClient

    async def sign_in(self, username: str, password: str) -> httpx2.Response:
        return await self.http.post("/api/v1/login", json={"username": username, "password": password})

    async def as_operator(self) -> None:
        answer = await self.sign_in("operator", OPERATOR_PASSWORD)
        self.http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"


class StartAuth(Protocol):
    async def __call__(self, url: str | None = None, clock: FakeClock | None = None, **settings: Any) -> Auth: ...


@pytest.fixture
async def start_auth(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[StartAuth]:
    """Prepares an auth service; with the address of one that was prepared before, as if it had been restarted."""
    async with AsyncExitStack() as stack:

        async def start(url: str | None = None, clock: FakeClock | None = None, **settings: Any) -> Auth:
            clock = clock or FakeClock()
            url = url or await new_database("auth")
            given = {"database_url": url, "operator_password": OPERATOR_PASSWORD} | settings
            cheap = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
            service = build(Settings(**given), passwords=cheap, clock=clock)
            stack.push_async_callback(service.database.dispose)
            for step in service._on_start:
                await step()
            transport = httpx2.ASGITransport(app=service.http)
            client = httpx2.AsyncClient(transport=transport, base_url="http://auth")
            return Auth(service, clock, await stack.enter_async_context(client))

        yield start


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """Auth with its platform operator, nobody signed in."""
    return await start_auth()


@pytest.fixture
async def operator(auth: Auth) -> Auth:
    """Auth with its platform operator signed in."""
    await auth.as_operator()
    return auth
