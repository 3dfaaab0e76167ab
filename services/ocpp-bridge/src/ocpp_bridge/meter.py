"""The energy register in a charger's meter values, in Wh."""

import math
from collections.abc import Sequence
from typing import Any

REGISTER = "Energy.Active.Import.Register"
_WH = {"Wh": 1.0, "kWh": 1000.0}


def register_wh(meter_values: Any) -> float | None:
    """The newest reading of the whole energy register, not of one phase; None when there is none.

    Understands 1.6 (values are text, `unit` beside them) and 2.x (numbers, `unitOfMeasure` with a multiplier).
    """
    for meter_value in reversed(_list(meter_values)):
        samples = _list(meter_value.get("sampledValue")) if isinstance(meter_value, dict) else []
        for sample in samples:
            if (
                isinstance(sample, dict)
                and sample.get("measurand", REGISTER) == REGISTER
                and "phase" not in sample
                and sample.get("format", "Raw") == "Raw"
            ):
                found = _wh(sample)
                if found is not None:
                    return found
    return None


def _wh(sample: dict[str, Any]) -> float | None:
    measure = sample.get("unitOfMeasure")
    unit, multiplier = sample.get("unit", "Wh"), 0
    if isinstance(measure, dict):
        unit, multiplier = measure.get("unit", "Wh"), measure.get("multiplier", 0)
    try:
        found = float(sample["value"]) * _WH[unit] * 10.0**multiplier
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None  # a broken meter's value is the text NaN


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
