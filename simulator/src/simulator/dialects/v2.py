"""OCPP 2.0.1 and 2.1: the messages of a charger."""

from itertools import count
from typing import TYPE_CHECKING

from simulator.delivery import Letter
from simulator.dialects import answers_v2
from simulator.dialects.base import Answer, Message, RefusedError
from simulator.frames import Json, timestamp
from simulator.station import Connector, Plate, Setting, Transaction, variables_2

if TYPE_CHECKING:
    from simulator.charger import Charger

# stoppedReason -> triggerReason, where it is not StopAuthorized (2.0.1 part 2, TransactionEvent).
_TRIGGERS = {
    "ImmediateReset": "ResetCommand",
    "Remote": "RemoteStop",
    "EVDisconnected": "EVCommunicationLost",
    "PowerLoss": "AbnormalCondition",
    "Reboot": "AbnormalCondition",
}


class DialectV2:
    timing_keys = ("OCPPCommCtrlr.HeartbeatInterval", "SampledDataCtrlr.TxUpdatedInterval")

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self._event_ids = count(1)

    def settings(self, plate: Plate, connectors: int) -> dict[str, Setting]:
        return variables_2(plate, connectors)

    def boot(self, plate: Plate, reason: str | None) -> Json:
        station = {
            "vendorName": plate.vendor[:50],
            "model": plate.model[:20],
            "serialNumber": plate.serial[:25],
            "firmwareVersion": plate.firmware[:50],
        }
        return {"chargingStation": station} | ({} if reason is None else {"reason": reason})

    def word_for(self, connector: Connector) -> str:
        return connector.status_2

    def has_whole_status(self) -> bool:
        return False

    def status(self, connector: Connector | None, status: str | None = None) -> Message:
        status = status or (connector.status_2 if connector else "Available")
        at = timestamp()
        if self.protocol == "ocpp2.1":
            event: Json = {
                "eventId": next(self._event_ids),
                "timestamp": at,
                "trigger": "Delta",
                "actualValue": status,
                "eventNotificationType": "HardWiredNotification",
                "component": {"name": "Connector", "evse": {"id": connector.id, "connectorId": 1}}
                if connector
                else {"name": "ChargingStation"},
                "variable": {"name": "AvailabilityState"},
            }
            return "NotifyEvent", {"generatedAt": at, "seqNo": 0, "tbc": False, "eventData": [event]}
        return "StatusNotification", {
            "timestamp": at,
            "connectorStatus": status,
            "evseId": connector.id if connector else 0,
            "connectorId": 1 if connector else 0,
        }

    def started(self, transaction: Transaction) -> Letter:
        remote = transaction.remote_start_id
        token = {"idToken": transaction.id_tag[:36], "type": "ISO14443"}
        event = self._event(transaction, "Started", "Authorized" if remote is None else "RemoteStart")
        event["timestamp"] = timestamp(transaction.started_at)
        event["transactionInfo"] |= {"chargingState": "Charging"}
        if remote is not None:
            event["transactionInfo"] |= {"remoteStartId": remote}
        event |= {"idToken": token, "meterValue": self._meter(transaction.meter_start, "Transaction.Begin")}
        return Letter("TransactionEvent", lambda: event)

    def sampled(self, transaction: Transaction, meter_wh: int) -> Letter:
        event = self._event(transaction, "Updated", "MeterValuePeriodic")
        event["transactionInfo"] |= {"chargingState": "Charging"}
        event["meterValue"] = self._meter(meter_wh, "Sample.Periodic")
        return Letter("TransactionEvent", lambda: event)

    def ended(self, transaction: Transaction, meter_wh: int, reason: str) -> Letter:
        event = self._event(transaction, "Ended", _TRIGGERS.get(reason, "StopAuthorized"))
        event["transactionInfo"] |= {"stoppedReason": reason}
        event["meterValue"] = self._meter(meter_wh, "Transaction.End")
        return Letter("TransactionEvent", lambda: event)

    def stop_reason(self, reset_kind: str) -> str:
        del reset_kind  # 2.x knows one word only
        return "ImmediateReset"

    def security_event(self, kind: str, tech_info: str) -> Letter:
        payload = {"type": kind, "timestamp": timestamp(), "techInfo": tech_info}
        return Letter("SecurityEventNotification", lambda: payload)

    def firmware_status(self, status: str) -> Message:
        return "FirmwareStatusNotification", {"status": status} | ({} if status == "Idle" else {"requestId": 1})

    def reset_of(self, payload: Json) -> tuple[str, int | None]:
        kind, evse_id = payload.get("type"), payload.get("evseId")
        known = ("Immediate", "OnIdle", "ImmediateAndResume") if self.protocol == "ocpp2.1" else ("Immediate", "OnIdle")
        if kind not in known:
            raise RefusedError("PropertyConstraintViolation", f"type must be one of {', '.join(known)}")
        if evse_id is not None and not isinstance(evse_id, int):
            raise RefusedError("TypeConstraintViolation", "evseId must be an integer")
        return str(kind), evse_id

    def answer(self, charger: "Charger", action: str, payload: Json) -> Answer:
        return answers_v2.answer(charger, action, payload)

    def _event(self, transaction: Transaction, kind: str, trigger: str) -> Json:
        return {
            "eventType": kind,
            "timestamp": timestamp(),
            "triggerReason": trigger,
            "seqNo": transaction.next_sequence(),
            "transactionInfo": {"transactionId": transaction.uid},
            "evse": {"id": transaction.connector_id, "connectorId": 1},
        }

    def _meter(self, meter_wh: int, context: str) -> list[Json]:
        sample = {"value": meter_wh, "context": context, "measurand": "Energy.Active.Import.Register"}
        return [{"timestamp": timestamp(), "sampledValue": [sample]}]
