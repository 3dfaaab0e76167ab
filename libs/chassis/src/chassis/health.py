"""Readiness and liveness: named checks, each of which answers with a reason in words or with nothing."""

from collections.abc import Callable

Check = Callable[[], str | None]
"""Answers None when all is well, else why not. It reads what is known; it does not wait."""


class Health:
    """The checks of one process.

    Ready says that work may be sent here. Live says that a restart of the process would not help; so a dependency that
    is away makes it not ready, and only a part that has silently stopped makes it not live.
    """

    def __init__(self) -> None:
        self._ready: dict[str, Check] = {}
        self._live: dict[str, Check] = {}

    def add_ready(self, name: str, check: Check) -> None:
        """Adds or replaces a readiness check."""
        self._ready[name] = check

    def add_live(self, name: str, check: Check) -> None:
        """Adds or replaces a liveness check."""
        self._live[name] = check

    def not_ready(self) -> dict[str, str]:
        """The reasons, by check, why no work should be sent here; empty when ready."""
        return _reasons(self._ready)

    def not_live(self) -> dict[str, str]:
        """The reasons, by check, why this process should be restarted; empty when live."""
        return _reasons(self._live)


def _reasons(checks: dict[str, Check]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, check in checks.items():
        try:
            reason = check()
        except Exception as error:  # noqa: BLE001 a broken check is itself a reason
            reason = f"the check itself failed: {error!r}"
        if reason is not None:
            found[name] = reason
    return found
