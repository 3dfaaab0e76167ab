"""OCPP 1.6: the messages of a charger."""

from typing import TYPE_CHECKING

from simulator.delivery import Letter
from simulator.dialects import answers_v16
from simulator.dialects.base import Answer, Message, RefusedError
from simulator.frames import Json, timestamp
from simulator.station import Connector, Plate, Setting, Transaction, configuration_16

if TYPE_CHECKING:
    from simulator.charger import Charger


class DialectV16:
    protocol = "ocpp1.6"
    timing_keys = ("HeartbeatInterval", "MeterValueSampleInterval")

    def settings(self, plate: Plate, connectors: int) -> dict[str, Setting]:
        del plate
        return configuration_16(connectors)

    def boot(self, plate: Plate, reason: str | None) -> Json:
        del reason  # 1.6 has no word for it
        return {
            "chargePointVendor": plate.vendor[:20],
            "chargePointModel": plate.model[:20],
            "chargePointSerialNumber": plate.serial[:25],
            "firmwareVersion": plate.firmware[:50],
        }

    def word_for(self, connector: Connector) -> str:
        return connector.status_16

    def has_whole_status(self) -> bool:
        return True

    def status(self, connector: Connector | None, status: str | None = None) -> Message:
        fault = connector.fault if connector else None
        payload = {
            "connectorId": connector.id if connector else 0,
            "errorCode": fault or "NoError",
            "status": status or (connector.status_16 if connector else "Available"),
            "timestamp": timestamp(),
        }
        return "StatusNotification", payload

    def started(self, transaction: Transaction) -> Letter:
        payload = {
            "connectorId": transaction.connector_id,
            "idTag": transaction.id_tag[:20],
            "meterStart": transaction.meter_start,
            "timestamp": timestamp(transaction.started_at),
        }

        def answered(answer: Json) -> None:
            transaction.number = answer.get("transactionId")

        return Letter("StartTransaction", lambda: payload, answered)

    def sampled(self, transaction: Transaction, meter_wh: int) -> Letter:
        sample = {"value": str(meter_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        payload: Json = {
            "connectorId": transaction.connector_id,
            "meterValue": [{"timestamp": timestamp(), "sampledValue": [sample]}],
        }

        def build() -> Json | None:
            return None if transaction.number is None else {**payload, "transactionId": transaction.number}

        return Letter("MeterValues", build)

    def ended(self, transaction: Transaction, meter_wh: int, reason: str) -> Letter:
        payload: Json = {"meterStop": meter_wh, "timestamp": timestamp(), "reason": reason}

        def build() -> Json | None:
            return None if transaction.number is None else {**payload, "transactionId": transaction.number}

        return Letter("StopTransaction", build)

    def stop_reason(self, reset_kind: str) -> str:
        return "HardReset" if reset_kind == "Hard" else "SoftReset"

    def security_event(self, kind: str, tech_info: str) -> Letter:
        payload = {"type": kind, "timestamp": timestamp(), "techInfo": tech_info}
        return Letter("SecurityEventNotification", lambda: payload)

    def firmware_status(self, status: str) -> Message:
        return "FirmwareStatusNotification", {"status": status}

    def reset_of(self, payload: Json) -> tuple[str, int | None]:
        kind = payload.get("type")
        if kind not in ("Soft", "Hard"):
            raise RefusedError("PropertyConstraintViolation", "type must be Soft or Hard")
        return str(kind), None

    def answer(self, charger: "Charger", action: str, payload: Json) -> Answer:
        return answers_v16.answer(charger, action, payload)
