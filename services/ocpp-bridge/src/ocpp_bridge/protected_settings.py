"""Settings of a charger that no call of an operator may change, so that nothing lowers its security profile. Pure.

A00.FR.005 and 1.6's security extension: a profile may only be raised, and fleet's is the one that the bridge asks for.
"""

from ocpp_bridge.profiles import OVER_TLS, lowers_profile

_PROFILE = frozenset({"securityprofile", "allowsecurityprofiledowngrade"})
_WAY_IN = "networkconfigurationpriority"


def forbids(name: str, value: str, profile: int) -> str | None:
    """Why a setting may not be changed on a charger of this security profile; None when it may.

    Args:
        name: of the 1.6 configuration key or the 2.x variable; case does not count.
        value: the new one.
        profile: the charger's security profile, 0 to 3.
    """
    why = lowers_profile(name, value, profile)
    if why is not None:
        return why
    folded = name.strip().casefold()
    if folded in _PROFILE:
        return f"{name.strip()} decides how the charger proves who it is: change its security profile in fleet"
    if profile in OVER_TLS:
        if folded == _WAY_IN:
            return f"{name.strip()} could lead the charger to a connection of a lower security profile"
        if value.strip().casefold().startswith(("ws:", "http:")):
            return f"the charger has security profile {profile}: it must not be led to an address without TLS"
    return None
