"""OCPP's security profiles: which asks for what, and which changes over OCPP would lower one. Pure."""

from contracts.fleet import SecurityProfile

NO_PASSWORD: SecurityProfile = 0
CLIENT_CERTIFICATE: SecurityProfile = 3
WITH_PASSWORD = frozenset({1, 2})
OVER_TLS = frozenset({2, 3})

_PROFILE_NAMES = frozenset({"securityprofile"})
_DOWNGRADES = frozenset({"allowsecurityprofiledowngrade"})
_TRUE = frozenset({"true", "1"})


def lowers_profile(name: str, value: str, profile: int) -> str | None:
    """Why this change of a setting would lower a charger's security profile, in words; None when it would not.

    A profile is lowered by somebody at the charger or not at all (A00.FR.005, A05.FR.01). The errata's
    AllowSecurityProfileDowngrade opens the door to it and stays shut as well. A value that is no number is refused:
    nobody knows what a charger makes of it.

    Args:
        name: the configuration key (1.6) or variable (2.x).
        value: what it would become.
        profile: the charger's profile as fleet has it.
    """
    known = name.strip().casefold()
    wanted = value.strip().casefold()
    if known in _DOWNGRADES and wanted in _TRUE:
        return f"{name} would allow the charger's security profile to be lowered over OCPP (A00.FR.005)"
    if known not in _PROFILE_NAMES:
        return None
    if not (wanted.isascii() and wanted.isdigit()):
        return f"{name} is a number from 0 to 3, not {value!r}"
    if int(wanted) < profile:
        return (
            f"{name} {wanted} is lower than the charger's {profile}: a security profile is never lowered over OCPP "
            "(A00.FR.005); that takes somebody at the charger"
        )
    return None
