"""The personalities by name; each reproduces something that a real charger was seen to do."""

from simulator.personalities import (
    aftermath,
    answers,
    evidence,
    ignoring,
    network,
    refusing,
    restarting,
    transactions,
    twice,
)
from simulator.personalities.base import NAMED, Personality, Restarting


def personality_of(wanted: str | Personality) -> Personality:
    """A personality for one charger, by name or as it is.

    Raises:
        ValueError: no personality has this name.
    """
    if isinstance(wanted, Personality):
        return wanted
    if wanted not in NAMED:
        raise ValueError(f"unknown personality {wanted!r}: choose one of {', '.join(sorted(NAMED))}")
    return NAMED[wanted]()


__all__ = [
    "NAMED",
    "Personality",
    "Restarting",
    "aftermath",
    "answers",
    "evidence",
    "ignoring",
    "network",
    "personality_of",
    "refusing",
    "restarting",
    "transactions",
    "twice",
]
