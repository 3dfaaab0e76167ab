"""Tells what happens to one attempt, in seconds after its request; the tests and the architecture page are told so."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from contracts.availability import Situation
from contracts.ocpp import ConnectorState
from contracts.restart import Evidence, Strength, When
from contracts.words import REMOTE_RESTART, Role
from restart_orchestrator.attempt import decide
from restart_orchestrator.inputs import (
    Accepted,
    Asked,
    Booted,
    Cancel,
    Connected,
    ConnectorReported,
    DeadlinePassed,
    Disconnected,
    Input,
    NotDelivered,
    NotWithdrawn,
    Past,
    Probed,
    Rejected,
    Request,
    Scheduled,
    SecurityEvent,
    Sent,
    Standing,
    StandingChanged,
    Superseded,
    TransactionEnded,
    Unanswered,
    Unsupported,
    Withdrawn,
)
from restart_orchestrator.states import Attempt, Decision, Moved, Probe, SendReset, WakeMe, Withdraw, evolve
from restart_orchestrator.windows import Windows

START = datetime(2026, 1, 1, tzinfo=UTC)
ATTEMPT_ID = UUID("00000000-0000-4000-8000-000000000001")
CHARGER_ID = "CHARGER-1"
PERSON = "ada"
FEATURES = frozenset({REMOTE_RESTART})
CONNECTOR = "1/1"
RESET_ON = 7
"""The session that the Reset is sent on; the next ones are 8, 9, …"""

FREE = Situation(
    role=Role.ADMINISTRATOR,
    plan="business",
    features=FEATURES,
    model="Model X",
    abilities=FEATURES,
    online=True,
)
"""Nothing stands in the way."""
QUIET = Standing(
    situation=FREE,
    group_id="group-1",
    model="Model X",
    epoch=RESET_ON,
    protocol="ocpp1.6",
    quiet_since=START - timedelta(hours=1),
    connectors={CONNECTOR: ConnectorState.AVAILABLE},
)
"""A charger that has been online for an hour, with one free connector."""
ESCALATING = replace(QUIET, past=Past(per_day=2))
"""The same, in a group that allows a harder Reset after a softer one that brought nothing."""
DEFAULT_WINDOWS = Windows()


def at(seconds: float) -> datetime:
    """The moment so many seconds after the request."""
    return START + timedelta(seconds=seconds)


def standing(base: Standing = QUIET, *, protocol: str | None = None, **situation: object) -> Standing:
    """A standing like `base`, but for what is named of its situation, and for its protocol."""
    changed = replace(base.situation, **situation)  # type: ignore[arg-type]
    return replace(base, situation=changed, protocol=protocol or base.protocol)


def _id(*parts: object) -> UUID:
    return uuid5(ATTEMPT_ID, "/".join(str(part) for part in parts))


def requested(
    when: When = When.NOW,
    *,
    seconds: float = 0,
    by: Standing = QUIET,
    strength: Strength = Strength.AUTO,
    evse_id: int | None = None,
    interrupt_charging: bool = False,
    expires: float | None = None,
    attempt_id: UUID = ATTEMPT_ID,
) -> Request:
    asked = Asked(
        requested_by=PERSON,
        requested_at=at(seconds),
        when=when,
        strength=strength,
        evse_id=evse_id,
        interrupt_charging=interrupt_charging,
        expires_at=at(expires) if expires is not None else None,
    )
    return Request(
        event_id=_id("request", attempt_id),
        at=at(seconds),
        attempt_id=attempt_id,
        charger_id=CHARGER_ID,
        asked=asked,
        standing=by,
    )


def cancelled(seconds: float, *, by: str = PERSON, role: Role | None = Role.ADMINISTRATOR) -> Cancel:
    return Cancel(event_id=_id("cancel", seconds), at=at(seconds), cancelled_by=by, role=role)


def changed(seconds: float, now: Standing) -> StandingChanged:
    return StandingChanged(event_id=_id("changed", seconds), at=at(seconds), standing=now)


def superseded(seconds: float) -> Superseded:
    return Superseded(event_id=_id("superseded", seconds), at=at(seconds))


def sent(seconds: float = 0.01, *, number: int = 0) -> Sent:
    return Sent(event_id=_id("sent", number), at=at(seconds), epoch=RESET_ON, number=number)


def accepted(seconds: float = 0.02, *, on: int = RESET_ON, number: int = 0) -> Accepted:
    event_id = _id("accepted", number)
    return Accepted(event_id=event_id, at=at(seconds), epoch=RESET_ON, answer_epoch=on, number=number)


def scheduled(seconds: float = 0.02) -> Scheduled:
    return Scheduled(event_id=_id("scheduled"), at=at(seconds), epoch=RESET_ON, answer_epoch=RESET_ON)


def rejected(
    seconds: float = 0.02, info: str | None = None, *, by: Standing | None = None, number: int = 0
) -> Rejected:
    event_id = _id("rejected", number)
    return Rejected(event_id=event_id, at=at(seconds), epoch=RESET_ON, info=info, standing=by, number=number)


def unsupported(seconds: float = 0.02, code: str = "NotSupported") -> Unsupported:
    return Unsupported(event_id=_id("unsupported"), at=at(seconds), epoch=RESET_ON, code=code)


def unanswered(seconds: float = 30, why: str = "timeout", error: str | None = None) -> Unanswered:
    return Unanswered(event_id=_id("unanswered"), at=at(seconds), epoch=RESET_ON, why=why, error=error)


def not_delivered(seconds: float = 0.02, why: str = "not_connected", *, number: int = 0) -> NotDelivered:
    event_id = _id("not_delivered", number)
    return NotDelivered(event_id=event_id, at=at(seconds), epoch=RESET_ON, why=why, number=number)


def withdrawn(seconds: float = 0.02) -> Withdrawn:
    return Withdrawn(event_id=_id("withdrawn"), at=at(seconds), epoch=RESET_ON)


def not_withdrawn(seconds: float = 0.02) -> NotWithdrawn:
    return NotWithdrawn(event_id=_id("not_withdrawn"), at=at(seconds), epoch=RESET_ON)


def probed(
    seconds: float,
    session: int = RESET_ON,
    *,
    number: int = 0,
    by: Standing | None = None,
    lasted: float | None = None,
) -> Probed:
    event_id = _id("probed", session, number, seconds)
    return Probed(event_id=event_id, at=at(seconds), epoch=session, number=number, standing=by, lasted_s=lasted)


def connected(seconds: float, session: int = RESET_ON + 1) -> Connected:
    return Connected(event_id=_id("connected", session), at=at(seconds), epoch=session)


def dropped(seconds: float, session: int = RESET_ON, why: str = "lost") -> Disconnected:
    return Disconnected(event_id=_id("dropped", session, why), at=at(seconds), epoch=session, why=why)


def booted(
    seconds: float,
    session: int = RESET_ON + 1,
    *,
    reason: str | None = None,
    solicited: bool = False,
    owed_since: int | None = None,
) -> Booted:
    return Booted(
        event_id=_id("booted", session, seconds),
        at=at(seconds),
        epoch=session,
        reason=reason,
        solicited=solicited,
        owed_since=owed_since,
    )


def status(
    seconds: float,
    state: ConnectorState = ConnectorState.AVAILABLE,
    session: int = RESET_ON + 1,
    *,
    connector: str = CONNECTOR,
    error: str | None = None,
    said: float | None = None,
) -> ConnectorReported:
    """A connector's status; `said` is when by the charger's own clock, if it is not when it arrived."""
    return ConnectorReported(
        event_id=_id("status", session, connector, state, seconds),
        at=at(seconds),
        epoch=session,
        connector=connector,
        state=state,
        error_code=error,
        reported_at=at(seconds if said is None else said),
    )


def transaction_ended(
    seconds: float,
    reason: str | None = None,
    session: int = RESET_ON,
    *,
    idle: bool = True,
    transaction: str | None = None,
    said: float | None = None,
) -> TransactionEnded:
    return TransactionEnded(
        event_id=_id("transaction", session, reason, seconds),
        at=at(seconds),
        epoch=session,
        transaction_id=transaction,
        reason=reason,
        idle=idle,
        reported_at=at(seconds if said is None else said),
    )


def security_event(
    seconds: float, kind: str, session: int = RESET_ON + 1, *, said: float | None = None
) -> SecurityEvent:
    return SecurityEvent(
        event_id=_id("security", session, kind),
        at=at(seconds),
        epoch=session,
        kind=kind,
        reported_at=at(seconds if said is None else said),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What has happened to one attempt so far. Time passes by itself: due deadlines pass before what comes later.

    Attributes:
        standing: what a waiting attempt is told when its deadline passes, and one whose charger is heard of.
        answering: the bridge lives, so that a charger that is asked for answers at once.
        decisions: all that was decided, in order; `last` is that of the last input.
    """

    windows: Windows = DEFAULT_WINDOWS
    now: datetime = START
    attempt: Attempt | None = None
    standing: Standing = QUIET
    answering: bool = True
    decisions: tuple[Decision, ...] = ()
    armed: Mapping[int, WakeMe] = field(default_factory=dict)

    @property
    def last(self) -> Decision:
        return self.decisions[-1]

    @property
    def resets(self) -> tuple[SendReset, ...]:
        return tuple(one for decision in self.decisions for one in decision.commands if isinstance(one, SendReset))

    @property
    def probes(self) -> tuple[Probe, ...]:
        return tuple(one for decision in self.decisions for one in decision.commands if isinstance(one, Probe))

    @property
    def withdrawals(self) -> tuple[Withdraw, ...]:
        return tuple(one for decision in self.decisions for one in decision.commands if isinstance(one, Withdraw))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        moves = (move for decision in self.decisions for move in decision.transitions if isinstance(move, Moved))
        return tuple(one for move in moves for one in move.evidence)

    def tell(self, *inputs: Input) -> "Story":
        """The story after these were heard of, in this order: each at its own time, or right after the one before."""
        story = self
        for event in inputs:
            story = story.until(event.at)
            story = story.hear(event, now=max(story.now, event.at))
            if isinstance(event, StandingChanged | Request):
                story = replace(story, standing=event.standing)
        return story

    def until(self, moment: datetime) -> "Story":
        """The story at that time, if nothing else happens."""
        story = self
        while due := [wake for wake in story.armed.values() if wake.deadline.due <= moment]:
            wake = min(due, key=lambda one: (one.deadline.due, one.deadline.number))
            left = {number: one for number, one in story.armed.items() if one is not wake}
            now = max(story.now, wake.deadline.due)
            story = replace(story, armed=left).hear(_passed(wake, story.standing), now=now)
        return story

    def to_the_end(self) -> "Story":
        """The story when nothing more happens, ever."""
        return self.until(datetime.max.replace(tzinfo=UTC))

    def hear(self, event: Input, *, now: datetime) -> "Story":
        """The story after this one input."""
        decision = decide(self.attempt, event, now=now, windows=self.windows)
        attempt, armed = self.attempt, dict(self.armed)
        for transition in decision.transitions:
            attempt = evolve(attempt, transition)
        for command in decision.commands:
            if isinstance(command, WakeMe):
                armed[command.deadline.number] = command
        story = replace(self, now=now, attempt=attempt, armed=armed, decisions=(*self.decisions, decision))
        for command in decision.commands if self.answering else ():
            if isinstance(command, Probe):
                seconds = (now - START).total_seconds()
                story = story.hear(probed(seconds, command.epoch, number=command.number, by=self.standing), now=now)
        return story


def _passed(wake: WakeMe, now: Standing) -> DeadlinePassed:
    deadline = wake.deadline
    return DeadlinePassed(
        event_id=_id("deadline", deadline.number),
        at=deadline.due,
        waiting_for=deadline.waiting_for,
        number=deadline.number,
        standing=now,
    )
