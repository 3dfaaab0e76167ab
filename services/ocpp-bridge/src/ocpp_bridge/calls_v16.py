"""What an OCPP 1.6 charger tells us, and what it is answered."""

from contracts.ocpp import (
    ChargerBooted,
    ConnectorState,
    ConnectorStatusReported,
    FirmwareStatusReported,
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
)
from ocpp_bridge.meter import register_wh

STATES = {
    "Available": ConnectorState.AVAILABLE,
    "Preparing": ConnectorState.OCCUPIED,
    "Charging": ConnectorState.OCCUPIED,
    "SuspendedEVSE": ConnectorState.OCCUPIED,
    "SuspendedEV": ConnectorState.OCCUPIED,
    "Finishing": ConnectorState.OCCUPIED,
    "Reserved": ConnectorState.RESERVED,
    "Unavailable": ConnectorState.UNAVAILABLE,
    "Faulted": ConnectorState.FAULTED,
}


def place(connector_id: int) -> tuple[int, int]:
    """EVSE and connector in the words of 2.x: connector n is the only one of EVSE n; 0 is the charger as a whole."""
    return (connector_id, 1) if connector_id > 0 else (0, 0)


def boot_notification(context: Context, payload: Json) -> Reply:
    booted = ChargerBooted(
        charger_id=context.charger_id,
        epoch=context.epoch,
        vendor=payload.get("chargePointVendor"),
        model=payload.get("chargePointModel"),
        firmware=payload.get("firmwareVersion"),
        serial=payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber"),
        solicited=context.asked_to_boot,
        owed_since=context.owed_since,
        registration=context.registration.value,
    )
    return boot_reply(context, Said(booted))


def status_notification(context: Context, payload: Json) -> Reply:
    evse_id, connector_id = place(payload["connectorId"])
    error = payload["errorCode"]
    told = (payload.get("info"), payload.get("vendorErrorCode"))
    status = ConnectorStatusReported(
        charger_id=context.charger_id,
        epoch=context.epoch,
        reported_at=told_time(payload.get("timestamp")),
        evse_id=evse_id,
        connector_id=connector_id,
        state=STATES[payload["status"]],
        raw_status=payload["status"],
        error_code=None if error == "NoError" else error,
        info=" ".join(text for text in told if text) or None,
    )
    return Reply({}, (Said(status),))


async def start_transaction(context: Context, payload: Json) -> Reply:
    evse_id, connector_id = place(payload["connectorId"])
    transaction_id = await context.transactions.started(
        context.charger_id, payload["connectorId"], payload["meterStart"], payload["timestamp"]
    )
    started = TransactionStarted(
        charger_id=context.charger_id,
        epoch=context.epoch,
        reported_at=told_time(payload["timestamp"]),
        transaction_id=str(transaction_id),
        evse_id=evse_id,
        connector_id=connector_id,
        meter_wh=payload["meterStart"],
    )
    answer = {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
    return Reply(answer, (Said(started, f"transaction {transaction_id} started {payload['timestamp']}"),))


async def stop_transaction(context: Context, payload: Json) -> Reply:
    """StopTransaction may come again after a boot, with a new messageId and the old timestamp: it is the same fact."""
    transaction_id = payload["transactionId"]
    connector = await context.transactions.stopped(context.charger_id, transaction_id)
    evse_id, connector_id = place(connector) if connector is not None else (None, None)
    ended = TransactionEnded(
        charger_id=context.charger_id,
        epoch=context.epoch,
        reported_at=told_time(payload["timestamp"]),
        transaction_id=str(transaction_id),
        evse_id=evse_id,
        connector_id=connector_id,
        reason=payload.get("reason", "Local"),
        meter_wh=payload["meterStop"],
    )
    fact = f"transaction {transaction_id} stopped {payload['timestamp']}"
    return Reply({"idTagInfo": {"status": "Accepted"}}, (Said(ended, fact),))


def meter_values(context: Context, payload: Json) -> Reply:
    if "transactionId" not in payload:
        return Reply({})
    updated = TransactionUpdated(
        charger_id=context.charger_id,
        epoch=context.epoch,
        transaction_id=str(payload["transactionId"]),
        evse_id=place(payload["connectorId"])[0],
        meter_wh=register_wh(payload["meterValue"]),
    )
    return Reply({}, (Said(updated),))


def security_event(context: Context, payload: Json) -> Reply:
    """SecurityEventNotification of the security whitepaper."""
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


HANDLERS: dict[str, Handler] = {
    "Authorize": always({"idTagInfo": {"status": "Accepted"}}),
    "BootNotification": boot_notification,
    "DataTransfer": always({"status": "UnknownVendorId"}),
    "DiagnosticsStatusNotification": nothing,
    "FirmwareStatusNotification": firmware_status,
    "Heartbeat": heartbeat,
    "LogStatusNotification": nothing,
    "MeterValues": meter_values,
    "SecurityEventNotification": security_event,
    "SignCertificate": always({"status": "Rejected"}),
    "SignedFirmwareStatusNotification": firmware_status,
    "StartTransaction": start_transaction,
    "StatusNotification": status_notification,
    "StopTransaction": stop_transaction,
}
"""Every request that a charge point sends. The others of the schemas are the server's own: NotSupported."""
