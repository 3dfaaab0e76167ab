"""How often wrong credentials were shown: by identity and address, by address, and where that makes others wait."""

from collections import OrderedDict
from collections.abc import Callable

from ocpp_bridge.buckets import Buckets

ADDRESS_SHARE = 10
"""How many times the failures of one identity an address may have: chargers share addresses."""
ADDRESSES = 50_000


class Failures:
    """Counts wrong credentials. All times are monotonic seconds.

    By identity and address together, so that a stranger can't lock a charger out from elsewhere; and by address, which
    alone keeps nobody out who has the right password: chargers share addresses with strangers, all of them where a
    balancer stands before us.

    A charger is at home where it showed the right password last. A stranger who shares its home could fail in its name
    all the time, so there the limit must not keep anybody from being looked at; nor where no home is known yet.

    Args:
        wrong: so many wrong credentials are allowed for one identity from one address.
        wrong_every_s: one more is allowed after so many seconds.
    """

    def __init__(self, *, wrong: int, wrong_every_s: float) -> None:
        self._pairs = Buckets(wrong, 1 / wrong_every_s)
        self._addresses = Buckets(wrong * ADDRESS_SHARE, ADDRESS_SHARE / wrong_every_s)
        self._homes: dict[str, str] = {}

    def wait(self, charger_id: str, address: str, now: float) -> float:
        """Seconds until this identity may fail again from there; 0 when it may."""
        return self._pairs.wait(_pair(charger_id, address), now)

    def address_wait(self, address: str, now: float) -> float:
        """Seconds until anybody may fail again from there; 0 when they may."""
        return self._addresses.wait(address, now)

    def failed(self, address: str, now: float, charger_id: str | None = None) -> None:
        """Somebody there showed wrong credentials, as this charger or as nobody."""
        if charger_id is not None:
            self._pairs.take(_pair(charger_id, address), now)
        self._addresses.take(address, now)

    def came_in(self, charger_id: str, address: str) -> None:
        """The charger has shown the right password there."""
        self._homes[charger_id] = address

    def may_be_at_home(self, charger_id: str, address: str) -> bool:
        """Whether the charger was there last, or it is not known where it was."""
        return self._homes.get(charger_id, address) == address

    def forget(self, charger_id: str) -> None:
        """The charger may no longer connect."""
        self._homes.pop(charger_id, None)


class Turns:
    """When an address may begin its next TLS handshake.

    One whose handshakes and credentials have failed too often gets so many a second, in their order: each takes a
    millisecond of the processor before it can be told whether it is a good one.

    Args:
        failures: tells which addresses those are.
        per_second: how many they may begin.
        patience_s: nobody waits longer; who would have to is turned away.
    """

    def __init__(self, failures: Failures, *, per_second: float, patience_s: float) -> None:
        self._failures = failures
        self._every = 1 / per_second
        self._patience = patience_s
        self._next: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str, now: float) -> float | None:
        """Seconds until it is this one's turn; None when that would take too long. Monotonic seconds."""
        if self._failures.address_wait(address, now) <= 0:
            return 0.0
        turn = max(now, self._next.get(address, now))
        if turn - now > self._patience:
            return None
        self._next[address] = turn + self._every
        self._next.move_to_end(address)
        if len(self._next) > ADDRESSES:
            self._next.popitem(last=False)
        return turn - now


Turn = Callable[[str], float | None]
"""Seconds until an address may begin a handshake, or None when it may not."""


def _pair(charger_id: str, address: str) -> str:
    return f"{charger_id} {address}"
