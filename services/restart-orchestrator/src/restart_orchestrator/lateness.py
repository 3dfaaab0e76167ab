"""PURE: what a charger's own clock says about the order of what it says, as far as it can be believed."""

from datetime import datetime, timedelta

CLOCK_TRUSTED = timedelta(days=1)
"""A charger's clock that is further off than that says nothing about what is old."""

CLOCK_BEHIND = timedelta(minutes=1)
"""So much a charger's clock may be behind ours before what it says of now is taken for something old."""


def said_late(reported_at: datetime | None, at: datetime, known_reported_at: datetime | None) -> bool:
    """Whether a status that came at `at` is older, by the charger's own clock, than what it has said before.

    Chargers send what they had queued, and some send a status of before the Reset as the last one. Both times must be
    believable: a charger may have put a clock right that was years ahead.
    """
    if reported_at is None or known_reported_at is None:
        return False
    trusted = max(abs(at - reported_at), abs(at - known_reported_at)) <= CLOCK_TRUSTED
    return trusted and reported_at < known_reported_at


def is_old(reported_at: datetime | None, at: datetime, since: datetime) -> bool:
    """Whether what came at `at` is of before `since` by the charger's own clock, so that it was queued until now."""
    if reported_at is None or at - reported_at > CLOCK_TRUSTED:
        return False
    return reported_at < since - CLOCK_BEHIND
