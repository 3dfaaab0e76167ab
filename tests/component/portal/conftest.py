"""A portal on a real database and a real socket, fed with messages as its consumers would be, without Kafka."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from prometheus_client import CollectorRegistry

from chassis.clock import SystemClock
from chassis.database import Database
from chassis.health import Health
from chassis.http import create_http
from chassis.metrics import Metrics
from chassis.publisher import PublishFailedError
from chassis.server import HttpServer
from chassis.testing import eventually
from chassis.timers import Timers
from chassis.tokens import KeyRing
from contracts import topics
from contracts.auth import GroupDefined, MembershipGranted, SigningKeyPublished
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message
from contracts.fleet import ChargerRegistered
from contracts.ocpp import ChargerConnected, ConnectorState, ConnectorStatusReported
from contracts.restart import AttemptMoved, Status, Step, Strength, When
from contracts.topics import Topic
from contracts.words import Plan, Role
from portal import feed, views
from portal.app import following
from portal.context import Context
from portal.forward import Forwarder
from portal.limits import Limits
from portal.live import Hub
from portal.projections import PROJECTIONS
from portal.settings import PortalSettings
from portal.states import TIMER, States
from portal.web import install
from portal.words import catalogue
from portal.words.choosing import Spoken

KEY = ECKey.generate_key("P-256", {"kid": "test"})
PROJECTION_OF = {
    model: projection for projection in PROJECTIONS.values() for topic in projection.topics for model in topic.messages
}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class RecordingPublisher:
    """Takes what the portal publishes; fails when told to."""

    published: list[tuple[Topic, Envelope[Any]]] = field(default_factory=list)
    down: bool = False

    async def publish(self, topic: Topic, envelope: Envelope[Any]) -> None:
        if self.down:
            raise PublishFailedError("Kafka is away")
        self.published.append((topic, envelope))

    @property
    def messages(self) -> list[Any]:
        return [envelope.data for _, envelope in self.published]


def token_for(user_id: str, *, lasts: timedelta = timedelta(hours=1), operator: bool = False) -> str:
    moment = now()
    claims = {
        "sub": user_id,
        "name": user_id.capitalize(),
        "operator": operator,
        "iss": "comeback",
        "aud": "comeback",
        "iat": int((moment - timedelta(hours=2)).timestamp()),
        "exp": int((moment + lasts).timestamp()),
        "jti": uuid4().hex,
    }
    return jwt.encode({"alg": "ES256", "kid": "test"}, claims, KEY)


class Make:
    """Messages, with what a test does not care about filled in."""

    @staticmethod
    def plan(group: str = "depot", *, to: Plan = Plan.BUSINESS, version: int = 1) -> PlanSet:
        features = frozenset() if to is Plan.BASIC else frozenset({"remote_restart"})
        return PlanSet(group_id=group, plan=to, features=features, version=version)

    @staticmethod
    def member(user_id: str, group: str, role: Role, version: int = 1) -> MembershipGranted:
        return MembershipGranted(group_id=group, user_id=user_id, name=user_id.capitalize(), role=role, version=version)

    @staticmethod
    def charger(charger_id: str = "CP-1", group: str = "depot", **options: Any) -> ChargerRegistered:
        values: dict[str, Any] = {
            "label": f"Charger {charger_id}",
            "model": "Terra",
            "abilities": frozenset({"remote_restart"}),
            "version": 1,
        }
        return ChargerRegistered(charger_id=charger_id, group_id=group, **(values | options))

    @staticmethod
    def connected(charger_id: str = "CP-1", epoch: int = 1) -> ChargerConnected:
        return ChargerConnected(charger_id=charger_id, epoch=epoch, protocol="ocpp1.6", bridge="b1", since=now())

    @staticmethod
    def connector(
        charger_id: str = "CP-1", state: ConnectorState = ConnectorState.AVAILABLE
    ) -> ConnectorStatusReported:
        return ConnectorStatusReported(
            charger_id=charger_id, epoch=1, evse_id=1, connector_id=1, state=state, raw_status=state.value
        )

    @staticmethod
    def moved(attempt_id: UUID, version: int, status: Status, **options: Any) -> AttemptMoved:
        values: dict[str, Any] = {
            "charger_id": "CP-1",
            "group_id": "depot",
            "moved_at": now(),
            "requested_by": "administrator",
            "requested_at": now(),
            "when": When.NOW,
            "strength": Strength.AUTO,
            "model": "Terra",
            "steps": {Step.REQUESTED: now()},
        }
        return AttemptMoved(attempt_id=attempt_id, version=version, status=status, **(values | options))


@dataclass
class World:
    """A running portal, and what surrounds it."""

    url: str
    database: Database
    publisher: RecordingPublisher
    context: Context
    http: httpx2.AsyncClient
    keyring: KeyRing
    states: States
    timers: Timers
    make: type[Make] = Make

    def token(self, user_id: str, **options: Any) -> str:
        return token_for(user_id, **options)

    async def say(self, *messages: Message, at: datetime | None = None) -> None:
        """Has the portal read these messages, each as a batch of its own."""
        for message in messages:
            envelope: Envelope[Message] = Envelope(uuid4(), "/services/test", at or now(), message)
            async with self.database.transaction() as transaction:
                handle = following(PROJECTION_OF[type(message)], self.states, keep=self.context.settings.feed_rows)
                await handle(transaction, [envelope])

    def bearer(self, user_id: str, **options: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(user_id, **options)}"}

    @asynccontextmanager
    async def stream(self, user_id: str, path: str = "/api/v1/events", **headers: str) -> AsyncIterator["Reader"]:
        await eventually(self.all_is_handed_out)
        async with self.http.stream("GET", path, headers={**self.bearer(user_id), **headers}) as response:
            assert response.status_code == 200, await response.aread()
            reader = Reader(response)
            hello = await reader.next("hello")
            reader.cursor = int(hello["cursor"])
            yield reader

    async def all_is_handed_out(self) -> None:
        """The hub has come to the end of the feed: what was said before a stream is opened is no news on it."""
        async with views.reading(self.database) as connection:
            assert self.context.hub.position == (await feed.bounds(connection))[1]

    async def seed(self, charger_id: str = "CP-1", group: str = "depot", **options: Any) -> None:
        """A group on the Business plan with one of each role, and an idle charger that is online."""
        await self.say(GroupDefined(group_id=group, name=group.capitalize()), Make.plan(group))
        for role in Role:
            await self.say(Make.member(role.value, group, role))
        await self.say(
            Make.charger(charger_id, group, **options), Make.connected(charger_id), Make.connector(charger_id)
        )


class Reader:
    """Reads server-sent events one by one."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()
        self.cursor = 0

    async def next(self, *names: str, within: float = 30.0) -> dict[str, Any]:
        """The data of the next event with one of these names, with its name and id; others are passed over."""
        async with asyncio.timeout(within):
            while True:
                event = await self._event()
                if not names or event["event"] in names:
                    return event

    async def _event(self) -> dict[str, Any]:
        fields: dict[str, str] = {}
        async for raw in self._lines:
            if not raw.strip():
                if "data" in fields:
                    return {**json.loads(fields["data"]), "event": fields["event"], "id": fields.get("id")}
                fields = {}
                continue
            name, _, value = raw.partition(":")
            fields[name] = value.strip()
        raise AssertionError("the stream has ended")


@pytest.fixture
async def settings() -> PortalSettings:
    return PortalSettings(beat_s=0.2, streams_per_person=3, stream_queue=64, take_back_s=0.3)


@pytest.fixture
async def world(new_database: Callable[..., Awaitable[str]], settings: PortalSettings) -> AsyncIterator[World]:
    async with running(await new_database("portal"), settings) as made:
        yield made


@asynccontextmanager
async def running(
    url: str, settings: PortalSettings, transport: httpx2.AsyncBaseTransport | None = None, port: int = 0
) -> AsyncIterator[World]:
    """A portal that serves, on a fresh database that is migrated."""
    database = Database(url, "portal")
    words = catalogue()
    publisher = RecordingPublisher()
    silence = timedelta(seconds=settings.firmware_silence_s)
    timers = Timers(database, SystemClock(), Metrics("portal", CollectorRegistry()))
    states = States(silence=silence, timers=timers, feed_rows=settings.feed_rows)
    timers.on_due(states.on_silence, name=TIMER)
    hub = Hub(database, words, queue=settings.stream_queue, streams_per_person=settings.streams_per_person)
    context = Context(
        settings,
        database,
        publisher,
        SystemClock(),
        hub,
        Forwarder(settings, transport=transport),
        Spoken(),
        Limits(settings, SystemClock()),
    )
    keyring = KeyRing()
    keyring.add("test", "ES256", {name: str(value) for name, value in KEY.as_dict(private=False).items()})
    health = Health()
    app = create_http("test", health=health, registry=CollectorRegistry(), keyring=keyring)
    install(app, context)
    server = HttpServer(app, "127.0.0.1", port)
    await hub.start()
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    try:
        await eventually(lambda: _ready(hub))
        async with httpx2.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
            yield World(base, database, publisher, context, http, keyring, states, timers)
    finally:
        await timers.stop()
        await hub.stop()
        await server.stop()
        await context.forwarder.close()
        await database.dispose()


def _ready(hub: Hub) -> None:
    assert hub.trouble() is None


NOT_SHOWN = {topics.AUTH_SIGNING_KEYS, topics.OCPP_CALL_RESULTS, topics.FLEET_RESTART_POLICIES}
"""What the portal reads, or may read, without a view of it."""
assert set(PROJECTION_OF) >= {
    model for topic in set(topics.ALL) - NOT_SHOWN if "portal" in topic.readers for model in topic.messages
}, "the portal reads a topic that no projection is made of"


@pytest.fixture
def portal_running() -> Any:
    """Runs a portal with other settings than the usual ones."""
    return running


@pytest.fixture
def make_and_sign() -> tuple[type[Make], Callable[..., str], SigningKeyPublished]:
    """Makes messages, and access tokens, and what auth would say of the key that they are signed with."""
    jwk = {name: str(value) for name, value in KEY.as_dict(private=False).items()}
    return Make, token_for, SigningKeyPublished(kid="test", algorithm="ES256", public_jwk=jwk, published_at=now())
