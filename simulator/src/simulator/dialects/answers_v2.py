"""OCPP 2.0.1 and 2.1: a charger's answers to its server's calls."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from simulator.dialects.base import Answer, RefusedError
from simulator.frames import Json

if TYPE_CHECKING:
    from simulator.charger import Charger

PASSWORD_CHARACTERS = range(16, 41)


def answer(charger: "Charger", action: str, payload: Json) -> Answer:
    """Answer one call.

    Raises:
        RefusedError: NotImplemented for an action that the simulator does not know.
    """
    handler = _HANDLERS.get(action)
    if handler is None:
        raise RefusedError("NotImplemented", f"{action} is not implemented")
    return handler(charger, payload)


def _look_up(charger: "Charger", item: Json) -> tuple[str, str]:
    """Key of a variable and the attributeStatus that its name alone deserves."""
    component = item["component"]["name"]
    key = f"{component}.{item['variable']['name']}"
    if key in charger.settings:
        return key, "Accepted"
    known = any(name.startswith(f"{component}.") for name in charger.settings)
    return key, "UnknownVariable" if known else "UnknownComponent"


def _echo(item: Json, status: str) -> Json:
    echoed = {"component": item["component"], "variable": item["variable"], "attributeStatus": status}
    return echoed | ({"attributeType": item["attributeType"]} if "attributeType" in item else {})


def _get_variables(charger: "Charger", payload: Json) -> Answer:
    results = []
    for item in payload["getVariableData"]:
        key, status = _look_up(charger, item)
        if status != "Accepted":
            results.append(_echo(item, status))
        elif item.get("attributeType", "Actual") != "Actual":
            results.append(_echo(item, "NotSupportedAttributeType"))
        elif charger.settings[key].secret:
            results.append(_echo(item, "Rejected"))
        else:
            results.append(_echo(item, "Accepted") | {"attributeValue": charger.settings[key].value})
    return Answer({"getVariableResult": results})


def _set_variables(charger: "Charger", payload: Json) -> Answer:
    results = []
    then: Callable[[], Awaitable[object]] | None = None
    for item in payload["setVariableData"]:
        key, status = _look_up(charger, item)
        value = item["attributeValue"]
        if status == "Accepted" and item.get("attributeType", "Actual") != "Actual":
            status = "NotSupportedAttributeType"
        elif status == "Accepted" and key == "SecurityCtrlr.BasicAuthPassword":
            if len(value) in PASSWORD_CHARACTERS:
                then = partial(charger.use_password, value.encode())
            else:
                status = "Rejected"
        elif status == "Accepted" and charger.settings[key].readonly:
            status = "Rejected"
        elif status == "Accepted":
            charger.settings[key].value = value
            charger.settings_changed()
        results.append(_echo(item, status))
    return Answer({"setVariableResult": results}, then=then)


def _trigger(charger: "Charger", payload: Json) -> Answer:
    evse_id = (payload.get("evse") or {}).get("id")
    match payload["requestedMessage"]:
        case "BootNotification":
            if not charger.personality.boots_when_triggered(charger):
                return Answer({"status": "Rejected"})  # F06.FR.17
            return Answer({"status": "Accepted"}, then=charger.boot_again)
        case "StatusNotification":
            return Answer({"status": "Accepted"}, then=partial(charger.report, evse_id))
        case "Heartbeat":
            return Answer({"status": "Accepted"}, then=charger.send_heartbeat)
        case "MeterValues" | "TransactionEvent":
            return Answer({"status": "Accepted"}, then=charger.sample_meters)
        case "FirmwareStatusNotification":
            return Answer({"status": "Accepted"}, then=partial(charger.send_firmware_status, "Idle"))
        case _:
            return Answer({"status": "NotImplemented"})


def _change_availability(charger: "Charger", payload: Json) -> Answer:
    operative = payload["operationalStatus"] == "Operative"
    evse_id = (payload.get("evse") or {}).get("id", 0)
    chosen = [connector for connector in charger.connectors.values() if evse_id in (0, connector.id)]
    if not chosen:
        return Answer({"status": "Rejected"})
    busy = charger.set_availability(chosen, operative=operative)
    return Answer({"status": "Scheduled" if busy else "Accepted"}, then=charger.report_changes)


def _request_start(charger: "Charger", payload: Json) -> Answer:
    connector = charger.free_connector(payload.get("evseId"))
    if connector is None:
        return Answer({"status": "Rejected"})
    start = partial(
        charger.start_transaction,
        connector.id,
        id_tag=payload["idToken"]["idToken"],
        remote_start_id=payload["remoteStartId"],
    )
    return Answer({"status": "Accepted"}, then=start)


def _request_stop(charger: "Charger", payload: Json) -> Answer:
    for connector in charger.connectors.values():
        if connector.transaction and connector.transaction.uid == payload["transactionId"]:
            return Answer({"status": "Accepted"}, then=partial(charger.stop_transaction, connector.id, reason="Remote"))
    return Answer({"status": "Rejected"})


def _transaction_status(charger: "Charger", payload: Json) -> Answer:
    answered: Json = {"messagesInQueue": charger.has_undelivered}
    if wanted := payload.get("transactionId"):
        running = [connector.transaction for connector in charger.connectors.values() if connector.transaction]
        answered["ongoingIndicator"] = any(transaction.uid == wanted for transaction in running)
    return Answer(answered)


def _unlock(charger: "Charger", payload: Json) -> Answer:
    connector = charger.connectors.get(payload["evseId"])
    if connector is None:
        return Answer({"status": "UnknownConnector"})
    return Answer({"status": "OngoingAuthorizedTransaction" if connector.transaction else "Unlocked"})


def _update_firmware(charger: "Charger", payload: Json) -> Answer:
    version = str(payload["firmware"]["location"]).rsplit("/", 1)[-1]
    return Answer({"status": "Accepted"}, then=partial(charger.update_firmware, version))


def _always(answered: Json) -> Callable[["Charger", Json], Answer]:
    return lambda _charger, _payload: Answer(dict(answered))


_HANDLERS: dict[str, Callable[["Charger", Json], Answer]] = {
    "ChangeAvailability": _change_availability,
    "ClearCache": _always({"status": "Accepted"}),
    "DataTransfer": _always({"status": "UnknownVendorId"}),
    "GetBaseReport": _always({"status": "NotSupported"}),
    "GetLocalListVersion": _always({"versionNumber": 0}),
    "GetTransactionStatus": _transaction_status,
    "GetVariables": _get_variables,
    "RequestStartTransaction": _request_start,
    "RequestStopTransaction": _request_stop,
    "SetVariables": _set_variables,
    "TriggerMessage": _trigger,
    "UnlockConnector": _unlock,
    "UpdateFirmware": _update_firmware,
}
