"""What an OCPP 2.0.1 or 2.1 charger tells us, and what it is answered."""

from collections.abc import Iterator
from typing import Any

from contracts.ocpp import (
    ChargerBooted,
    ConnectorState,
    ConnectorStatusReported,
    FirmwareStatusReported,
    Observation,
    SecurityEventReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from ocpp_bridge.frames import Json
from ocpp_bridge.handling import (
    UPDATING,
    Context,
    Handler,
    Reply,
    Said,
    always,
    boot_reply,
    heartbeat,
    nothing,
    told_time,
    wire_time,
)
from ocpp_bridge.meter import register_wh

STATES = {state.value.capitalize(): state for state in ConnectorState}
ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}
FAILED = {"status": "Failed"}


def boot_notification(context: Context, payload: Json) -> Reply:
    station = payload["chargingStation"]
    booted = ChargerBooted(
        charger_id=context.charger_id,
        epoch=context.epoch,
        reason=payload["reason"],
        vendor=station.get("vendorName"),
        model=station.get("model"),
        firmware=station.get("firmwareVersion"),
        serial=station.get("serialNumber"),
        solicited=context.asked_to_boot or payload["reason"] == "Triggered",
        owed_since=context.owed_since,
        registration=context.registration.value,
    )
    return boot_reply(context, Said(booted))


def status_notification(context: Context, payload: Json) -> Reply:
    status = ConnectorStatusReported(
        charger_id=context.charger_id,
        epoch=context.epoch,
        reported_at=told_time(payload["timestamp"]),
        evse_id=payload["evseId"],
        connector_id=payload["connectorId"],
        state=STATES[payload["connectorStatus"]],
        raw_status=payload["connectorStatus"],
    )
    return Reply({}, (Said(status),))


def notify_event(context: Context, payload: Json) -> Reply:
    """NotifyEvent; 2.1 stations report a connector's status as its variable AvailabilityState (G01)."""
    return Reply({}, tuple(Said(status) for status in _availability(context, payload["eventData"])))


def _availability(context: Context, events: list[Any]) -> Iterator[ConnectorStatusReported]:
    for event in events:
        component, variable, value = event["component"], event["variable"], event["actualValue"]
        if variable["name"] != "AvailabilityState" or value not in STATES:
            continue
        evse = component.get("evse", {})
        yield ConnectorStatusReported(
            charger_id=context.charger_id,
            epoch=context.epoch,
            reported_at=told_time(event["timestamp"]),
            evse_id=evse.get("id", 0),
            connector_id=evse.get("connectorId", 0),
            state=STATES[value],
            raw_status=value,
            error_code=event.get("techCode"),
            info=event.get("techInfo"),
        )


def transaction_event(context: Context, payload: Json) -> Reply:
    """TransactionEvent; one that was not acknowledged comes again after a boot (B12.FR.05): it is the same fact."""
    info, evse = payload["transactionInfo"], payload.get("evse", {})
    transaction_id = info["transactionId"]
    common: dict[str, Any] = {
        "charger_id": context.charger_id,
        "epoch": context.epoch,
        "reported_at": told_time(payload["timestamp"]),
        "transaction_id": transaction_id,
        "evse_id": evse.get("id"),
        "meter_wh": register_wh(payload.get("meterValue")),
    }
    observation: Observation
    if payload["eventType"] == "Started":
        observation = TransactionStarted(**common, connector_id=evse.get("connectorId"))
    elif payload["eventType"] == "Ended":
        observation = TransactionEnded(**common, connector_id=evse.get("connectorId"), reason=_why_ended(payload))
    else:
        observation = TransactionUpdated(**common)
    fact = f"transaction {transaction_id} {payload['eventType']} {payload['seqNo']} {payload['timestamp']}"
    answer: Json = {"idTokenInfo": ACCEPTED} if "idToken" in payload else {}
    return Reply(answer, (Said(observation, fact),))


def _why_ended(payload: Json) -> str | None:
    stopped: str | None = payload["transactionInfo"].get("stoppedReason")
    trigger: str = payload["triggerReason"]
    return stopped or (trigger if trigger == "ResetCommand" else None)


def security_event(context: Context, payload: Json) -> Reply:
    event = SecurityEventReported(
        charger_id=context.charger_id,
        epoch=context.epoch,
        reported_at=told_time(payload["timestamp"]),
        kind=payload["type"],
        info=payload.get("techInfo"),
    )
    return Reply({}, (Said(event),))


def firmware_status(context: Context, payload: Json) -> Reply:
    status = FirmwareStatusReported(
        charger_id=context.charger_id,
        epoch=context.epoch,
        status=payload["status"],
        updating=payload["status"] in UPDATING,
    )
    return Reply({}, (Said(status),))


def vat_number_validation(_context: Context, payload: Json) -> Reply:
    return Reply({"vatNumber": payload["vatNumber"], **REJECTED})


def certificate_chain_status(context: Context, payload: Json) -> Reply:
    """GetCertificateChainStatus: we ask no revocation service, and say of each certificate that it was not checked."""
    unchecked = [
        {
            "certificateHashData": asked["certificateHashData"],
            "source": asked["source"],
            "status": "Failed",
            "nextUpdate": wire_time(context.now),
        }
        for asked in payload["certificateStatusRequests"]
    ]
    return Reply({"certificateStatus": unchecked})


HANDLERS_V201: dict[str, Handler] = {
    "Authorize": always({"idTokenInfo": ACCEPTED}),
    "BootNotification": boot_notification,
    "ClearedChargingLimit": nothing,
    "DataTransfer": always({"status": "UnknownVendorId"}),
    "FirmwareStatusNotification": firmware_status,
    "Get15118EVCertificate": always({**FAILED, "exiResponse": ""}),
    "GetCertificateStatus": always(FAILED),
    "Heartbeat": heartbeat,
    "LogStatusNotification": nothing,
    "MeterValues": nothing,
    "NotifyChargingLimit": nothing,
    "NotifyCustomerInformation": nothing,
    "NotifyDisplayMessages": nothing,
    "NotifyEVChargingNeeds": always(REJECTED),
    "NotifyEVChargingSchedule": always(ACCEPTED),
    "NotifyEvent": notify_event,
    "NotifyMonitoringReport": nothing,
    "NotifyReport": nothing,
    "PublishFirmwareStatusNotification": nothing,
    "ReportChargingProfiles": nothing,
    "ReservationStatusUpdate": nothing,
    "SecurityEventNotification": security_event,
    "SignCertificate": always(REJECTED),
    "StatusNotification": status_notification,
    "TransactionEvent": transaction_event,
}
"""Every request that a 2.0.1 station sends. The others of the schemas are the server's own: NotSupported."""

HANDLERS_V21: dict[str, Handler] = {
    **HANDLERS_V201,
    "BatterySwap": nothing,
    "ClosePeriodicEventStream": nothing,
    "GetCertificateChainStatus": certificate_chain_status,
    "NotifyDERAlarm": nothing,
    "NotifyDERStartStop": nothing,
    "NotifyPriorityCharging": nothing,
    "NotifySettlement": nothing,
    "NotifyWebPaymentStarted": nothing,
    "OpenPeriodicEventStream": always(REJECTED),
    "PullDynamicScheduleUpdate": always(REJECTED),
    "ReportDERControl": nothing,
    "VatNumberValidation": vat_number_validation,
}
"""The same for 2.1. NotifyWebPaymentStarted is the server's by the specification; some stations send it too."""
