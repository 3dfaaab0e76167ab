"""The API against its own OpenAPI document: schemathesis asks what the document allows, and what it doesn't.

The portal stands on a real socket and a real database, and behind it auth, billing and fleet on theirs, reached as HTTP.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from api_probe import BOTH, Probe
from prepared_service import Prepared
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

import auth.app
import auth.settings
import billing.app
import billing.settings
import fleet.app
import fleet.settings
from auth.passwords import Passwords
from chassis.testing.outbox import outbox_messages
from contracts import topics
from portal.settings import PortalSettings

EXAMPLES = 12
"""For each call, each person, and each of allowed and forbidden input."""
NEEDS_A_CHARGER = frozenset({"post_ocpp_call", "make_new_password"})
"""They answer 503 where nothing carries calls to chargers, as here."""
PASSWORD = "the password of everyone here"


class Behind(httpx2.AsyncBaseTransport):
    """Hands each request to the service whose name is its host."""

    def __init__(self, services: dict[str, Prepared]) -> None:
        self._transports = {name: httpx2.ASGITransport(app=each.service.http) for name, each in services.items()}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._transports[request.url.host].handle_async_request(request)


@dataclass
class Edge:
    """The portal with the services behind it, and an access token of each person."""

    url: str
    tokens: dict[str, str]
    document: dict[str, Any]


async def services(new_database: Callable[..., Awaitable[str]], stack: AsyncExitStack) -> dict[str, Prepared]:
    cheap = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
    told: dict[str, Any] = {"operator_password": PASSWORD, "login_tries_per_minute": 100_000}
    built = {
        "auth": auth.app.build(
            auth.settings.Settings(database_url=await new_database("auth"), **told), passwords=cheap
        ),
        "billing": billing.app.build(billing.settings.Settings(database_url=await new_database("billing"))),
        "fleet": fleet.app.build(fleet.settings.Settings(database_url=await new_database("fleet"))),
    }
    return {name: await Prepared.start(service, stack) for name, service in built.items()}


async def populate(world: Any, behind: dict[str, Prepared]) -> dict[str, str]:
    """A group with a charger, its super-administrator, and the platform's operator; everyone hears of it."""
    tokens: dict[str, str] = {}
    http = behind["auth"].http

    async def sign_in(username: str) -> None:
        answer = await http.post("/api/v1/login", json={"username": username, "password": PASSWORD})
        tokens[username] = answer.json()["access_token"]

    await sign_in("operator")
    http.headers["authorization"] = f"Bearer {tokens['operator']}"
    await http.put("/api/v1/groups/harbour", json={"name": "Harbour"})
    for name in ("sue", "sam"):
        await http.post("/api/v1/users", json={"user_id": name, "name": name, "password": PASSWORD})
        await http.put(f"/api/v1/groups/harbour/members/{name}", json={"role": "super_administrator"})
    await sign_in("sue")
    database = behind["auth"].service.database
    for key in await outbox_messages(database, topics.AUTH_SIGNING_KEYS):
        for ring in (world.keyring, behind["billing"].service.keyring, behind["fleet"].service.keyring):
            ring.apply(key)
    for topic in (topics.AUTH_GROUPS, topics.AUTH_MEMBERSHIPS):
        said = [each.data for each in await outbox_messages(database, topic)]
        await world.say(*said)
        await behind["billing"].hear(topic, said)
        await behind["fleet"].hear(topic, said)
    await world.say(
        world.make.plan("harbour"), world.make.charger("CP-0042", "harbour"), world.make.connected("CP-0042")
    )
    return tokens


@pytest.fixture
async def edge(new_database: Callable[..., Awaitable[str]], portal_running: Any) -> AsyncIterator[Edge]:
    async with AsyncExitStack() as stack:
        behind = await services(new_database, stack)
        told = PortalSettings(
            auth_url="http://auth",
            billing_url="http://billing",
            fleet_url="http://fleet",
            requests_per_minute=1_000_000,
            restarts_per_minute=1_000_000,
            group_restarts_per_minute=1_000_000,
        )
        portal = portal_running(await new_database("portal"), told, transport=Behind(behind))
        world = await stack.enter_async_context(portal)
        tokens = await populate(world, behind)
        document = (await world.http.get("/api/v1/openapi.json")).json()
        yield Edge(world.url, tokens, document)


@pytest.mark.parametrize("who", ["operator", "sue"])
@pytest.mark.parametrize("mode", BOTH)
async def test_every_answer_is_as_the_document_says_and_none_is_an_error_of_ours(
    edge: Edge, who: str, mode: GenerationMode
) -> None:
    probe = Probe(edge.url, edge.tokens[who], EXAMPLES, more=[not_a_server_error], lenient=NEEDS_A_CHARGER)
    assert await probe.every_call(edge.document, [mode]) > EXAMPLES * 10
