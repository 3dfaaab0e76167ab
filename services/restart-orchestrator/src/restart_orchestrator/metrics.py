"""What can be counted of attempts."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from contracts.restart import TERMINAL
from restart_orchestrator.states import Attempt, Idle

_SECONDS = (0.01, 0.05, 0.25, 1, 5, 15, 30, 60, 120, 300, 600, 3600, 86_400)


class AttemptMetrics:
    """The metrics of attempts, in the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._moves = Counter(
            "comeback_attempt_moves", "Moves of attempts, by the state moved to.", ("status",), registry=registry
        )
        self._verdicts = Counter(
            "comeback_attempt_verdicts",
            "Verdicts, by what they say and how sure they are.",
            ("status", "cause", "confidence", "health"),
            registry=registry,
        )
        self._idle = Counter(
            "comeback_attempt_idle_inputs",
            "Inputs that changed nothing, by reason: the attempt is over, it was known, it has no bearing.",
            ("input", "reason"),
            registry=registry,
        )
        self._postponed = Counter(
            "comeback_attempt_deadlines_postponed",
            "Deadlines that waited until what had been said by then was read.",
            registry=registry,
        )
        self._seconds = Histogram(
            "comeback_attempt_seconds",
            "From the request to the verdict.",
            ("status",),
            buckets=_SECONDS,
            registry=registry,
        )

    def moved(self, attempt: Attempt) -> None:
        """The attempt has moved to the state that it is in."""
        self._moves.labels(attempt.status.value).inc()
        if attempt.verdict is None or attempt.status not in TERMINAL:
            return
        verdict = attempt.verdict
        self._verdicts.labels(
            attempt.status.value, verdict.cause or "", verdict.confidence.value, verdict.health or ""
        ).inc()
        self._seconds.labels(attempt.status.value).observe(
            (attempt.moved_at - attempt.asked.requested_at).total_seconds()
        )

    def idle(self, event: object, reason: Idle) -> None:
        """An input changed nothing."""
        self._idle.labels(type(event).__name__, reason.value).inc()

    def postponed(self) -> None:
        """A deadline is looked at again soon."""
        self._postponed.inc()
