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
from restart_orchestrator.inputs import Input, Standing
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
        self._watching = {one.attempt.charger_id: key for key, one in self._held.items() if one.watching}
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

    def watched(self, charger_id: str) -> Attempt | None:
        """The attempt that news of the charger go to."""
        key = self._watching.get(charger_id)
        return self._held[key].attempt if key is not None else None

    def with_open_attempt(self, standing: Standing, charger_id: str) -> Standing:
        """The standing as a new request finds it."""
        watched = self.watched(charger_id)
        if watched is None or not watched.is_open:
            return standing
        return replace(standing, situation=replace(standing.situation, open_attempt=str(watched.attempt_id)))

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
        held = Held(
            attempt,
            watching=attempt.is_open or (attempt.status is Status.LOST and (known is None or known.watching)),
            traceparent=known.traceparent if known is not None else trace,
        )
        self._keep(held)
        self._metrics.moved(attempt)
        said = next((command for command in decision.commands if not isinstance(command, WakeMe)), None)
        self.wakes.extend((attempt, command) for command in decision.commands if isinstance(command, WakeMe))
        self.messages.extend(
            translate.to_messages(attempt, move, said, cause=event.event_id, now=self._now, trace=held.traceparent)
        )

    def _keep(self, held: Held) -> None:
        attempt = held.attempt
        before = self._watching.get(attempt.charger_id)
        if held.watching:
            if before is not None and before != attempt.attempt_id:
                # The one before was lost: from now on, news of the charger are about the new attempt.
                self._held[before] = replace(self._held[before], watching=False)
                self._touched[before] = None
            self._watching[attempt.charger_id] = attempt.attempt_id
        elif before == attempt.attempt_id:
            del self._watching[attempt.charger_id]
        self._held[attempt.attempt_id] = held
        self._touched[attempt.attempt_id] = None


def is_waiting(attempt: Attempt | None) -> bool:
    """Whether nothing was sent yet and something may be."""
    return attempt is not None and attempt.is_open and attempt.reset is None
