"""The first seconds after a boot, in which a charger is left alone: some start anew when they get a call too early."""

import time
from collections.abc import Mapping

from ocpp_bridge.black_box import Box


class Quiet:
    """How long each model is left alone.

    Args:
        usual_s: for operators' calls to any model.
        by_model: for the models named here instead, and for their Resets too: those are known to be delicate.
    """

    def __init__(self, usual_s: float, by_model: Mapping[str, float]) -> None:
        self._usual = usual_s
        self._by_model = {model.casefold(): seconds for model, seconds in by_model.items()}

    def before_call(self, box: Box, now: float | None = None) -> float:
        """Seconds that an operator's call must wait. `now` is monotonic seconds."""
        return self._left(box, self._by_model.get((box.model or "").casefold(), self._usual), now)

    def before_reset(self, box: Box, now: float | None = None) -> float:
        """Seconds that a Reset must wait: none, except for a model that is known to be delicate."""
        return self._left(box, self._by_model.get((box.model or "").casefold(), 0.0), now)

    @staticmethod
    def _left(box: Box, quiet_s: float, now: float | None) -> float:
        if box.booted_at is None or quiet_s <= 0:
            return 0.0
        return max(0.0, box.booted_at + quiet_s - (time.monotonic() if now is None else now))
