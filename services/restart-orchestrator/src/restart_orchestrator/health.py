"""PURE: how a charger is after it restarted."""

from collections.abc import Iterator
from datetime import datetime

from contracts.ocpp import ConnectorState
from contracts.restart import ConnectorCompared, Health
from restart_orchestrator.seen import USABLE, Report, Reset, Seen, counted, is_open

BOOT_LOOP = 3
"""So many starts of one attempt are a loop."""
ENDED_BY_OTHERS = frozenset(
    {
        "DeAuthorized",
        "EVDisconnected",
        "EnergyLimitReached",
        "Local",
        "LocalOutOfCredit",
        "MasterPass",
        "Remote",
        "SOCLimitReached",
        "StoppedByEV",
        "TimeLimitReached",
        "UnlockCommand",
    }
)
"""Reasons for the end of a transaction (1.6 section 7.30, 2.0.1 ReasonEnumType) that name something else."""


def health(seen: Seen, reset: Reset) -> tuple[Health, dict[str, str]]:
    """The worst that holds, with the facts a sentence about it needs."""
    starts, faults = counted(seen, reset), _faults(seen, reset)
    if len(starts) >= BOOT_LOOP:
        return Health.BOOT_LOOP, {"boots": str(len(starts)), **faults}
    if _went_away_again(seen, reset):
        return Health.UNSTABLE, faults
    missing = dict(_not_back(seen, reset))
    if missing:
        return Health.UNHEALTHY, {"connectors": _listed(missing), **faults}
    return Health.OK, faults


def whole_at(seen: Seen, reset: Reset) -> datetime | None:
    """When the last of the connectors was fit for use again; None where one is not, or none was heard of."""
    names = _connectors(seen, reset)
    if any(True for _ in _not_back(seen, reset)):
        return None
    since = [report.usable_since for name in names if (report := seen.connectors.get(name)) and report.usable_since]
    return max(since, default=None)


def interrupted(seen: Seen, reset: Reset) -> tuple[str, ...]:
    """The transactions that ran when the Reset was sent and that it ended.

    Some firmware never says so: then a connector that is available after the restart does. One that ended for somebody
    else's reason was not interrupted, and one that the charger goes on with, or was waited for, neither.
    """
    if reset.on_idle:
        return ()
    back = counted(seen, reset)
    free = {name for name, report in seen.connectors.items() if report.state is ConnectorState.AVAILABLE}
    return tuple(
        sorted(
            transaction
            for transaction, connector in reset.running.items()
            if (
                seen.ended[transaction] not in ENDED_BY_OTHERS
                if transaction in seen.ended
                else bool(back) and connector in free
            )
        )
    )


def compared(seen: Seen, reset: Reset) -> tuple[ConnectorCompared, ...]:
    """Each connector before the Reset and since; what `health` says is read from these."""
    return tuple(_compared(name, seen.connectors.get(name), reset) for name in _connectors(seen, reset))


def _compared(name: str, report: Report | None, reset: Reset) -> ConnectorCompared:
    evse_id, _, connector_id = name.partition("/")
    return ConnectorCompared(
        evse_id=int(evse_id),
        connector_id=int(connector_id),
        before=reset.connectors.get(name),
        since=report.state if report is not None else None,
        error_before=reset.faults.get(name),
        error_since=report.error_code if report is not None else None,
    )


def _went_away_again(seen: Seen, reset: Reset) -> bool:
    """Whether the charger itself ended a session after it was back; that we ended one says nothing about it."""
    if seen.left is None:
        return False
    starts = counted(seen, reset)
    return seen.left >= starts[0].epoch if starts else not is_open(seen, reset) and seen.left == seen.closed


def _connectors(seen: Seen, reset: Reset) -> list[str]:
    prefix = "" if reset.evse_id is None else f"{reset.evse_id}/"
    return [name for name in sorted({*reset.connectors, *seen.connectors}) if name.startswith(prefix)]


def _not_back(seen: Seen, reset: Reset) -> Iterator[tuple[str, str]]:
    """Each connector that is faulted, or not what it was, or silent since; with the word for it.

    Available, occupied and reserved count as the same: a cable may be plugged in or out meanwhile. Connector 0 is the
    whole charger, of which not every firmware speaks.
    """
    for name in _connectors(seen, reset):
        before, report = reset.connectors.get(name), seen.connectors.get(name)
        if report is None:
            if not name.endswith("/0"):
                yield name, "silent"
        elif report.state is ConnectorState.FAULTED or (report.state not in USABLE and before in USABLE):
            yield name, report.state.value


def _faults(seen: Seen, reset: Reset) -> dict[str, str]:
    """The faults of before the Reset and of after the restart, compared: new ones, those that stayed, those gone."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for name in _connectors(seen, reset):
        report = seen.connectors.get(name)
        if report is None:
            continue  # it has said nothing since, so there is nothing to compare
        was_faulted = reset.connectors.get(name) is ConnectorState.FAULTED
        if (code := reset.faults.get(name)) or was_faulted:
            before[name] = code or ConnectorState.FAULTED.value
        if report.error_code or report.state is ConnectorState.FAULTED:
            after[name] = report.error_code or ConnectorState.FAULTED.value
    kinds = {
        "faults_new": {name: code for name, code in after.items() if name not in before},
        "faults_left": {name: code for name, code in after.items() if name in before},
        "faults_gone": {name: code for name, code in before.items() if name not in after},
    }
    return {kind: _listed(found) for kind, found in kinds.items() if found}


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {word}" for name, word in found.items())
