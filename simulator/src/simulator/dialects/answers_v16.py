"""OCPP 1.6: a charger's answers to its server's calls."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from simulator.dialects.base import Answer, RefusedError
from simulator.frames import Json

if TYPE_CHECKING:
    from simulator.charger import Charger

AUTHORIZATION_KEY_BYTES = range(16, 21)


def answer(charger: "Charger", action: str, payload: Json) -> Answer:
    """Answer one call.

    Raises:
        RefusedError: NotImplemented for an action that the simulator does not know.
    """
    handler = _HANDLERS.get(action)
    if handler is None:
        raise RefusedError("NotImplemented", f"{action} is not implemented")
    return handler(charger, payload)


def _get_configuration(charger: "Charger", payload: Json) -> Answer:
    asked = payload.get("key") or list(charger.settings)
    known = [
        {"key": key, "readonly": setting.readonly} | ({} if setting.secret else {"value": setting.value})
        for key in asked
        if (setting := charger.settings.get(key)) is not None
    ]
    unknown = [key for key in asked if key not in charger.settings]
    return Answer({"configurationKey": known} | ({"unknownKey": unknown} if unknown else {}))


def _change_configuration(charger: "Charger", payload: Json) -> Answer:
    key, value = payload["key"], payload["value"]
    if key == "AuthorizationKey":
        return _change_authorization_key(charger, value)
    setting = charger.settings.get(key)
    if setting is None:
        return Answer({"status": "NotSupported"})
    if setting.readonly:
        return Answer({"status": "Rejected"})
    setting.value = value
    charger.settings_changed()
    return Answer({"status": "Accepted"})


def _change_authorization_key(charger: "Charger", value: str) -> Answer:
    """Take a new password, sent as hex (security whitepaper, A01); it is used from the next connection on."""
    try:
        password = bytes.fromhex(value)
    except ValueError:
        return Answer({"status": "Rejected"})
    if len(password) not in AUTHORIZATION_KEY_BYTES:
        return Answer({"status": "Rejected"})
    return Answer({"status": "Accepted"}, then=partial(charger.use_password, password))


def _trigger(charger: "Charger", payload: Json) -> Answer:
    wanted = payload["requestedMessage"]
    match wanted:
        case "BootNotification":
            if not charger.personality.boots_when_triggered(charger):
                return Answer({"status": "Rejected"})
            return Answer({"status": "Accepted"}, then=charger.boot_again)
        case "StatusNotification":
            return Answer({"status": "Accepted"}, then=partial(charger.report, payload.get("connectorId")))
        case "Heartbeat":
            return Answer({"status": "Accepted"}, then=charger.send_heartbeat)
        case "MeterValues":
            return Answer({"status": "Accepted"}, then=charger.sample_meters)
        case "FirmwareStatusNotification":
            return Answer({"status": "Accepted"}, then=partial(charger.send_firmware_status, "Idle"))
        case _:
            return Answer({"status": "NotImplemented"})


def _change_availability(charger: "Charger", payload: Json) -> Answer:
    operative = payload["type"] == "Operative"
    chosen = [connector for connector in charger.connectors.values() if payload["connectorId"] in (0, connector.id)]
    if not chosen:
        return Answer({"status": "Rejected"})
    busy = charger.set_availability(chosen, operative=operative)
    return Answer({"status": "Scheduled" if busy else "Accepted"}, then=charger.report_changes)


def _remote_start(charger: "Charger", payload: Json) -> Answer:
    connector = charger.free_connector(payload.get("connectorId"))
    if connector is None:
        return Answer({"status": "Rejected"})
    start = partial(charger.start_transaction, connector.id, id_tag=payload["idTag"])
    return Answer({"status": "Accepted"}, then=start)


def _remote_stop(charger: "Charger", payload: Json) -> Answer:
    for connector in charger.connectors.values():
        if connector.transaction and connector.transaction.number == payload["transactionId"]:
            return Answer({"status": "Accepted"}, then=partial(charger.stop_transaction, connector.id, reason="Remote"))
    return Answer({"status": "Rejected"})


def _unlock(charger: "Charger", payload: Json) -> Answer:
    connector = charger.connectors.get(payload["connectorId"])
    if connector is None:
        return Answer({"status": "NotSupported"})
    if connector.transaction is None:
        return Answer({"status": "Unlocked"})
    stop = partial(charger.stop_transaction, connector.id, reason="UnlockCommand")
    return Answer({"status": "Unlocked"}, then=stop)


def _update_firmware(charger: "Charger", payload: Json) -> Answer:
    return Answer({}, then=partial(charger.update_firmware, str(payload["location"]).rsplit("/", 1)[-1]))


def _always(answered: Json) -> Callable[["Charger", Json], Answer]:
    return lambda _charger, _payload: Answer(dict(answered))


_HANDLERS: dict[str, Callable[["Charger", Json], Answer]] = {
    "ChangeAvailability": _change_availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": _always({"status": "Accepted"}),
    "DataTransfer": _always({"status": "UnknownVendorId"}),
    "ExtendedTriggerMessage": _trigger,
    "GetConfiguration": _get_configuration,
    "GetLocalListVersion": _always({"listVersion": -1}),
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "TriggerMessage": _trigger,
    "UnlockConnector": _unlock,
    "UpdateFirmware": _update_firmware,
}
