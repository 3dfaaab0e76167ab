"""Token buckets in memory: how often something may happen, for one thing or for each of many."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds up to `capacity` tokens and gains `per_second`. Time is monotonic seconds, given by the caller."""

    capacity: float
    per_second: float
    tokens: float
    at: float

    @classmethod
    def full(cls, capacity: float, per_second: float, now: float) -> "Bucket":
        return cls(capacity, per_second, capacity, now)

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Takes `cost` tokens; returns False, and takes nothing, when there are too few."""
        if self.left(now) < cost:
            return False
        self.tokens -= cost
        return True

    def left(self, now: float) -> float:
        """How many tokens there are."""
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.per_second)
        self.at = now
        return self.tokens

    def wait(self, cost: float = 1.0) -> float:
        """Seconds until there are `cost` tokens, counted from the last look."""
        return max(0.0, (cost - self.tokens) / self.per_second)


class Buckets:
    """A bucket for each key. Only the `keys_at_most` last used are kept: memory is bounded, whoever knocks."""

    def __init__(self, capacity: float, per_second: float, *, keys_at_most: int = 50_000) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._keys_at_most = keys_at_most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` has a token again; 0 when it has one."""
        bucket = self._buckets.get(key)
        if bucket is None or bucket.left(now) >= 1.0:
            return 0.0
        return bucket.wait()

    def take(self, key: str, now: float) -> None:
        """Takes a token of `key`, as far as it has one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket.full(self._capacity, self._per_second, now)
            if len(self._buckets) > self._keys_at_most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        bucket.take(now)
