"""What a charger is made of and what survives its restarts: connectors, transactions, settings."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from uuid import uuid4

CHARGING_WATTS = 7400


@dataclass(frozen=True, slots=True)
class Plate:
    """The type plate, as BootNotification tells it."""

    vendor: str
    model: str
    serial: str
    firmware: str


@dataclass(slots=True)
class Setting:
    """One configuration key (1.6) or variable (2.x)."""

    value: str
    readonly: bool = False
    secret: bool = False


@dataclass(slots=True)
class Transaction:
    """One charging session in OCPP's sense.

    Attributes:
        connector_id: where (1.6 connector, 2.x EVSE).
        id_tag: who.
        uid: the id on 2.x, made by the charger.
        number: the id on 1.6, given by the server's answer; None until then.
        remote_start_id: of the server's request that started it (2.x).
        sequence: the next seqNo on 2.x.
    """

    connector_id: int
    id_tag: str
    meter_start: int
    uid: str = field(default_factory=lambda: str(uuid4()))
    number: int | None = None
    remote_start_id: int | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_monotonic: float = field(default_factory=monotonic)
    sequence: int = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence - 1

    def meter(self, speed: float) -> int:
        """Energy register in Wh now, for a charger whose time runs `speed` times as fast."""
        return self.meter_start + round((monotonic() - self.started_monotonic) * speed * CHARGING_WATTS / 3600)


@dataclass(slots=True)
class Connector:
    """One connector (1.6) or EVSE with one connector (2.x); `id` counts from 1.

    Attributes:
        fault: the 1.6 error code while it is faulted.
        operative: as ChangeAvailability left it; survives restarts.
        resetting: reported Unavailable because a restart is near.
        finishing: the transaction ended and the cable is still in.
        reported: the last status that was sent.
    """

    id: int
    plugged_in: bool = False
    fault: str | None = None
    operative: bool = True
    resetting: bool = False
    finishing: bool = False
    transaction: Transaction | None = None
    meter_wh: int = 1000
    reported: str | None = None

    @property
    def status_16(self) -> str:
        """Status in the words of OCPP 1.6."""
        if self.fault is not None:
            return "Faulted"
        if self.resetting:
            return "Unavailable"
        if self.transaction is not None:
            return "Charging"
        if not self.operative:
            return "Unavailable"
        if self.finishing:
            return "Finishing"
        return "Preparing" if self.plugged_in else "Available"

    @property
    def status_2(self) -> str:
        """Status in the words of OCPP 2.x."""
        if self.fault is not None:
            return "Faulted"
        if self.resetting or (not self.operative and self.transaction is None):
            return "Unavailable"
        return "Occupied" if self.plugged_in else "Available"

    def software_started(self) -> None:
        """Forget what a restart forgets."""
        self.resetting = False
        self.finishing = False
        self.reported = None


def configuration_16(connectors: int) -> dict[str, Setting]:
    """OCPP 1.6 configuration keys (1.6 section 9; AuthorizationKey from the security whitepaper)."""
    return {
        "AuthorizationKey": Setting("", secret=True),
        "ConnectionTimeOut": Setting("60"),
        "HeartbeatInterval": Setting("0"),
        "MeterValueSampleInterval": Setting("60"),
        "NumberOfConnectors": Setting(str(connectors), readonly=True),
        "ResetRetries": Setting("1"),
        "SecurityProfile": Setting("1", readonly=True),
        "SupportedFeatureProfiles": Setting("Core,FirmwareManagement,RemoteTrigger", readonly=True),
        "TransactionMessageAttempts": Setting("3"),
        "WebSocketPingInterval": Setting("0"),
    }


def variables_2(plate: Plate, connectors: int) -> dict[str, Setting]:
    """OCPP 2.x variables, keyed `Component.Variable`."""
    return {
        "ChargingStation.Model": Setting(plate.model, readonly=True),
        "ChargingStation.VendorName": Setting(plate.vendor, readonly=True),
        "ChargingStation.AllowReset": Setting("true", readonly=True),
        "ChargingStation.AvailabilityState": Setting("Available", readonly=True),
        "ChargingStation.SupplyPhases": Setting("3", readonly=True),
        "EVSE.AllowReset": Setting("false", readonly=True),
        "DeviceDataCtrlr.ItemsPerMessage": Setting("32", readonly=True),
        "OCPPCommCtrlr.HeartbeatInterval": Setting("0"),
        "OCPPCommCtrlr.ResetRetries": Setting("1"),
        "OCPPCommCtrlr.RetryBackOffRandomRange": Setting("3"),
        "OCPPCommCtrlr.RetryBackOffRepeatTimes": Setting("4"),
        "OCPPCommCtrlr.RetryBackOffWaitMinimum": Setting("2"),
        "OCPPCommCtrlr.WebSocketPingInterval": Setting("0"),
        "SampledDataCtrlr.TxUpdatedInterval": Setting("60"),
        "SecurityCtrlr.BasicAuthPassword": Setting("", secret=True),
        "SecurityCtrlr.Identity": Setting("", readonly=True),
        "SecurityCtrlr.SecurityProfile": Setting("1", readonly=True),
        "ChargingStation.ConnectorCount": Setting(str(connectors), readonly=True),
    }
