"""PURE: how a charger is after it restarted."""

from collections.abc import Iterator

from contracts.ocpp import ConnectorState
from contracts.restart import Health
from restart_orchestrator.seen import Reset, Seen, counted, is_open

BOOT_LOOP = 3
"""So many starts of one attempt are a loop."""
USABLE = frozenset({ConnectorState.AVAILABLE, ConnectorState.OCCUPIED, ConnectorState.RESERVED})


def health(seen: Seen, reset: Reset) -> tuple[Health, dict[str, str]]:
    """The worst that holds, with the facts a sentence about it needs."""
    starts = counted(seen, reset)
    if len(starts) >= BOOT_LOOP:
        return Health.BOOT_LOOP, {"boots": str(len(starts))}
    if _went_away_again(seen, reset):
        return Health.UNSTABLE, {}
    missing = dict(_not_back(seen, reset))
    if missing:
        return Health.UNHEALTHY, {"connectors": ", ".join(f"{name} {state}" for name, state in missing.items())}
    return Health.OK, {}


def _went_away_again(seen: Seen, reset: Reset) -> bool:
    """Whether the charger itself ended a session after it was back; that we ended one says nothing about it."""
    if seen.left is None:
        return False
    starts = counted(seen, reset)
    return seen.left >= starts[0].epoch if starts else not is_open(seen, reset) and seen.left == seen.closed


def _not_back(seen: Seen, reset: Reset) -> Iterator[tuple[str, str]]:
    """Each connector that is faulted, or not what it was, or silent since; with the word for it.

    Available, occupied and reserved count as the same: a cable may be plugged in or out meanwhile. Connector 0 is the
    whole charger, of which not every firmware speaks.
    """
    prefix = "" if reset.evse_id is None else f"{reset.evse_id}/"
    for name in sorted({*reset.connectors, *seen.connectors}):
        if not name.startswith(prefix):
            continue
        before, report = reset.connectors.get(name), seen.connectors.get(name)
        if report is None:
            if not name.endswith("/0"):
                yield name, "silent"
        elif report.state is ConnectorState.FAULTED or (report.state not in USABLE and before in USABLE):
            yield name, report.state.value
