"""PURE: an attempt, the moves it makes, and how a move changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.restart import (
    TERMINAL,
    Confidence,
    Escalated,
    Evidence,
    Refusal,
    Status,
    Step,
    Strength,
    Verdict,
    Withdrawal,
)
from contracts.words import Role
from restart_orchestrator.inputs import Asked
from restart_orchestrator.seen import NOTHING_SEEN, Reset, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When the state will be decided if nothing more is seen.

    `number` is the version of the attempt that began this wait: it tells two waits in the same state apart.
    `asked_at`: when the bridge was asked whether the charger is there, where that is what is waited for, and `asked_of`
    the session that it was asked about.
    """

    waiting_for: Status
    number: int
    due: datetime
    asked_at: datetime | None = None
    asked_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to restart one charger.

    Attributes:
        firmware: of the charger, when the attempt was asked for; role and plan: of the person and the group then.
        version: how many moves it has made.
        steps: when each step that people watch was reached, first time counts.
        reset: the Reset, once it is decided; None while nothing was sent. seen: what was seen of it.
        escalations: the harder Reset that followed the first, if one did; `former` is what held before.
        lost_at: when it was given up as lost, and `lost_version` the version of that verdict.
        revises: the version whose verdict the present one replaces.
        withdrawal: someone asked to take it back when its Reset was on its way, and what came of that.
        superseded: it was lost when a newer attempt's Reset was decided on, so that nothing can revise it any more.
    """

    attempt_id: UUID
    charger_id: str
    asked: Asked
    group_id: str | None
    model: str | None
    firmware: str | None = None
    role: Role | None = None
    plan: str | None = None
    version: int = 0
    status: Status = Status.REQUESTED
    moved_at: datetime
    deadline: Deadline | None = None
    steps: Mapping[Step, datetime] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    existing_attempt_id: UUID | None = None
    reset: Reset | None = None
    seen: Seen = NOTHING_SEEN
    escalations: tuple[Escalated, ...] = ()
    former: Verdict | None = None
    verdict: Verdict | None = None
    lost_at: datetime | None = None
    lost_version: int | None = None
    revises: int | None = None
    cancelled_by: str | None = None
    withdrawal: Withdrawal | None = None
    superseded: bool = False

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
    firmware: str | None = None
    role: Role | None = None
    plan: str | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An attempt moved to `status`, which may be the one it had, on this evidence.

    What a move does not name stays as it was, but for the deadline: it is the one that holds from now on.

    Attributes:
        confidence: how sure it is that the attempt stands where it moves to.
        sentence: what happened, for people.
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
    escalated: Escalated | None = None
    former: Verdict | None = None
    verdict: Verdict | None = None
    revises: int | None = None
    cancelled_by: str | None = None
    withdrawal: Withdrawal | None = None
    superseded: bool = False
    confidence: Confidence | None = None
    sentence: str = ""


Transition = Opened | Moved


# --- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReset:
    """Send the charger one Reset, on session `epoch` only, before `not_after`; `number` counts an attempt's from 0."""

    attempt_id: UUID
    charger_id: str
    epoch: int
    strength: Strength
    on_idle: bool
    evse_id: int | None
    not_after: datetime
    watch_until: datetime
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Say whether the charger is there, on session `epoch`, as soon as it is heard; `number` is that of its Reset."""

    attempt_id: UUID
    charger_id: str
    epoch: int
    not_after: datetime
    asked_at: datetime
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Do not send the Reset for session `epoch`, unless it is claimed already; say which of the two holds."""

    attempt_id: UUID
    charger_id: str
    epoch: int
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeMe:
    """Tell the attempt when this deadline has passed."""

    attempt_id: UUID
    deadline: Deadline


Spoken = SendReset | Probe | Withdraw
"""What the bridge is told."""
Command = Spoken | WakeMe


class Idle(StrEnum):
    """Why an input changed nothing. The first two are no cause for concern and are counted apart all the same."""

    OVER = "over"
    """The attempt has its verdict; late news changes nothing."""
    KNOWN = "known"
    """It was said before."""
    NO_BEARING = "no_bearing"
    """It says nothing about this attempt as it stands, or names a wait that is over."""
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
                firmware=transition.firmware,
                role=transition.role,
                plan=transition.plan,
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
        escalations=(*attempt.escalations, move.escalated) if move.escalated else attempt.escalations,
        former=move.former or attempt.former,
        verdict=move.verdict or attempt.verdict,
        lost_at=move.at if newly_lost else attempt.lost_at,
        lost_version=version if newly_lost else attempt.lost_version,
        revises=move.revises or attempt.revises,
        cancelled_by=move.cancelled_by or attempt.cancelled_by,
        withdrawal=move.withdrawal or attempt.withdrawal,
        superseded=move.superseded or attempt.superseded,
    )
