"""Which OCPP calls an operator may make through us, and what stands in the way of the others. Pure.

On the list is what reads, and what can be taken back. Not on it: Reset (that is an attempt, with a verdict), what moves
money or energy, what opens a lock, what uploads to an address, firmware, certificates, vendors' own DataTransfer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.calls import CallFailure
from ocpp_bridge.dialects import V16, V21, V201, Dialect
from ocpp_bridge.frames import Json

_ANY = frozenset({"ChangeAvailability", "ClearCache", "GetCompositeSchedule", "GetLocalListVersion", "TriggerMessage"})
_V2 = _ANY | {
    "GetBaseReport",
    "GetChargingProfiles",
    "GetDisplayMessages",
    "GetInstalledCertificateIds",
    "GetMonitoringReport",
    "GetReport",
    "GetTransactionStatus",
    "GetVariables",
    "SetVariables",
}
ALLOWED: dict[str, frozenset[str]] = {
    V16.protocol: _ANY
    | {"ChangeConfiguration", "ExtendedTriggerMessage", "GetConfiguration", "GetInstalledCertificateIds"},
    V201.protocol: _V2,
    V21.protocol: _V2 | {"GetDERControl", "GetPeriodicEventStream", "GetTariffs"},
}

ELSEWHERE = "a password is changed with POST …/credentials and `via: ocpp`, so that the new one is kept"
PASSWORDS = frozenset({"authorizationkey", "basicauthpassword"})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a call is not made, in a word for programs and in a sentence for people."""

    why: CallFailure
    detail: str


Forbids = Callable[[str, str, int], str | None]
"""Why a setting (name, new value) may not be changed on a charger of this security profile; None when it may."""


def obstacle(
    dialect: Dialect, action: str, payload: Json, *, profile: int, attempt_open: bool, forbids: Forbids
) -> Obstacle | None:
    """What stands in the way of a call; None when it may be made.

    Args:
        dialect: of the charger's session.
        action: the name of the request.
        payload: its fields, as they would be sent.
        profile: the charger's security profile.
        attempt_open: whether the charger is being restarted.
        forbids: judges each setting that the call would change.
    """
    allowed = ALLOWED[dialect.protocol]
    if action not in allowed:
        known = dialect.schemas.knows(action)
        what = f"{action} is not among the calls that can be made here" if known else f"there is no {action!r}"
        also = "; to restart a charger, ask for a restart" if action == "Reset" else ""
        return Obstacle("not_allowed", f"{dialect.protocol}: {what}{also}. Allowed: {', '.join(sorted(allowed))}")
    wrong = _malformed(dialect, action, payload)
    if wrong is not None:
        return Obstacle("invalid", f"{dialect.protocol} {action}: {wrong}")
    if attempt_open and asks_for_boot(action, payload):
        return Obstacle("attempt_open", "a boot that was asked for would forge the evidence of the restart under way")
    for name, value in changes(action, payload):
        if name.strip().casefold() in PASSWORDS:
            return Obstacle("not_allowed", ELSEWHERE)
        why = forbids(name, value, profile)
        if why is not None:
            return Obstacle("not_allowed", why)
    return None


def asks_for_boot(action: str, payload: Json) -> bool:
    """Whether a call makes the charger send a BootNotification."""
    return action.endswith("TriggerMessage") and payload.get("requestedMessage") == "BootNotification"


def changes(action: str, payload: Json) -> list[tuple[str, str]]:
    """The settings that a well-formed call would change, each with its new value."""
    if action == "ChangeConfiguration":
        return [(payload["key"], payload["value"])]
    if action == "SetVariables":
        return [(_name(each), each["attributeValue"]) for each in payload["setVariableData"]]
    return []


def _name(variable: dict[str, Any]) -> str:
    name: str = variable["variable"]["name"]
    return name


def _malformed(dialect: Dialect, action: str, payload: Json) -> str | None:
    # What chargers are forgiven, we are not: a charger may be stricter than we are.
    checked = dialect.schemas.check_call(action, payload)
    if checked.violation is not None:
        return checked.why
    if checked.deviations:
        return f"the payload does not follow the schema ({', '.join(checked.deviations)})"
    return None
