"""PURE: what each move says of itself for the record: a sentence for people, and how sure it is."""

from collections.abc import Mapping
from dataclasses import replace

from contracts.restart import Confidence, Evidence, EvidenceKind, Health, Outcome, Refusal, Status, Verdict
from restart_orchestrator.evidence import judge
from restart_orchestrator.probing import has_time_left
from restart_orchestrator.states import Attempt, Decision, Moved, evolve

_EVIDENCE: Mapping[EvidenceKind, str] = {
    EvidenceKind.SENT: "The Reset was written to the charger's socket",
    EvidenceKind.ACCEPTED: "The charger accepted the Reset, which is a promise",
    EvidenceKind.SCHEDULED: "The charger will restart when its transaction ends, it says",
    EvidenceKind.REJECTED: "The charger rejected the Reset",
    EvidenceKind.UNSUPPORTED: "The charger can't be reset, it says",
    EvidenceKind.UNANSWERED: "There was no answer, which is no failure",
    EvidenceKind.NOT_DELIVERED: "The Reset was not sent",
    EvidenceKind.DISCONNECTED: "A session of the charger ended",
    EvidenceKind.CONNECTED: "The charger opened a new session",
    EvidenceKind.BOOT: "The charger booted on a new session",
    EvidenceKind.BOOT_NOT_COUNTED: "A boot came that is no evidence",
    EvidenceKind.SECURITY_EVENT: "The charger reported a security event",
    EvidenceKind.TRANSACTION_ENDED: "A transaction ended",
    EvidenceKind.RESET_FAILURE: "The charger could not reset, it says",
    EvidenceKind.CONNECTOR_STATUS: "A connector reported its state",
    EvidenceKind.DEADLINE: "The time for this was over",
}
_HEARD = "The charger is there, it was heard after the time for this"
_ASKED = "It is asked whether it is there at all"
_NOT_YET = "It is there, and its time for this is not over: a clock was put forward"
_UNSEEN = "Nobody heard of it any more"
_SUPERSEDED = "A newer attempt's Reset goes out, so that what the charger does from now on says nothing of this one"
_WITHDRAWAL: Mapping[str | None, str] = {
    None: "It is to be taken back, and the bridge is asked whether the Reset was claimed for sending",
    "too_late": "It can't be taken back any more: the Reset was claimed for sending",
}
_STANDS: Mapping[Status, str] = {
    Status.QUEUED: "It waits for the charger to be free and online",
    Status.DISPATCHING: "A Reset is on its way",
    Status.AWAITING_IDLE: "It waits for the end of the transaction",
    Status.AWAITING_DROP: "The charger should go away now",
    Status.RESTARTING: "The charger is away or has not booted yet",
    Status.CHECKING: "The charger is back; its connectors are watched",
    Status.LOST: "The charger is lost",
}
_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.RESTARTED: "It restarted",
    Outcome.NOT_RESTARTED: "It did not restart",
    Outcome.LOST: "It went away and did not return",
    Outcome.REFUSED: "It was refused, and nothing was sent",
    Outcome.EXPIRED: "The request has expired",
    Outcome.CANCELLED: "The request was taken back, and nothing was sent",
}
_FACTS_SHOWN = ("reason", "kind", "why", "code", "error", "info", "connector", "state", "error_code", "waited_for")


def told(before: Attempt | None, decision: Decision) -> Decision:
    """The decision with each of its moves completed."""
    if not any(isinstance(transition, Moved) for transition in decision.transitions):
        return decision
    attempt, transitions = before, []
    for transition in decision.transitions:
        after = evolve(attempt, transition)
        if isinstance(transition, Moved):
            transition = replace(  # noqa: PLW2901 the same move, completed
                transition, confidence=confidence(after), sentence=sentence(attempt, transition, after)
            )
        transitions.append(transition)
        attempt = after
    return replace(decision, transitions=tuple(transitions))


def confidence(attempt: Attempt) -> Confidence:
    """How sure it is that the attempt stands where it does: the verdict's own, or that of what was seen so far."""
    reset, seen = attempt.reset, attempt.seen
    if attempt.verdict is not None:
        return attempt.verdict.confidence
    if reset is None or attempt.status not in {Status.RESTARTING, Status.CHECKING}:
        return Confidence.PROVEN  # it rests on what we did, or on the charger's plain word
    if attempt.status is Status.CHECKING:
        waits = reset.waits
        return judge(seen, reset, usual_away=waits.usual_away if waits is not None else seen.longest_away).confidence
    return Confidence.HIGH if seen.dropped else Confidence.MEDIUM


def sentence(before: Attempt | None, move: Moved, after: Attempt) -> str:
    """What happened and where that leaves the attempt, in English; the portal has words of its own."""
    parts = [_observed(one) for one in move.evidence]
    if move.superseded:
        parts.append(_SUPERSEDED)
    if move.withdrawal is not None:
        parts.append(_WITHDRAWAL.get(move.withdrawal.answer, ""))
    if (
        move.deadline is not None
        and move.deadline.asked_at is not None
        and before is not None
        and (before.deadline is None or before.deadline.asked_at is None)
    ):
        parts.append(_ASKED)
    elif before is not None and has_time_left(before, move):
        parts.append(_NOT_YET)
    elif move.escalated is not None:
        parts.append("Its group allows a harder Reset, which is on its way now")
    elif move.verdict is not None:
        parts.append(_concluded(move.verdict, move.refusals, revised=move.revises is not None))
    elif before is None or before.status is not move.status or not parts:
        parts.append(_STANDS.get(move.status, after.status.value))
    return " ".join(f"{part}." for part in parts if part)


def _observed(evidence: Evidence) -> str:
    facts = [f"{name.replace('_', ' ')}: {evidence.params[name]}" for name in _FACTS_SHOWN if name in evidence.params]
    on = [f"session {evidence.epoch}"] if evidence.epoch is not None else []
    what = _HEARD if "heard_at" in evidence.params else _EVIDENCE[evidence.kind]
    return f"{what} ({', '.join(on + facts)})" if on or facts else what


def _concluded(verdict: Verdict, refusals: tuple[Refusal, ...], *, revised: bool) -> str:
    outcome = _UNSEEN if "unheard_since" in verdict.params else _OUTCOMES[verdict.outcome]
    said = "Judged once more: " + outcome.lower() if revised else outcome
    facts: list[str] = []
    if verdict.cause is not None:
        facts.append(verdict.cause.value.replace("_", " "))
    if verdict.health is not None and verdict.health is not Health.OK:
        facts.append(verdict.health.value.replace("_", " "))
    facts.extend(_lost(refusal) for refusal in refusals)
    if verdict.outcome in {Outcome.RESTARTED, Outcome.NOT_RESTARTED, Outcome.LOST}:
        facts.append(f"confidence {verdict.confidence.value}")
    if verdict.missing:
        facts.append("without " + ", ".join(link.value.replace("_", " ") for link in verdict.missing))
    return f"{said} ({'; '.join(facts)})" if facts else said


def _lost(refusal: Refusal) -> str:
    was = refusal.params.get("was")
    reason = refusal.reason.value.replace("_", " ")
    return reason if was is None else f"{reason}, was {was.replace('_', ' ')}"
