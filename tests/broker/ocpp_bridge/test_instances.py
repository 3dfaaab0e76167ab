"""Two bridges as processes of their own on one Kafka: who acts, who gives way, and what a killed one leaves behind."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest

from chassis.testing import eventually
from contracts.ocpp import (
    ChargerConnected,
    ChargerDisconnected,
    ConnectorStatusReported,
    ResetAccepted,
    ResetNotDelivered,
    ResetSent,
    ResetUnanswered,
)

from .conftest import PASSWORD, Bridge, Neighbours, running

LEASE_S = 6.0
"""An instance on a loaded machine may be late to renew it, and is not dead for that."""
BOOT = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}}
STATUS = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": "2026-03-04T10:00:00Z"}


@dataclass
class Instance:
    """A bridge that runs and is ready."""

    process: Bridge
    port: int
    client: aiohttp.ClientSession

    def kill(self) -> None:
        """As the kernel would: nothing is said to anybody."""
        self.process.kill()

    @asynccontextmanager
    async def connected(self, charger_id: str) -> AsyncIterator["Charger"]:
        pair = base64.b64encode(f"{charger_id}:".encode() + PASSWORD).decode()
        async with self.client.ws_connect(
            f"http://127.0.0.1:{self.port}/ocpp/{charger_id}",
            protocols=["ocpp2.0.1"],
            headers={"Authorization": f"Basic {pair}"},
        ) as ws:
            yield Charger(ws)


@dataclass
class Charger:
    """A websocket with every frame in the test's hands."""

    ws: Any
    sent: int = 0

    async def call(self, action: str, payload: Any) -> Any:
        self.sent += 1
        await self.say([2, f"m{self.sent}", action, payload])
        return (await self.ws.receive_json(timeout=60))[2]

    async def boot(self) -> None:
        assert (await self.call("BootNotification", BOOT))["status"] == "Accepted"

    async def say(self, frame: Any) -> None:
        await self.ws.send_str(orjson.dumps(frame).decode())

    async def told(self) -> Any:
        return await self.ws.receive_json(timeout=60)

    async def closed(self) -> int | None:
        while not self.ws.closed:
            await self.ws.receive(60)
        return self.ws.close_code


@pytest.fixture
async def two(environment) -> AsyncIterator[tuple[Instance, Instance]]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        names = [{"INSTANCE_ID": name, "OCPP_BRIDGE_LEASE_S": str(LEASE_S)} for name in ("one", "two")]
        processes = [await stack.enter_async_context(running(environment | name)) for name in names]
        made = []
        for process in processes:
            http = await eventually(
                lambda process=process: process.port(r'"http":"127.0.0.1:(\d+)","event":"started"'), 180
            )
            port = process.port(r'"port":(\d+),"event":"listening for chargers"')

            async def ready(http=http) -> None:
                async with client.get(f"http://127.0.0.1:{http}/health/ready") as answer:
                    assert answer.status == 200, await answer.text()

            await eventually(ready, 60)
            made.append(Instance(process, port, client))
        yield made[0], made[1]


async def heard(neighbours: Neighbours, kind: type, count: int = 1) -> list[Any]:
    """What was said of this kind, by sessions: what two instances say is not in the order of their sessions."""

    def enough() -> list[Any]:
        found = [said for said in neighbours.heard if isinstance(said, kind)]
        assert len(found) >= count, neighbours.heard
        return sorted(found, key=lambda said: said.epoch)

    return await eventually(enough, 60)


async def let_in(instance: Instance, charger_id: str) -> None:
    """Waits until an instance has heard of a charger's credentials."""

    async def welcome() -> None:
        try:
            async with instance.connected(charger_id):
                pass
        except aiohttp.WSServerHandshakeError as error:
            raise AssertionError(error.status) from error

    await eventually(welcome, 60)


async def test_a_command_reaches_the_instance_that_holds_the_socket_and_only_it_acts(two, neighbours):
    one, other = two
    await neighbours.enroll()
    await let_in(one, neighbours.charger_id)
    async with other.connected(neighbours.charger_id) as charger:
        await charger.boot()
        connected = (await heard(neighbours, ChargerConnected, 2))[-1]
        command = await neighbours.reset(connected.epoch)
        _, message_id, action, _ = await charger.told()
        assert action == "Reset"
        await charger.say([3, message_id, {"status": "Accepted"}])
        [accepted] = await heard(neighbours, ResetAccepted)
        assert (accepted.attempt_id, accepted.answer_epoch) == (command.attempt_id, connected.epoch)
        # The next frame on the socket is the answer to this, not a second Reset.
        assert "currentTime" in await charger.call("Heartbeat", {})
    assert len(await heard(neighbours, ResetSent)) == 1
    assert not [said for said in neighbours.heard if isinstance(said, ResetNotDelivered)]


async def test_a_new_socket_on_another_instance_wins_and_the_old_one_is_fenced(two, neighbours):
    one, other = two
    await neighbours.enroll()
    await let_in(other, neighbours.charger_id)
    async with one.connected(neighbours.charger_id) as old:
        await old.boot()
        async with other.connected(neighbours.charger_id) as new:
            await new.boot()
            assert await old.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
            connected = (await heard(neighbours, ChargerConnected, 3))[-1]
            command = await neighbours.reset(connected.epoch)
            _, message_id, action, _ = await new.told()
            assert action == "Reset"
            await new.say([3, message_id, {"status": "Accepted"}])
            [accepted] = await heard(neighbours, ResetAccepted)
            assert accepted.attempt_id == command.attempt_id
            await new.call("StatusNotification", STATUS)
            [status] = await heard(neighbours, ConnectorStatusReported)
            assert status.epoch == connected.epoch
            # The last word about the charger is that it is here, on the session that won.
            about = [said for said in neighbours.heard if isinstance(said, ChargerConnected | ChargerDisconnected)]
            assert about[-1] == connected


async def test_a_command_for_a_fenced_session_is_never_sent(two, neighbours):
    one, other = two
    await neighbours.enroll()
    await let_in(other, neighbours.charger_id)
    async with one.connected(neighbours.charger_id) as old, other.connected(neighbours.charger_id) as new:
        await new.boot()
        stale, current = (await heard(neighbours, ChargerConnected, 3))[-2:]
        assert stale.epoch < current.epoch
        await neighbours.reset(stale.epoch)
        [declined] = await heard(neighbours, ResetNotDelivered)
        assert declined.why == "other_session"
        assert "currentTime" in await new.call("Heartbeat", {})
        await old.closed()
    assert not [said for said in neighbours.heard if isinstance(said, ResetSent)]


async def test_a_killed_instance_loses_nothing(two, neighbours):
    """Its charger boots elsewhere, its Reset without an answer is told as such, and the answer that comes late counts."""
    one, other = two
    await neighbours.enroll()
    async with AsyncExitStack() as stack:
        await let_in(other, neighbours.charger_id)
        charger = await stack.enter_async_context(one.connected(neighbours.charger_id))
        await charger.boot()
        connected = (await heard(neighbours, ChargerConnected, 2))[-1]
        command = await neighbours.reset(connected.epoch)
        _, message_id, action, _ = await charger.told()
        assert action == "Reset"
        await heard(neighbours, ResetSent)
        one.kill()
        again = await stack.enter_async_context(other.connected(neighbours.charger_id))
        await again.boot()
        [unanswered] = await heard(neighbours, ResetUnanswered)
        assert (unanswered.attempt_id, unanswered.why) == (command.attempt_id, "bridge_lost")
        await again.say([3, message_id, {"status": "Accepted"}])
        [accepted] = await heard(neighbours, ResetAccepted)
        assert (accepted.epoch, accepted.answer_epoch) == (connected.epoch, connected.epoch + 1)
        assert "currentTime" in await again.call("Heartbeat", {})
    assert len(await heard(neighbours, ResetSent)) == 1


async def test_the_chargers_of_a_killed_instance_that_do_not_come_back_are_told_as_lost(two, neighbours):
    one, other = two
    await neighbours.enroll()
    await let_in(one, neighbours.charger_id)
    async with one.connected(neighbours.charger_id) as charger:
        await charger.boot()
        connected = (await heard(neighbours, ChargerConnected, 2))[-1]
        one.kill()

        def lost() -> None:
            ends = [said for said in neighbours.heard if isinstance(said, ChargerDisconnected)]
            assert ends
            last = ends[-1]
            assert (last.epoch, last.why) == (connected.epoch, "bridge_lost"), last

        await eventually(lost, 60)
        await let_in(other, neighbours.charger_id)


async def test_instances_that_are_replaced_one_after_the_other_never_lose_sight_of_a_charger(two, neighbours):
    """A rolling restart: the stopped one says goodbye, the charger is back on the other, and commands go there."""
    one, other = two
    await neighbours.enroll()
    await let_in(other, neighbours.charger_id)
    async with one.connected(neighbours.charger_id) as charger:
        await charger.boot()
        await heard(neighbours, ChargerConnected, 2)
        ending = asyncio.create_task(charger.closed())
        assert await one.process.end() == 0, one.process.log.decode()
        assert await ending == aiohttp.WSCloseCode.GOING_AWAY
        async with other.connected(neighbours.charger_id) as again:
            assert "currentTime" in await again.call("Heartbeat", {})  # it only reconnects: it need not boot
            connected = (await heard(neighbours, ChargerConnected, 3))[-1]
            await neighbours.reset(connected.epoch)
            assert (await again.told())[2] == "Reset"
    why = [said.why for said in neighbours.heard if isinstance(said, ChargerDisconnected)]
    assert "bridge_stopped" in why
    assert "bridge_lost" not in why
