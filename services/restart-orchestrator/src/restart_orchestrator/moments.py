"""PURE: moments that a bridge's clock has told, beside those of our own: the two need not agree, and each may jump."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from restart_orchestrator.inputs import Booted, Input, SecurityEvent
from restart_orchestrator.seen import SKEW, Reset, Seen, Start

Told = TypeVar("Told", bound=Input)


def heard_now(event: Told, reset: Reset, now: datetime) -> Told:
    """The event as it is heard: it has happened by now. A clock that is ahead would put off the end of every wait."""
    latest = max(now, reset.at)
    if isinstance(event, Booted | SecurityEvent):
        event = replace(event, heard_at=latest)
    return event if event.at <= latest else replace(event, at=latest)


def ours(moment: datetime, seen: Seen, reset: Reset) -> datetime:
    """When it was by our clock, as near as can be said, for something that came after the Reset.

    A Reset is not sent before it is decided on: where its bridge says so, the bridge's clock is behind by so much, or
    more. Without that, a wait that begins with what the bridge says would be over before its time.
    """
    behind = max(timedelta(0), reset.at - seen.sent_at) if seen.sent_at is not None else timedelta(0)
    return max(moment + behind, reset.at)


def started_at(start: Start, seen: Seen, reset: Reset) -> datetime:
    """When the charger started, by our clock; when we heard of it, where the bridge's was put back since the Reset."""
    put_back = seen.sent_at is not None and start.at < seen.sent_at - SKEW
    return start.heard_at if put_back and start.heard_at is not None else ours(start.at, seen, reset)
