"""The bridge as a process of its own, between a real Kafka and a charger: what fleet and the orchestrator see of it."""

import asyncio
import base64
import contextlib

import aiohttp
import orjson
from certificates import Door

from chassis.testing import eventually
from contracts.calls import CallAnswered
from contracts.ocpp import (
    ChargerBooted,
    ChargerConnected,
    ChargerDisconnected,
    ConnectionRefused,
    ResetAccepted,
    ResetSent,
    StrangerRefused,
)

from .conftest import PASSWORD, running


async def test_a_charger_connects_boots_is_reset_and_everyone_hears_of_it(neighbours, environment):
    await neighbours.enroll()
    async with running(environment) as bridge, aiohttp.ClientSession() as client:
        port = await eventually(lambda: bridge.port(r'"port":(\d+),"event":"listening for chargers"'), 180)
        http = await eventually(lambda: bridge.port(r'"http":"127.0.0.1:(\d+)","event":"started"'), 180)

        async def ready() -> None:
            async with client.get(f"http://127.0.0.1:{http}/health/ready") as answer:
                assert answer.status == 200, await answer.text()

        await eventually(ready, 60)
        authorization = base64.b64encode(f"{neighbours.charger_id}:".encode() + PASSWORD).decode()
        async with client.ws_connect(
            f"http://127.0.0.1:{port}/ocpp/{neighbours.charger_id}",
            protocols=["ocpp2.0.1"],
            headers={"Authorization": f"Basic {authorization}"},
        ) as ws:
            boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}}
            await ws.send_str(orjson.dumps([2, "b1", "BootNotification", boot]).decode())
            assert (await ws.receive_json(timeout=60))[2]["status"] == "Accepted"
            await neighbours.hears(ChargerBooted)
            epoch = (await neighbours.hears(ChargerConnected)).epoch
            command = await neighbours.reset(epoch)
            kind, message_id, action, payload = await ws.receive_json(timeout=60)
            assert (kind, action, payload) == (2, "Reset", {"type": "Immediate"})
            await ws.send_str(orjson.dumps([3, message_id, {"status": "Accepted"}]).decode())
            assert (await neighbours.hears(ResetSent)).attempt_id == command.attempt_id
            assert (await neighbours.hears(ResetAccepted)).answer_epoch == epoch
            async with client.get(f"http://127.0.0.1:{http}/metrics") as answer:
                assert 'ocpp_bridge_sessions{protocol="ocpp2.0.1"} 1.0' in await answer.text()
            closing = asyncio.create_task(ws.receive(timeout=60))
            assert await bridge.end() == 0, bridge.log.decode()
            assert (await closing).data == aiohttp.WSCloseCode.GOING_AWAY
        assert (await neighbours.hears(ChargerDisconnected)).why == "bridge_stopped"
        assert PASSWORD not in bridge.log
        assert authorization.encode() not in bridge.log


async def test_the_portal_has_a_charger_called_and_hears_its_answer(neighbours, environment):
    await neighbours.enroll()
    async with (
        running(environment | {"OCPP_BRIDGE_QUIET_AFTER_BOOT_S": "0.5"}) as bridge,
        aiohttp.ClientSession() as client,
    ):
        http = await eventually(lambda: bridge.port(r'"http":"127.0.0.1:(\d+)","event":"started"'), 180)
        port = bridge.port(r'"port":(\d+),"event":"listening for chargers"')
        authorization = base64.b64encode(f"{neighbours.charger_id}:".encode() + PASSWORD).decode()

        async def let_in() -> aiohttp.ClientWebSocketResponse[bool]:
            try:
                return await client.ws_connect(
                    f"http://127.0.0.1:{port}/ocpp/{neighbours.charger_id}",
                    protocols=["ocpp1.6"],
                    headers={"Authorization": f"Basic {authorization}"},
                )
            except aiohttp.WSServerHandshakeError as error:
                raise AssertionError(error.status) from error

        ws = await eventually(let_in, 60)
        boot = {"chargePointVendor": "Acme", "chargePointModel": "One"}
        await ws.send_str(orjson.dumps([2, "b1", "BootNotification", boot]).decode())
        assert (await ws.receive_json(timeout=60))[2]["status"] == "Accepted"
        asked = await neighbours.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        kind, message_id, action, payload = await ws.receive_json(timeout=60)
        assert (kind, message_id, action) == (2, str(asked.call_id), "TriggerMessage")
        assert payload == {"requestedMessage": "Heartbeat"}
        await ws.send_str(orjson.dumps([3, message_id, {"status": "Accepted"}]).decode())
        answered = await neighbours.hears(CallAnswered)
        assert (answered.call_id, answered.payload) == (asked.call_id, {"status": "Accepted"})
        async with client.get(f"http://127.0.0.1:{http}/api/v1/sessions/{neighbours.charger_id}") as answer:
            assert answer.status == 401
        await ws.close()


async def test_certificates_that_tls_does_not_accept_are_told_of_as_a_chargers_or_a_strangers(
    neighbours, environment, tmp_path
):
    door = Door(tmp_path)
    tls = {f"OCPP_BRIDGE_{name.upper()}": str(value) for name, value in door.settings().items()}
    await neighbours.enroll()
    async with running(environment | tls) as bridge:
        await eventually(lambda: bridge.port(r'"http":"127.0.0.1:(\d+)","event":"started"'), 180)
        port = bridge.port(r'"port":(\d+),"event":"listening for chargers over TLS"')
        for name in (neighbours.charger_id, "nobody"):
            context = door.authority.client(door.stranger.issue(name, file="strange"))
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
                assert await reader.read(1) == b""
                writer.close()
        claimed, stranger = await neighbours.hears(ConnectionRefused), await neighbours.hears(StrangerRefused)
    assert (claimed.charger_id, claimed.cause, claimed.named_by) == (
        neighbours.charger_id, "strange_authority", "certificate"
    )  # fmt: skip
    assert (stranger.claimed_name, stranger.cause) == ("nobody", "strange_authority")
