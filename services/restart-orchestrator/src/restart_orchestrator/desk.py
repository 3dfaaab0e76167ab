"""The attempts that one transaction is about, what becomes of them, and what is to be written and said at its end."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from contracts.envelope import Envelope, Message
from contracts.restart import Status
from contracts.topics import Topic
from restart_orchestrator import translate
from restart_orchestrator.attempt import decide
from restart_orchestrator.inputs import Input, Standing, Superseded
from restart_orchestrator.metrics import AttemptMetrics
from restart_orchestrator.states import Attempt, Moved, WakeMe, evolve
from restart_orchestrator.store import Held, Recorded
from restart_orchestrator.windows import Windows


class Desk:
    """Decides about one input after the other, in memory."""

    def __init__(self, held: Iterable[Held], *, now: datetime, windows: Windows, metrics: AttemptMetrics) -> None:
        self._now = now
        self._windows = windows
        self._metrics = metrics
        self._held = {one.attempt.attempt_id: one for one in held}
        self._deadlines = {key: one.attempt.deadline for key, one in self._held.items()}
        self._open: dict[str, UUID] = {}
        self._lost: dict[str, UUID] = {}
        for key, one in self._held.items():
            if one.watching:
                self._watchers(one.attempt)[one.attempt.charger_id] = key
        self._touched: dict[UUID, None] = {}
        self.history: list[Recorded] = []
        self.messages: list[tuple[Topic, Envelope[Message]]] = []
        self.wakes: list[tuple[Attempt, WakeMe]] = []

    @property
    def touched(self) -> list[Held]:
        """The attempts that are to be written."""
        return [self._held[key] for key in self._touched]

    @property
    def settled(self) -> list[tuple[UUID, int]]:
        """Deadlines that nobody waits for any more, each by its attempt and number."""
        before = ((key, self._deadlines.get(key)) for key in self._touched)
        return [
            (key, was.number)
            for key, was in before
            if was is not None and ((now := self._held[key].attempt.deadline) is None or now.number != was.number)
        ]

    def watching(self, charger_id: str) -> list[Attempt]:
        """The attempts that news of the charger go to: a lost one, one under way. The earlier one hears them first."""
        keys = (self._lost.get(charger_id), self._open.get(charger_id))
        return [self._held[key].attempt for key in keys if key is not None]

    def lost(self, charger_id: str) -> Attempt | None:
        """The lost attempt that news of the charger may revise."""
        key = self._lost.get(charger_id)
        return self._held[key].attempt if key is not None else None

    def with_open_attempt(self, standing: Standing, charger_id: str) -> Standing:
        """The standing as a new request finds it."""
        key = self._open.get(charger_id)
        if key is None:
            return standing
        return replace(standing, situation=replace(standing.situation, open_attempt=str(key)))

    def hear(self, attempt_id: UUID, event: Input, *, trace: str | None = None) -> None:
        """One input. `trace` is the traceparent of a request, which all that follows from it goes on with."""
        known = self._held.get(attempt_id)
        attempt = known.attempt if known is not None else None
        decision = decide(attempt, event, now=self._now, windows=self._windows)
        if decision.idle is not None:
            self._metrics.idle(event, decision.idle)
        move: Moved | None = None
        for transition in decision.transitions:
            attempt = evolve(attempt, transition)
            move = transition if isinstance(transition, Moved) else move
            self.history.append(Recorded(transition, attempt, event.event_id))
        if attempt is None or not decision.transitions:
            return
        may_be_revised = attempt.status is Status.LOST and not attempt.superseded
        held = Held(
            attempt,
            watching=attempt.is_open or (may_be_revised and (known is None or known.watching)),
            traceparent=known.traceparent if known is not None else trace,
        )
        self._keep(held)
        self._metrics.moved(attempt)
        said = next((command for command in decision.commands if not isinstance(command, WakeMe)), None)
        self.wakes.extend((attempt, command) for command in decision.commands if isinstance(command, WakeMe))
        self.messages.extend(
            translate.to_messages(attempt, move, said, cause=event.event_id, now=self._now, trace=held.traceparent)
        )
        if attempt.reset is not None and (known is None or known.attempt.reset is None):
            self._supersede(attempt.charger_id, event)

    def _supersede(self, charger_id: str, event: Input) -> None:
        """A Reset was decided on: what the charger does from now on is no evidence of an earlier one."""
        earlier = self._lost.get(charger_id)
        if earlier is None:
            return
        self.hear(earlier, Superseded(event_id=event.event_id, at=self._now))
        if self._held[earlier].watching:  # its day was over, so that it has not moved
            self._keep(replace(self._held[earlier], watching=False))

    def _keep(self, held: Held) -> None:
        attempt = held.attempt
        for watchers in (self._open, self._lost):
            if watchers.get(attempt.charger_id) == attempt.attempt_id:
                del watchers[attempt.charger_id]
        if held.watching:
            self._watchers(attempt)[attempt.charger_id] = attempt.attempt_id
        self._held[attempt.attempt_id] = held
        self._touched[attempt.attempt_id] = None

    def _watchers(self, attempt: Attempt) -> dict[str, UUID]:
        return self._lost if attempt.status is Status.LOST else self._open


def is_waiting(attempt: Attempt | None) -> bool:
    """Whether nothing was sent yet and something may be."""
    return attempt is not None and attempt.is_open and attempt.reset is None
