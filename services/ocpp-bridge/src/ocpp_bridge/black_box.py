"""What is remembered of each charger for those who look inside: its last frames, its clock, how it deviates from OCPP.

Nothing of it decides anything. Frames are kept as they are and made presentable only when somebody looks; what one
charger, and all that have gone, may take of the memory is bounded.
"""

import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contracts.ocpp import FRAME_KEPT
from ocpp_bridge.dialects import Dialect
from ocpp_bridge.frames import CallError, CallResult
from ocpp_bridge.metrics import BridgeMetrics
from ocpp_bridge.redaction import shortened, shown

FRAMES = 24
BYTES = 8 * 1024
"""So many frames and bytes of frames are kept of one charger."""
GONE = 1000
"""So many chargers without a session are remembered, the longest gone giving way."""
SKEWS = 8
MODELS = 200
"""So many models are told apart in metrics: their names are the chargers' own, and anything may stand there."""
OTHER = "other"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame as it is shown. `truncated`: it was longer."""

    at: datetime
    by_charger: bool
    text: str
    truncated: bool


class Box:
    """What is remembered of one charger, on this instance, over its sessions.

    Attributes:
        vendor, model, firmware, serial: as its last boot said; None before one was heard here.
        booted_at: monotonic seconds of its last boot, or None.
        asked_to_boot: a boot was asked for on the session that it has now: the next ones prove nothing.
        deviations: how often it deviated from OCPP, by action and kind.
    """

    __slots__ = (
        "_bytes", "_frames", "_skews", "asked_to_boot", "booted_at", "deviations", "firmware", "model", "serial",
        "vendor",
    )  # fmt: skip

    def __init__(self) -> None:
        self.vendor: str | None = None
        self.model: str | None = None
        self.firmware: str | None = None
        self.serial: str | None = None
        self.booted_at: float | None = None
        self.asked_to_boot = False
        self.deviations: Counter[tuple[str, str]] | None = None
        self._frames: deque[tuple[float, bool, bytes, bool]] = deque()
        self._bytes = 0
        self._skews: tuple[float, ...] = ()

    def keep(self, frame: bytes, *, by_charger: bool, now: float) -> None:
        """Remembers a frame; `now` is monotonic seconds."""
        truncated = len(frame) > FRAME_KEPT
        if truncated:
            frame = shortened(frame).encode()
        frames = self._frames
        frames.append((now, by_charger, frame, truncated))
        self._bytes += len(frame)
        while len(frames) > FRAMES or self._bytes > BYTES:
            self._bytes -= len(frames.popleft()[2])

    def frames(self, now: datetime) -> list[KeptFrame]:
        """The last frames, the oldest first, without secrets."""
        monotonic = time.monotonic()
        return [
            KeptFrame(now - timedelta(seconds=monotonic - at), by_charger, shown(frame), truncated)
            for at, by_charger, frame, truncated in self._frames
        ]

    def told_time(self, reported_at: datetime, now: datetime) -> None:
        """Takes in a time by the charger's clock, from a message that came now."""
        self._skews = (*self._skews[1 - SKEWS :], (reported_at - now).total_seconds())

    @property
    def clock_skew_s(self) -> float | None:
        """By how many seconds the charger's clock is ahead (negative: behind); None before it named a time.

        Messages may have waited for a connection, which makes its clock look late: the least late of them counts.
        """
        return max(self._skews) if self._skews else None

    def booted(self, payload: dict[str, Any], now: float) -> None:
        """Takes in a BootNotification of any version; `now` is monotonic seconds."""
        station = payload.get("chargingStation")
        named = station if isinstance(station, dict) else payload
        self.vendor = _text(named, "vendorName", "chargePointVendor")
        self.model = _text(named, "model", "chargePointModel")
        self.firmware = _text(named, "firmwareVersion")
        self.serial = _text(named, "serialNumber", "chargePointSerialNumber", "chargeBoxSerialNumber")
        self.booted_at = now


class BlackBoxes:
    """The boxes of all chargers that this instance has met lately."""

    def __init__(self, metrics: BridgeMetrics) -> None:
        self._metrics = metrics
        self._here: dict[str, Box] = {}
        self._gone: OrderedDict[str, Box] = OrderedDict()
        self._models: set[str] = set()

    def opened(self, charger_id: str) -> Box:
        """The box of a charger whose session begins."""
        box = self._here.get(charger_id) or self._gone.pop(charger_id, None) or Box()
        box.asked_to_boot = False
        self._here[charger_id] = box
        return box

    def ended(self, charger_id: str) -> None:
        """A charger has no session here any more; it is remembered for a while."""
        box = self._here.pop(charger_id, None)
        if box is not None:
            self._gone[charger_id] = box
            while len(self._gone) > GONE:
                self._gone.popitem(last=False)

    def of(self, charger_id: str) -> Box | None:
        """What is remembered of a charger; None when it was not here, or long ago."""
        return self._here.get(charger_id) or self._gone.get(charger_id)

    def deviated(self, box: Box, protocol: str, action: str, kind: str) -> None:
        """Counts a deviation, for the charger and for its model. Actions and kinds are those that we know."""
        if box.deviations is None:
            box.deviations = Counter()
        box.deviations[action, kind] += 1
        self._metrics.deviations.labels(protocol, self.model_label(box.model), action, kind).inc()

    def answered(self, box: Box, dialect: Dialect, action: str, answer: CallResult | CallError) -> None:
        """Counts how a charger's answer to a call of ours deviates from its schema."""
        if isinstance(answer, CallResult):
            checked = dialect.schemas.check_answer(action, answer.payload)
            for kind in (*checked.deviations, *((checked.violation.value,) if checked.violation is not None else ())):
                self.deviated(box, dialect.protocol, action, kind)

    def model_label(self, model: str | None) -> str:
        """A model as it may stand in metrics."""
        if not model:
            return UNKNOWN
        if model not in self._models:
            if len(self._models) >= MODELS:
                return OTHER
            self._models.add(model)
        return model


def _text(payload: dict[str, Any], *names: str) -> str | None:
    found = (payload.get(name) for name in names)
    return next((value[:255] for value in found if isinstance(value, str) and value), None)
