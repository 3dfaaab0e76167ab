"""An attempt's story, from its moves: timeline, evidence and verdict, in codes and in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from contracts.restart import (
    TERMINAL,
    AttemptMoved,
    Cause,
    Confidence,
    Evidence,
    Expected,
    Health,
    MissingLink,
    Outcome,
    Refusal,
    RefusalReason,
    RequestRestart,
    Status,
    Step,
    Verdict,
)
from portal.models import Attempt, Block, EvidenceItem, Mark, Member, Says, TimelineStep, Usual, VerdictView
from portal.words import Catalogue, Saying, say

_OF_ANOTHER = frozenset({RefusalReason.ROLE, RefusalReason.NOT_A_MEMBER, RefusalReason.ALREADY_RESTARTING})
"""Refusals that read otherwise in a record, which is not only read by who asked."""
_NOTHING_SENT = frozenset({Status.REFUSED, Status.EXPIRED, Status.CANCELLED})


def tell(moves: Sequence[AttemptMoved], words: Catalogue, *, name: str | None = None, group: str = "") -> Attempt:
    """The attempt as it stood after the last of the moves, which are given in the order of their versions.

    Args:
        moves: at least one.
        words: the language of its sentences.
        name: of who asked for it.
        group: the name of the charger's group.
    """
    last = moves[-1]
    verdicts = [_verdict(moves[: place + 1], words) for place, move in enumerate(moves) if _is_news(moves, place)]
    current = verdicts.pop() if last.verdict is not None else None
    ended = last.status in TERMINAL
    return Attempt(
        attempt_id=last.attempt_id,
        charger_id=last.charger_id,
        group_id=last.group_id,
        v=last.version,
        status=last.status,
        ended=ended,
        step=_last_step(last),
        when=last.when,
        type=last.strength,
        evse_id=last.evse_id,
        interrupt_charging=last.interrupt_charging,
        note=last.note,
        requested_by=Member(user_id=last.requested_by, name=name),
        requested_at=last.requested_at,
        moved_at=last.moved_at,
        elapsed_ms=_ms(last.requested_at, last.moved_at),
        deadline=None if ended else last.deadline,
        expires_at=last.expires_at,
        timeline=list(_timeline(moves)),
        refusals=[
            explain(refusal, words, recorded=True, group=group, model=last.model or "") for refusal in last.refusals
        ],
        existing_attempt_id=last.existing_attempt_id,
        evidence=[_evidence(item, words) for move in moves for item in move.new_evidence],
        verdict=current,
        earlier_verdicts=verdicts,
        cancellable=not ended and Step.SENT not in last.steps,
        expected=usual(next((move.expected for move in reversed(moves) if move.expected is not None), None)),
    )


def last_word(moves: Sequence[AttemptMoved], words: Catalogue) -> VerdictView | None:
    """The verdict after the last of the moves, as `tell` has it; None while there is none."""
    if moves[-1].verdict is None:
        return None
    said = max(place for place in range(len(moves)) if _is_news(moves, place))
    return _verdict(moves[: said + 1], words)


def tell_accepted(request: RequestRestart, group_id: str | None, *, name: str | None = None) -> Attempt:
    """The attempt that Kafka has and the orchestrator has not spoken of yet: version 0, status `requested`."""
    return Attempt(
        attempt_id=request.attempt_id,
        charger_id=request.charger_id,
        group_id=group_id,
        v=0,
        status=Status.REQUESTED,
        ended=False,
        step=Step.REQUESTED.value,
        when=request.when,
        type=request.strength,
        evse_id=request.evse_id,
        interrupt_charging=request.interrupt_charging,
        note=request.note,
        requested_by=Member(user_id=request.requested_by, name=name),
        requested_at=request.requested_at,
        moved_at=request.requested_at,
        elapsed_ms=0,
        deadline=None,
        expires_at=request.expires_at,
        timeline=list(_steps({Step.REQUESTED: request.requested_at}, request.requested_at, ended=None, waits=())),
        refusals=[],
        existing_attempt_id=None,
        evidence=[],
        verdict=None,
        earlier_verdicts=[],
        cancellable=True,
    )


def usual(expected: Expected | None) -> Usual | None:
    """What is known of how long it takes; None without enough restarts to say anything."""
    if expected is None or (expected.drop is None and expected.away is None):
        return None
    return Usual(samples=expected.samples, basis=expected.basis, drop=expected.drop, away=expected.away)


def explain(
    refusal: Refusal,
    words: Catalogue,
    *,
    group: str = "",
    model: str = "",
    names: Sequence[str] = (),
    recorded: bool = False,
    **facts: object,
) -> Block:
    """What stands in the way, with the facts that its sentence needs and the sentence.

    `names` are those who could lift it. `recorded`: it is told of a request of the past, to whoever reads it, who need
    not be who asked.
    """
    facts["names"] = ", ".join(names)
    params = {"group": group, "model": model} | refusal.params | {k: v for k, v in facts.items() if v is not None}
    code = f"block.{refusal.reason.value}"
    if refusal.reason.value == "plan" and not params.get("plan"):
        code = "block.no_plan"
    if recorded and refusal.reason in _OF_ANOTHER:
        code += ".recorded"
    saying = say(code, **params)
    return Block(
        reason=refusal.reason,
        params=saying.params,
        detail=words.text(saying),
        lifted_by=refusal.lifted_by,
        says=_says(saying),
        can_lift=list(names),
    )


# --- timeline ---------------------------------------------------------------------------------------------------------


def _timeline(moves: Sequence[AttemptMoved]) -> Iterable[TimelineStep]:
    last = moves[-1]
    steps = {Step.REQUESTED: last.requested_at} | {Step(step): at for step, at in last.steps.items()}
    waits = [move for move in moves if move.status in {Status.QUEUED, Status.AWAITING_IDLE}]
    return _steps(steps, last.requested_at, ended=last.status if last.status in TERMINAL else None, waits=waits)


def _steps(
    steps: dict[Step, datetime], requested_at: datetime, *, ended: Status | None, waits: Sequence[AttemptMoved]
) -> Iterable[TimelineStep]:
    answer = Step.NO_ANSWER if Step.NO_ANSWER in steps and Step.ACCEPTED not in steps else Step.ACCEPTED
    order = (Step.REQUESTED, Step.SENT, answer, Step.GONE, Step.BACK, Step.HEALTHY)
    reached = max(place for place, step in enumerate(order) if step in steps)
    for step in _by_time(order, steps):
        at = steps.get(step)
        mark = _mark(step, at, order.index(step), reached, ended)
        yield from _waited(step, at, waits, requested_at, over=ended is not None)
        if mark is None:
            return
        if step is Step.BACK and Step.RECONNECTED in steps and at is None:
            yield _line(Step.RECONNECTED, Mark.NOTE, steps[Step.RECONNECTED], requested_at)
        yield _line(step, mark, at, requested_at)


def _by_time(order: Sequence[Step], steps: Mapping[Step, datetime]) -> list[Step]:
    """What was reached in the order in which it happened; what was not, before what would follow it."""
    shown = sorted((step for step in order if step in steps), key=lambda step: (steps[step], order.index(step)))
    for step in order:
        if step not in steps:
            later = (place for place, other in enumerate(shown) if order.index(other) > order.index(step))
            shown.insert(next(later, len(shown)), step)
    return shown


def _waited(
    step: Step, at: datetime | None, waits: Sequence[AttemptMoved], requested_at: datetime, *, over: bool
) -> Iterable[TimelineStep]:
    """The waits that come before a step: for the charger to be back, or to be free."""
    first = {move.status: move for move in reversed(waits)}
    queued, idle = first.get(Status.QUEUED), first.get(Status.AWAITING_IDLE)
    if queued is not None and step is Step.SENT:
        yield _wait("queued", queued, requested_at, over=over or at is not None)
    if idle is not None and step is (Step.GONE if Step.SENT in idle.steps else Step.SENT):
        yield _wait("idle", idle, requested_at, over=over or at is not None)


def _mark(step: Step, at: datetime | None, place: int, reached: int, ended: Status | None) -> Mark | None:
    """How the step stands; None when it and what follows will not come any more."""
    if at is not None:
        return Mark.SKIPPED if step is Step.NO_ANSWER else Mark.DONE
    if place < reached:
        return Mark.SKIPPED
    if ended is None:
        return Mark.CURRENT if place == reached + 1 else Mark.PENDING
    if ended is Status.RESTARTED:
        return Mark.SKIPPED
    return Mark.FAILED if place == reached + 1 and ended not in _NOTHING_SENT else None


def _line(step: Step, mark: Mark, at: datetime | None, requested_at: datetime) -> TimelineStep:
    says = Says(code=f"step.{step.value}" if at is not None else f"step.{step.value}.awaited")
    return TimelineStep(step=step.value, mark=mark, at=at, elapsed_ms=_ms(requested_at, at), says=says)


def _wait(step: str, move: AttemptMoved, requested_at: datetime, *, over: bool) -> TimelineStep:
    saying = say(f"step.{step}", until=move.expires_at or move.deadline)
    return TimelineStep(
        step=step,
        mark=Mark.DONE if over else Mark.CURRENT,
        at=move.moved_at,
        elapsed_ms=_ms(requested_at, move.moved_at),
        says=_says(saying),
    )


def _last_step(move: AttemptMoved) -> str:
    if not move.steps:
        return Step.REQUESTED.value
    return Step(max(move.steps.items(), key=lambda item: (item[1], list(Step).index(Step(item[0]))))[0]).value


# --- evidence ---------------------------------------------------------------------------------------------------------


def _evidence(item: Evidence, words: Catalogue) -> EvidenceItem:
    heard = ".heard" if "heard_at" in item.params else ""
    saying = say(f"e.{item.kind.value}{heard}", **item.params)
    return EvidenceItem(
        kind=item.kind,
        event_id=item.event_id,
        at=item.at,
        epoch=item.epoch,
        position=item.position,
        params=item.params,
        detail=words.text(saying),
        says=_says(saying),
    )


# --- verdict ----------------------------------------------------------------------------------------------------------


def _is_news(moves: Sequence[AttemptMoved], place: int) -> bool:
    """Whether this move says a verdict for the first time; later moves of a lost attempt repeat it."""
    verdict = moves[place].verdict
    return verdict is not None and (place == 0 or verdict != moves[place - 1].verdict)


def _verdict(moves: Sequence[AttemptMoved], words: Catalogue) -> VerdictView:
    move = moves[-1]
    verdict = move.verdict
    if verdict is None:
        raise ValueError(f"move {move.version} of attempt {move.attempt_id} has no verdict")
    sayings = list(_sentences(verdict, moves))
    return VerdictView(
        verdict=verdict.outcome,
        cause=verdict.cause,
        confidence=verdict.confidence,
        health=verdict.health,
        missing=list(verdict.missing),
        params=verdict.params,
        at=move.moved_at,
        version=move.version,
        sentence=" ".join(words.text(saying) for saying in sayings),
        says=[_says(saying) for saying in sayings],
        next=_next(verdict, move),
    )


def _sentences(verdict: Verdict, moves: Sequence[AttemptMoved]) -> Iterable[Saying]:
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
            yield _restarted(verdict, facts)
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
            yield say("v.cancelled", at=move.moved_at, who=move.cancelled_by)


def _restarted(verdict: Verdict, facts: dict[str, object]) -> Saying:
    if verdict.confidence is Confidence.LOW and "usual_away_s" in verdict.params:
        return say("v.restarted.no_boot", **facts)
    evidence = facts.get("said") or facts.get("reason")
    missing = ",".join(link.value for link in verdict.missing)
    return say(f"v.restarted.{verdict.confidence.value}", **(facts | {"evidence": evidence, "missing": missing}))


def _not_restarted(verdict: Verdict, facts: dict[str, object], *, answered: bool) -> Saying:
    if verdict.cause is None:
        return say("v.not_restarted")
    if verdict.cause is Cause.UNSUPPORTED and verdict.params.get("part") == "evse":
        return say("v.not_restarted.unsupported.evse")
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


def _ms(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(0, round((end - start).total_seconds() * 1000))


def _says(saying: Saying) -> Says:
    return Says(code=saying.code, params=saying.params)
