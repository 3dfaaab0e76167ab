"""The public `ocpp` package's own charge points talk to the bridge: its schemas check every answer of ours."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16, call as call16, call_result as result16
from ocpp.v21 import ChargePoint as ChargePoint21, call as call21, call_result as result21
from ocpp.v201 import ChargePoint as ChargePoint201, call as call201, call_result as result201

from contracts.calls import CallAnswered
from contracts.ocpp import (
    ChargerBooted,
    ConnectorStatusReported,
    ResetAccepted,
    ResetScheduled,
    SecurityEventReported,
    TransactionEnded,
    TransactionStarted,
)

from .test_operator_calls import asks

NOW = "2026-03-04T10:00:00Z"


class Wire:
    """A websocket as the `ocpp` package wants it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def recv(self) -> str:
        message = await self._ws.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionResetError
        return str(message.data)

    async def send(self, text: str) -> None:
        await self._ws.send_str(text)


class Charger16(ChargePoint16):  # type: ignore[misc]
    asked: str | None = None

    @on("Reset")
    def on_reset(self, type: str, **_: Any) -> result16.Reset:  # noqa: A002 the package names it so
        self.asked = type
        return result16.Reset(status="Accepted")


class Charger201(ChargePoint201):  # type: ignore[misc]
    asked: str | None = None

    @on("Reset")
    def on_reset(self, type: str, **_: Any) -> result201.Reset:  # noqa: A002 the package names it so
        self.asked = type
        return result201.Reset(status="Scheduled")


class Charger21(ChargePoint21):  # type: ignore[misc]
    asked: str | None = None

    @on("Reset")
    def on_reset(self, type: str, **_: Any) -> result21.Reset:  # noqa: A002 the package names it so
        self.asked = type
        return result21.Reset(status="Accepted")

    @on("GetVariables")
    def on_get_variables(self, get_variable_data: list[Any], **_: Any) -> result21.GetVariables:
        answers = [{**each, "attribute_status": "Accepted", "attribute_value": "60"} for each in get_variable_data]
        return result21.GetVariables(get_variable_result=answers)


@asynccontextmanager
async def running(site, bridge, protocol, kind):
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", protocol) as raw:
        charger = kind("garage-1", Wire(raw.ws))
        reading = asyncio.create_task(charger.start())
        try:
            yield charger
        finally:
            reading.cancel()
            await asyncio.wait([reading])


async def test_a_1_6_charge_point_lives_its_life(site):
    bridge = await site.start()
    async with running(site, bridge, "ocpp1.6", Charger16) as charger:
        boot = await charger.call(call16.BootNotification("One", "Acme"), suppress=False)
        assert boot.status == "Accepted"
        assert (await charger.call(call16.Heartbeat(), suppress=False)).current_time
        status = call16.StatusNotification(connector_id=1, error_code="NoError", status="Preparing")
        await charger.call(status, suppress=False)
        authorized = await charger.call(call16.Authorize(id_tag="tag"), suppress=False)
        assert authorized.id_tag_info["status"] == "Accepted"
        start = call16.StartTransaction(connector_id=1, id_tag="tag", meter_start=0, timestamp=NOW)
        transaction_id = (await charger.call(start, suppress=False)).transaction_id
        value = [{"timestamp": NOW, "sampledValue": [{"value": "12"}]}]
        await charger.call(call16.MeterValues(1, value, transaction_id), suppress=False)
        stop = call16.StopTransaction(meter_stop=9, timestamp=NOW, transaction_id=transaction_id, reason="SoftReset")
        await charger.call(stop, suppress=False)
        await charger.call(call16.FirmwareStatusNotification("Idle"), suppress=False)
        await charger.call(call16.SecurityEventNotification("StartupOfTheDevice", NOW, ""), suppress=False)
        assert (await charger.call(call16.DataTransfer("acme"), suppress=False)).status == "UnknownVendorId"
        assert (await charger.call(call16.SignCertificate("csr"), suppress=False)).status == "Rejected"
        bridge.resets.take(site.reset("garage-1", 1, strength="hard"))
        await site.published(ResetAccepted)
        assert charger.asked == "Hard"
    for kind in (ChargerBooted, ConnectorStatusReported, TransactionStarted, SecurityEventReported):
        assert len(site.publisher.of(kind)) == 1
    [ended] = site.publisher.of(TransactionEnded)
    assert (ended.transaction_id, ended.reason) == (str(transaction_id), "SoftReset")


async def test_a_2_0_1_charging_station_lives_its_life(site):
    bridge = await site.start()
    async with running(site, bridge, "ocpp2.0.1", Charger201) as charger:
        station = {"model": "Two", "vendorName": "Acme"}
        boot = await charger.call(call201.BootNotification(station, "RemoteReset"), suppress=False)
        assert boot.status == "Accepted"
        await charger.call(call201.StatusNotification(NOW, "Available", 1, 1), suppress=False)
        for number, (kind, trigger) in enumerate([("Started", "Authorized"), ("Ended", "ResetCommand")]):
            event = call201.TransactionEvent(
                event_type=kind,
                timestamp=NOW,
                trigger_reason=trigger,
                seq_no=number,
                transaction_info={"transactionId": "t1"},
                id_token={"idToken": "tag", "type": "Central"},
                evse={"id": 1, "connectorId": 1},
            )
            answer = await charger.call(event, suppress=False)
            assert answer.id_token_info["status"] == "Accepted"
        await charger.call(call201.SecurityEventNotification("ResetOrReboot", NOW), suppress=False)
        report = call201.NotifyReport(request_id=1, generated_at=NOW, seq_no=0)
        await charger.call(report, suppress=False)
        meter = [{"timestamp": NOW, "sampledValue": [{"value": 1.5}]}]
        await charger.call(call201.MeterValues(evse_id=1, meter_value=meter), suppress=False)
        bridge.resets.take(site.reset("garage-1", 1, on_idle=True))
        await site.published(ResetScheduled)
        assert charger.asked == "OnIdle"
    [booted] = site.publisher.of(ChargerBooted)
    assert booted.reason == "RemoteReset"
    [ended] = site.publisher.of(TransactionEnded)
    assert (ended.transaction_id, ended.reason) == ("t1", "ResetCommand")


async def test_a_2_1_charging_station_lives_its_life(site):
    bridge = await site.start()
    async with running(site, bridge, "ocpp2.1", Charger21) as charger:
        station = {"model": "Two", "vendorName": "Acme"}
        boot = await charger.call(call21.BootNotification(station, "RemoteReset"), suppress=False)
        assert boot.status == "Accepted"
        assert (await charger.call(call21.Heartbeat(), suppress=False)).current_time
        available = {
            "eventId": 1,
            "timestamp": NOW,
            "trigger": "Delta",
            "actualValue": "Available",
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
            "variable": {"name": "AvailabilityState"},
        }
        await charger.call(call21.NotifyEvent(generated_at=NOW, seq_no=0, event_data=[available]), suppress=False)
        event = call21.TransactionEvent(
            event_type="Ended",
            timestamp=NOW,
            trigger_reason="ResetCommand",
            seq_no=1,
            transaction_info={"transactionId": "t1", "stoppedReason": "ImmediateReset"},
        )
        await charger.call(event, suppress=False)
        await charger.call(call21.SecurityEventNotification("StartupOfTheDevice", NOW), suppress=False)
        wanted = {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "Heart"}}]}
        asks(site, "garage-1", "GetVariables", wanted)
        [answered] = await site.published(CallAnswered)
        assert answered.payload["getVariableResult"][0]["attributeValue"] == "60"
        bridge.resets.take(site.reset("garage-1", 1))
        await site.published(ResetAccepted)
        assert charger.asked == "Immediate"
    assert site.publisher.of(ConnectorStatusReported)[0].evse_id == 1
    [ended] = site.publisher.of(TransactionEnded)
    assert ended.reason == "ImmediateReset"


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_the_packages_client_sees_refusals_as_its_own_errors(site, protocol):
    kind, action = (Charger16, call16.Heartbeat) if protocol == "ocpp1.6" else (Charger201, call201.Heartbeat)
    bridge = await site.start()
    site.enroll("garage-1")
    async with running(site, bridge, protocol, kind) as charger:
        if protocol == "ocpp2.0.1":
            with pytest.raises(Exception, match="SecurityError"):
                await charger.call(action(), suppress=False)
        else:
            assert (await charger.call(action(), suppress=False)).current_time
