"""PURE: an attempt, the moves it makes, and how a move changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.restart import TERMINAL, Evidence, Refusal, Status, Step, Strength, Verdict
from restart_orchestrator.inputs import Asked
from restart_orchestrator.seen import NOTHING_SEEN, Reset, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When the state will be decided if nothing more is seen.

    `number` is the version of the attempt that began this wait: it tells two waits in the same state apart.
    """

    waiting_for: Status
    number: int
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to restart one charger.

    Attributes:
        version: how many moves it has made.
        steps: when each step that people watch was reached, first time counts.
        reset: the one Reset, once it is decided; None while nothing was sent.
        lost_at: when it was given up as lost, and `lost_version` the version of that verdict.
        revises: the version whose verdict the present one replaces.
    """

    attempt_id: UUID
    charger_id: str
    asked: Asked
    group_id: str | None
    model: str | None
    version: int = 0
    status: Status = Status.REQUESTED
    moved_at: datetime
    deadline: Deadline | None = None
    steps: Mapping[Step, datetime] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    existing_attempt_id: UUID | None = None
    reset: Reset | None = None
    seen: Seen = NOTHING_SEEN
    verdict: Verdict | None = None
    lost_at: datetime | None = None
    lost_version: int | None = None
    revises: int | None = None
    cancelled_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still under way."""
        return self.status not in TERMINAL


# --- transitions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An attempt exists: someone asked for it."""

    attempt_id: UUID
    charger_id: str
    asked: Asked
    group_id: str | None
    model: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An attempt moved to `status`, which may be the one it had, on this evidence.

    What a move does not name stays as it was, but for the deadline: it is the one that holds from now on.
    """

    at: datetime
    status: Status
    deadline: Deadline | None = None
    steps: Mapping[Step, datetime] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    existing_attempt_id: UUID | None = None
    reset: Reset | None = None
    seen: Seen | None = None
    verdict: Verdict | None = None
    revises: int | None = None
    cancelled_by: str | None = None


Transition = Opened | Moved


# --- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReset:
    """Send the charger one Reset, on session `epoch` only, before `not_after`."""

    attempt_id: UUID
    charger_id: str
    epoch: int
    strength: Strength
    on_idle: bool
    evse_id: int | None
    not_after: datetime
    watch_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeMe:
    """Tell the attempt when this deadline has passed."""

    attempt_id: UUID
    deadline: Deadline


Command = SendReset | WakeMe


class Idle(StrEnum):
    """Why an input changed nothing. The first two are no cause for concern and are counted apart all the same."""

    OVER = "over"
    """The attempt has its verdict; late news changes nothing."""
    KNOWN = "known"
    """It was said before."""
    NO_BEARING = "no_bearing"
    """It says nothing about this attempt as it stands, or names a wait that is over."""
    TOO_LATE = "too_late"
    """It can't be had any more: the Reset is on its way."""
    NOT_ALLOWED = "not_allowed"
    """The person may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from an input; `idle` says why, when nothing does."""

    transitions: tuple[Transition, ...] = ()
    commands: tuple[Command, ...] = ()
    idle: Idle | None = None


def evolve(attempt: Attempt | None, transition: Transition) -> Attempt:
    """The attempt after the transition. Raises ValueError for a move of an attempt that was never opened."""
    match transition:
        case Opened():
            return Attempt(
                attempt_id=transition.attempt_id,
                charger_id=transition.charger_id,
                asked=transition.asked,
                group_id=transition.group_id,
                model=transition.model,
                moved_at=transition.at,
                steps={Step.REQUESTED: transition.asked.requested_at},
            )
        case Moved():
            if attempt is None:
                raise ValueError(f"an attempt that was never opened cannot move to {transition.status}")
            return _moved(attempt, transition)
        case _:
            assert_never(transition)


def _moved(attempt: Attempt, move: Moved) -> Attempt:
    version = attempt.version + 1
    newly_lost = move.status is Status.LOST and attempt.status is not Status.LOST
    return replace(
        attempt,
        version=version,
        status=move.status,
        moved_at=move.at,
        deadline=move.deadline,
        steps={**move.steps, **attempt.steps},
        refusals=move.refusals or attempt.refusals,
        existing_attempt_id=move.existing_attempt_id or attempt.existing_attempt_id,
        reset=move.reset or attempt.reset,
        seen=move.seen or attempt.seen,
        verdict=move.verdict or attempt.verdict,
        lost_at=move.at if newly_lost else attempt.lost_at,
        lost_version=version if newly_lost else attempt.lost_version,
        revises=move.revises or attempt.revises,
        cancelled_by=move.cancelled_by or attempt.cancelled_by,
    )
