"""An attempt's verdict in sentences: what became of it, how sure that is, and what goes with it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from contracts.restart import AttemptMoved, Cause, Confidence, EvidenceKind, Health, MissingLink, Outcome, Step, Verdict
from portal.models import Says, VerdictView
from portal.words import Catalogue, Saying, say


def last_word(moves: Sequence[AttemptMoved], words: Catalogue, names: Mapping[str, str]) -> VerdictView | None:
    """The verdict after the last of the moves, as the story of an attempt has it; None while there is none."""
    if moves[-1].verdict is None:
        return None
    said = max(place for place in range(len(moves)) if is_news(moves, place))
    return view(moves[: said + 1], words, names)


def is_news(moves: Sequence[AttemptMoved], place: int) -> bool:
    """Whether this move says a verdict for the first time; later moves of a lost attempt repeat it."""
    verdict = moves[place].verdict
    return verdict is not None and (place == 0 or verdict != moves[place - 1].verdict)


def view(moves: Sequence[AttemptMoved], words: Catalogue, names: Mapping[str, str]) -> VerdictView:
    """The verdict of the last of the moves. Raises ValueError where it has none. `names`: of who took it back."""
    move = moves[-1]
    verdict = move.verdict
    if verdict is None:
        raise ValueError(f"move {move.version} of attempt {move.attempt_id} has no verdict")
    sayings, also = list(_sentences(verdict, moves, names)), list(_also(verdict, move))
    return VerdictView(
        verdict=verdict.outcome,
        cause=verdict.cause,
        confidence=verdict.confidence,
        health=verdict.health,
        missing=list(verdict.missing),
        params=verdict.params,
        at=move.moved_at,
        version=move.version,
        sentence=" ".join(words.text(saying) for saying in sayings + also),
        says=[says(saying) for saying in sayings],
        also=[says(saying) for saying in also],
        next=_next(verdict, move),
    )


def _sentences(verdict: Verdict, moves: Sequence[AttemptMoved], names: Mapping[str, str]) -> Iterable[Saying]:
    move = moves[-1]
    steps = {Step(step): at for step, at in move.steps.items()}
    facts: dict[str, object] = {"away": verdict.params.get("away_s") or _away(steps), **verdict.params}
    if move.revises is not None:
        earlier = next((old for old in moves if old.version == move.revises and old.verdict is not None), None)
        before = (
            {"before": earlier.moved_at, "old": earlier.verdict.outcome.value} if earlier and earlier.verdict else {}
        )
        yield say("v.revised", at=steps.get(Step.BACK) or steps.get(Step.RECONNECTED), away=facts.get("away"), **before)
    match verdict.outcome:
        case Outcome.RESTARTED:
            yield _evse_restarted(verdict, move) if is_of_evse(moves) else _restarted(verdict, facts)
            if verdict.health is not None and (verdict.health is not Health.OK):
                yield say(f"v.health.{verdict.health.value}", **verdict.params)
        case Outcome.NOT_RESTARTED:
            yield _not_restarted(verdict, facts, answered=Step.ACCEPTED in steps)
        case Outcome.LOST:
            gone = steps.get(Step.GONE)
            if "unheard_since" in verdict.params:
                yield say("v.lost.unheard")
            else:
                yield say("v.lost", gone=gone, after=_seconds(gone, move.moved_at))
        case Outcome.REFUSED:
            yield say("v.refused")
        case Outcome.EXPIRED:
            kept = "scheduled" in verdict.params
            yield say("v.expired.scheduled" if kept else "v.expired", at=move.moved_at)
        case Outcome.CANCELLED:
            yield say("v.cancelled", at=move.moved_at, who=names.get(move.cancelled_by or "", move.cancelled_by))


def _also(verdict: Verdict, move: AttemptMoved) -> Iterable[Saying]:
    """What goes with any verdict: a harder Reset, or why there was none; what it ended; faults."""
    if move.escalations:
        yield say("v.escalated", after=move.escalations[-1].after)
    if "not_escalated" in verdict.params:
        yield say("v.not_escalated", why=verdict.params["not_escalated"])
    if move.interrupted:
        yield say("v.interrupted" if len(move.interrupted) == 1 else "v.interrupted.many", n=len(move.interrupted))
    told = verdict.params.get("connectors", "").split(", ")
    for kind in ("faults_new", "faults_left", "faults_gone"):
        faults = [each for each in verdict.params.get(kind, "").split(", ") if each and each not in told]
        if faults:
            yield say(f"v.{kind}", faults=", ".join(faults))


def _restarted(verdict: Verdict, facts: dict[str, object]) -> Saying:
    if verdict.confidence is Confidence.LOW and "usual_away_s" in verdict.params:
        return say("v.restarted.no_boot", **facts)
    evidence = facts.get("said") or facts.get("reason")
    missing = ",".join(link.value for link in verdict.missing)
    return say(f"v.restarted.{verdict.confidence.value}", **(facts | {"evidence": evidence, "missing": missing}))


def is_of_evse(moves: Sequence[AttemptMoved]) -> bool:
    """Whether it is about one EVSE, and the charger itself neither went away nor booted."""
    seen = {item.kind for move in moves for item in move.new_evidence}
    return moves[-1].evse_id is not None and not seen & {EvidenceKind.BOOT, EvidenceKind.DISCONNECTED}


def _evse_restarted(verdict: Verdict, move: AttemptMoved) -> Saying:
    missing = ",".join(link.value for link in verdict.missing)
    sure = verdict.confidence in {Confidence.PROVEN, Confidence.HIGH}
    return say("v.restarted.evse" if sure else "v.restarted.evse.medium", evse=move.evse_id, missing=missing)


def _not_restarted(verdict: Verdict, facts: dict[str, object], *, answered: bool) -> Saying:
    if verdict.cause is None:
        return say("v.not_restarted")
    if verdict.cause is Cause.UNSUPPORTED and verdict.params.get("part") == "evse":
        return say("v.not_restarted.unsupported.evse")
    if verdict.cause is Cause.UNDELIVERED and "until" in verdict.params:
        return say("v.not_restarted.undelivered.unheard", until=verdict.params["until"])
    answer = "accepted" if answered and MissingLink.ANSWER not in verdict.missing else "unanswered"
    return say(f"v.not_restarted.{verdict.cause.value}", **({"answer": answer} | facts))


def _next(verdict: Verdict, move: AttemptMoved) -> str:
    """What a person would do now. Trying again is never offered where a second Reset could do harm."""
    if verdict.outcome is Outcome.LOST or verdict.health is Health.BOOT_LOOP:
        return "service"
    if verdict.outcome is Outcome.RESTARTED or verdict.cause is Cause.UNSUPPORTED:
        return "evidence"
    if any(refusal.reason.value == "charging" for refusal in move.refusals):
        return "idle"
    return "evidence" if verdict.outcome is Outcome.REFUSED else "again"


def _away(steps: dict[Step, datetime]) -> float | None:
    return _seconds(steps.get(Step.GONE), steps.get(Step.BACK) or steps.get(Step.RECONNECTED))


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, (end - start).total_seconds()), 1)


def says(saying: Saying) -> Says:
    """A sentence as the API has it."""
    return Says(code=saying.code, params=saying.params)
