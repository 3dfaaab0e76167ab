"""A bridge without Kafka but with PostgreSQL and real websockets: records are handed in, what it says is recorded."""

import asyncio
import base64
import hmac
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from ssl import SSLContext
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
import orjson
import pytest
from bridge_tables import Start, in_the_simulation, on_postgresql
from prometheus_client import CollectorRegistry

from chassis.clock import SystemClock
from chassis.publisher import PublishFailedError
from chassis.tasks import cancel
from chassis.testing import eventually
from contracts.envelope import Envelope, Message
from contracts.fleet import CredentialRevoked, CredentialSet, Registration
from contracts.ocpp import ResetCharger
from contracts.registry import encode
from contracts.topics import Topic
from ocpp_bridge.app import Bridge
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.settings import Settings

PASSWORD = b"0123456789abcdef0123"
BOOTS = {
    "ocpp1.6": {"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.2.3"},
    "ocpp2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}},
    "ocpp2.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}},
}

M = TypeVar("M", bound=Message)


def envelope(data: Message) -> Envelope[Message]:
    return Envelope(id=uuid4(), source="/services/test", time=SystemClock().now(), data=data)


class RecordingPublisher:
    """Stands where Kafka's publisher does: what it acknowledged is in `published`, in the order of the calls."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Envelope[Any]]] = []
        self.handed_over: list[tuple[str, Envelope[Any]]] = []
        self.held: list[tuple[asyncio.Future[None], str, Envelope[Any]]] = []
        self.holding: set[str] = set()
        self.failing: set[str] = set()

    def publish_nowait(self, topic: Topic, envelope: Envelope[Any]) -> asyncio.Future[None]:
        encode(topic, envelope)
        self.handed_over.append((topic.name, envelope))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if topic.name in self.failing:
            future.set_exception(PublishFailedError("Kafka is away"))
        elif topic.name in self.holding:
            self.held.append((future, topic.name, envelope))
        else:
            self.published.append((topic.name, envelope))
            future.set_result(None)
        return future

    async def publish(self, topic: Topic, envelope: Envelope[Any]) -> None:
        await self.publish_nowait(topic, envelope)

    def release(self) -> None:
        """Acknowledges all that is held, and holds no more."""
        self.holding.clear()
        for future, topic, held in self.held:
            self.published.append((topic, held))
            if not future.done():
                future.set_result(None)
        self.held.clear()

    def of(self, kind: type[M]) -> list[M]:
        return [said.data for _, said in self.published if isinstance(said.data, kind)]

    def on(self, topic: Topic) -> list[Message]:
        return [said.data for name, said in self.published if name == topic.name]

    def envelopes(self, kind: type[M]) -> list[Envelope[M]]:
        return [said for _, said in self.published if isinstance(said.data, kind)]


class RawCharger:
    """A websocket as a charger has it, with every frame in the test's own hands."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self._ids = itertools.count(1)

    async def send(self, frame: Any) -> None:
        await self.ws.send_str(frame if isinstance(frame, str) else orjson.dumps(frame).decode())

    async def receive(self, within: float = 30.0) -> Any:
        message = await self.ws.receive(within)
        assert message.type is aiohttp.WSMsgType.TEXT, f"expected a frame, got {message}"
        return orjson.loads(message.data)

    async def call(self, action: str, payload: Any, message_id: str | None = None) -> Any:
        """Sends a CALL; returns the payload of the answer, or a list of code and description of a CALLERROR."""
        message_id = message_id or f"m{next(self._ids)}"
        await self.send([2, message_id, action, payload])
        answer = await self.receive()
        assert answer[1] == message_id
        return answer[2] if answer[0] == 3 else answer[2:4]

    async def boot(self) -> Any:
        return await self.call("BootNotification", BOOTS[self.ws.protocol or ""])

    async def closed(self, within: float = 30.0) -> int | None:
        """Waits until the other side has closed; returns the code."""
        while not self.ws.closed:
            await self.ws.receive(within)
        return self.ws.close_code

    def abort(self) -> None:
        """Ends TCP without a goodbye."""
        transport = self.ws._response.connection.transport  # type: ignore[union-attr]
        transport.abort()  # type: ignore[union-attr]


class Site:
    """Bridges on one database, with one log of what they publish, and chargers that connect to them."""

    def __init__(self, url: str, stack: AsyncExitStack, client: aiohttp.ClientSession) -> None:
        self.url = url
        self.publisher = RecordingPublisher()
        self.clock = SystemClock()
        self.client = client
        self.bridges: list[Bridge] = []
        self.registries: dict[int, CollectorRegistry] = {}
        self._stack = stack
        self._credentials: dict[str, CredentialSet] = {}
        self._vanished: set[int] = set()

    async def start(self, name: str = "bridge", *, has_credentials: bool = True, **settings: Any) -> Bridge:
        registry = CollectorRegistry()
        defaults = {"port": 0, "stop_within_s": 2.0, "lease_s": 30.0, "quiet_after_boot_s": 0.0}
        bridge = Bridge(
            Settings(**{**defaults, **settings}),
            self.publisher,
            BridgeMetrics(registry),
            has_credentials=lambda: has_credentials,
            dsn=self.url,
            instance_id=name,
            clock=self.clock,
        )
        self.registries[id(bridge)] = registry
        for credential in self._credentials.values():
            bridge.credentials.apply(envelope(credential))
        self._stack.push_async_callback(self._stop, bridge)
        await bridge.start()
        self.bridges.append(bridge)
        return bridge

    async def stop(self, bridge: Bridge) -> None:
        await self._stop(bridge)

    async def vanish(self, bridge: Bridge) -> None:
        """Ends a bridge as kill -9 does: nothing is said to anybody, and its lease is left to expire."""
        self._vanished.add(id(bridge))
        for task in bridge._background:
            await cancel(task)
        await cancel(bridge.trust._following)
        await bridge._store.stop()
        for task in [*bridge.resets._under_way, *bridge.connectivity._last.values()]:
            await cancel(task)
        for session in bridge.sessions:
            session.end("silent")
        await bridge.listener.stop()
        for task in [
            *bridge.resets._under_way,
            *bridge.connectivity._last.values(),
            *bridge.operator_calls._under_way,
            *bridge.trust.changes._work,
        ]:
            await cancel(task)

    async def _stop(self, bridge: Bridge) -> None:
        if id(bridge) not in self._vanished:
            self._vanished.add(id(bridge))
            self.publisher.release()
            await bridge.stop()

    def enroll(
        self,
        charger_id: str,
        *,
        profile: int = 1,
        registration: Registration = Registration.ACCEPTED,
        password: bytes = PASSWORD,
    ) -> None:
        salt = b"\x01\x02salt"
        credential = CredentialSet(
            charger_id=charger_id,
            security_profile=profile,  # type: ignore[arg-type]
            salt=salt.hex() if profile in (1, 2) else None,
            verifier=hmac.digest(salt, password, "sha256").hex() if profile in (1, 2) else None,
            registration=registration,
            version=self._credentials[charger_id].version + 1 if charger_id in self._credentials else 1,
        )
        self.publish_credential(credential)

    def publish_credential(self, credential: CredentialSet) -> None:
        """Fleet says this."""
        self._credentials[credential.charger_id] = credential
        for bridge in self.bridges:
            if id(bridge) not in self._vanished:
                bridge.credentials.apply(envelope(credential))

    def credential(self, charger_id: str) -> CredentialSet:
        """What fleet said last."""
        return self._credentials[charger_id]

    def revoke(self, charger_id: str) -> None:
        for bridge in self.bridges:
            bridge.credentials.apply(envelope(CredentialRevoked(charger_id=charger_id)))

    def metric(self, bridge: Bridge, name: str, **labels: str) -> float:
        return self.registries[id(bridge)].get_sample_value(f"ocpp_bridge_{name}", labels) or 0.0

    @asynccontextmanager
    async def connected(
        self,
        bridge: Bridge,
        charger_id: str,
        *protocols: str,
        password: bytes | None = PASSWORD,
        username: str | None = None,
        ssl: SSLContext | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[RawCharger]:
        headers = dict(headers or {})
        if password is not None:
            pair = (username or charger_id).encode() + b":" + password
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        url = f"http://127.0.0.1:{bridge.listener.port}/ocpp/{charger_id}"
        if ssl is not None:
            url = f"https://localhost:{bridge.listener.tls_port}/ocpp/{charger_id}"
        async with self.client.ws_connect(
            url, protocols=protocols or ("ocpp1.6",), headers=headers, max_msg_size=0, ssl=ssl or True, **options
        ) as ws:
            yield RawCharger(ws)

    @asynccontextmanager
    async def booted(self, bridge: Bridge, charger_id: str, *protocols: str) -> AsyncIterator[RawCharger]:
        """A charger that is enrolled, connected and accepted."""
        if charger_id not in self._credentials:
            self.enroll(charger_id)
        async with self.connected(bridge, charger_id, *protocols) as charger:
            assert (await charger.boot())["status"] == "Accepted"
            yield charger

    def reset(self, charger_id: str, epoch: int, **fields: Any) -> Envelope[Message]:
        """A command that may be carried out within ten seconds."""
        now = self.clock.now()
        defaults: dict[str, Any] = {
            "attempt_id": uuid4(),
            "not_after": now + timedelta(seconds=10),
            "watch_until": now,
        }
        return envelope(ResetCharger(charger_id=charger_id, epoch=epoch, **{**defaults, **fields}))

    async def published(self, kind: type[M], count: int = 1, *, within: float = 30.0) -> list[M]:
        """Waits until so many messages of a kind are published, and returns them."""

        def enough() -> list[M]:
            found = self.publisher.of(kind)
            assert len(found) >= count, f"{len(found)} of {count} {kind.__name__}; all: {self.publisher.published}"
            return found

        return await eventually(enough, within)


@pytest.fixture
async def site(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[Site]:
    url = await new_database("ocpp_bridge")
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield Site(url, stack, client)


@pytest.fixture(params=["postgresql", "simulation"])
async def instances(
    request: pytest.FixtureRequest, new_database: Callable[..., Awaitable[str]]
) -> AsyncIterator[Start]:
    """Begins the life of an instance, as far as it reads and writes; all look at the same tables."""
    url = await new_database("ocpp_bridge")
    async with on_postgresql(url) if request.param == "postgresql" else in_the_simulation() as begin:
        yield begin
