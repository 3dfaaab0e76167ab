"""How much one session may send before it is ended: frames, and frames that are none."""

from dataclasses import dataclass

from ocpp_bridge.buckets import Bucket

BAD_FRAMES_PER_SECOND = 1.0
BURST_S = 10.0
FRAME_BYTES = 16 * 1024
"""A frame counts as one more for every so many bytes: they take time as frames do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may send; see `ocpp_bridge.settings`."""

    frame_soft_limit: int
    frames_per_second: float
    bad_frames: int
    waiting_calls: int


class Allowance:
    """What one session has left of its limits. Times are monotonic seconds."""

    __slots__ = ("_bad", "_rate")

    def __init__(self, limits: Limits, now: float) -> None:
        self._rate = Bucket.full(limits.frames_per_second * BURST_S, limits.frames_per_second, now)
        self._bad = Bucket.full(limits.bad_frames, BAD_FRAMES_PER_SECOND, now)

    def frame(self, now: float, size: int = 0) -> bool:
        """Takes a frame of so many bytes, or a control frame; returns False when that is one too many."""
        return self._rate.take(now, 1 + size / FRAME_BYTES)

    def bad_frame(self, now: float) -> bool:
        """Takes a frame that is none, or too big; returns False when that is one too many."""
        return self._bad.take(now)
