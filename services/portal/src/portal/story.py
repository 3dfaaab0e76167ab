"""An attempt's story, from its moves: timeline and evidence, in codes and in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from contracts.restart import (
    TERMINAL,
    AttemptMoved,
    Escalated,
    Evidence,
    EvidenceKind,
    Expected,
    Health,
    Refusal,
    RefusalReason,
    RequestRestart,
    Status,
    Step,
    Withdrawal,
)
from portal import verdicts
from portal.models import (
    Attempt,
    Block,
    ComparedConnector,
    EvidenceItem,
    HarderReset,
    Mark,
    Member,
    Says,
    TimelineStep,
    Usual,
    Withdrawn,
)
from portal.words import Catalogue, connector_name, say

_OF_ANOTHER = frozenset({RefusalReason.ROLE, RefusalReason.NOT_A_MEMBER, RefusalReason.ALREADY_RESTARTING})
"""Refusals that read otherwise in a record, which is not only read by who asked."""
_NOTHING_SENT = frozenset({Status.REFUSED, Status.EXPIRED, Status.CANCELLED})
_NOBODY: Mapping[str, str] = {}
_CLAIMED = frozenset({Step.SENT, Step.ACCEPTED, Step.NO_ANSWER})
"""Steps that a Reset only comes to when it was claimed for sending."""


def tell(
    moves: Sequence[AttemptMoved],
    words: Catalogue,
    *,
    name: str | None = None,
    group: str = "",
    names: Mapping[str, str] = _NOBODY,
) -> Attempt:
    """The attempt as it stood after the last of the moves, which are given in the order of their versions.

    Args:
        moves: at least one.
        words: the language of its sentences.
        name: of who asked for it.
        group: the name of the charger's group.
        names: of those who wanted to take it back.
    """
    last = moves[-1]
    told = [
        verdicts.view(moves[: place + 1], words, names) for place in range(len(moves)) if verdicts.is_news(moves, place)
    ]
    current = told.pop() if last.verdict is not None else None
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
        timeline=list(_timeline(moves, names)),
        refusals=[
            explain(refusal, words, recorded=True, group=group, model=last.model or "") for refusal in last.refusals
        ],
        existing_attempt_id=last.existing_attempt_id,
        evidence=[_evidence(item, words) for move in moves for item in move.new_evidence],
        verdict=current,
        earlier_verdicts=told,
        cancellable=not ended and not last.steps.keys() & _CLAIMED and last.withdrawal is None,
        withdrawal=_withdrawal(last),
        escalations=[HarderReset(at=each.at, after=each.after, type=each.strength) for each in last.escalations],
        interrupted=list(last.interrupted),
        connectors=[
            ComparedConnector(name=connector_name(each.evse_id, each.connector_id), **each.model_dump())
            for each in last.connectors
            if Step.SENT in last.steps
        ],
        expected=usual(next((move.expected for move in reversed(moves) if move.expected is not None), None)),
    )


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
    may_wait: bool = False,
    waiting: bool = False,
    **facts: object,
) -> Block:
    """What stands in the way, with the facts that its sentence needs and the sentence.

    `names` are those who could lift it. `recorded`: it is told of a request of the past, to whoever reads it, who need
    not be who asked. `may_wait`: the person may ask for a restart when it no longer stands in the way. `waiting`: the
    restart that stands in the way has not begun.
    """
    facts["names"] = ", ".join(names)
    params = {"group": group, "model": model} | refusal.params | {k: v for k, v in facts.items() if v is not None}
    code = f"block.{refusal.reason.value}"
    if refusal.reason.value == "plan" and not params.get("plan"):
        code = "block.no_plan"
    if recorded and refusal.reason in _OF_ANOTHER:
        code += ".recorded"
    if may_wait:
        code += ".wait"
    if waiting:
        code += ".waiting"
    saying = say(code, **params)
    return Block(
        reason=refusal.reason,
        params=saying.params,
        detail=words.text(saying),
        lifted_by=refusal.lifted_by,
        says=verdicts.says(saying),
        can_lift=list(names),
    )


# --- timeline ---------------------------------------------------------------------------------------------------------


def _timeline(moves: Sequence[AttemptMoved], names: Mapping[str, str]) -> Iterable[TimelineStep]:
    last = moves[-1]
    steps = {Step.REQUESTED: last.requested_at} | {Step(step): at for step, at in last.steps.items()}
    waits = [move for move in moves if move.status in {Status.QUEUED, Status.AWAITING_IDLE}]
    lines = list(_steps(steps, last.requested_at, ended=last.status if last.status in TERMINAL else None, waits=waits))
    if last.verdict is not None and last.verdict.health not in {None, Health.OK}:
        lines = [_not_well(line) for line in lines]
    if verdicts.is_of_evse(moves) and Step.BACK in steps:
        lines = [_back_in_use(line) for line in lines if line.step != Step.GONE]
    for note in _notes(last, names):
        before = [place for place, line in enumerate(lines, 1) if line.at and note.at and line.at <= note.at]
        lines.insert(max(before, default=0), note)
    return lines


def _notes(move: AttemptMoved, names: Mapping[str, str]) -> Iterable[TimelineStep]:
    for escalated in move.escalations:
        yield _harder(escalated, move.requested_at)
    asked = move.withdrawal
    if asked is not None and asked.answer != "withdrawn":
        # The verdict tells of one that came in time.
        yield _taken_back(asked, move.requested_at, names.get(asked.asked_by, asked.asked_by))


def _steps(
    steps: dict[Step, datetime], requested_at: datetime, *, ended: Status | None, waits: Sequence[AttemptMoved]
) -> Iterable[TimelineStep]:
    answer = Step.NO_ANSWER if Step.NO_ANSWER in steps and Step.ACCEPTED not in steps else Step.ACCEPTED
    order = (Step.REQUESTED, Step.SENT, answer, Step.GONE, Step.BACK, Step.HEALTHY)
    reached = max(place for place, step in enumerate(order) if step in steps)
    waiting = False
    for step in _by_time(order, steps):
        at = steps.get(step)
        mark = _mark(step, at, order.index(step), reached, ended)
        for wait in _waited(step, at, waits, requested_at, over=ended is not None):
            waiting = waiting or wait.mark is Mark.CURRENT
            yield wait
        if mark is None:
            return
        if mark is Mark.CURRENT and waiting:  # only the wait is under way: what it is for has not begun
            mark = Mark.PENDING
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


def _not_well(line: TimelineStep) -> TimelineStep:
    """It came back, and not as it was before: that step was not missed, it failed."""
    awaited = line.step == Step.HEALTHY and line.at is None
    return line.model_copy(update={"mark": Mark.FAILED}) if awaited else line


def _wait(step: str, move: AttemptMoved, requested_at: datetime, *, over: bool) -> TimelineStep:
    saying = say(f"step.{step}", until=move.expires_at or move.deadline)
    return TimelineStep(
        step=step,
        mark=Mark.DONE if over else Mark.CURRENT,
        at=move.moved_at,
        elapsed_ms=_ms(requested_at, move.moved_at),
        says=verdicts.says(saying),
    )


def _back_in_use(line: TimelineStep) -> TimelineStep:
    """An EVSE that is restarted by itself neither goes away nor boots."""
    says = verdicts.says(say("step.back.evse"))
    return line.model_copy(update={"says": says}) if line.step == Step.BACK else line


def _harder(escalated: Escalated, requested_at: datetime) -> TimelineStep:
    saying, at = say("step.escalated", after=escalated.after), escalated.at
    elapsed = _ms(requested_at, at)
    return TimelineStep(step="escalated", mark=Mark.NOTE, at=at, elapsed_ms=elapsed, says=verdicts.says(saying))


def _taken_back(asked: Withdrawal, requested_at: datetime, who: str) -> TimelineStep:
    step = "withdrawal" if asked.answer is None else "not_withdrawn"
    saying = say(f"step.{step}", who=who)
    at = asked.asked_at
    return TimelineStep(step=step, mark=Mark.NOTE, at=at, elapsed_ms=_ms(requested_at, at), says=verdicts.says(saying))


def _withdrawal(move: AttemptMoved) -> Withdrawn | None:
    asked = move.withdrawal
    return None if asked is None else Withdrawn(asked_by=asked.asked_by, asked_at=asked.asked_at, answer=asked.answer)


def _last_step(move: AttemptMoved) -> str:
    if not move.steps:
        return Step.REQUESTED.value
    return Step(max(move.steps.items(), key=lambda item: (item[1], list(Step).index(Step(item[0]))))[0]).value


# --- evidence ---------------------------------------------------------------------------------------------------------


def _named(connector: str | None) -> dict[str, str | None]:
    """The connector by the name that people know: it is said as `evse/connector`."""
    evse_id, _, connector_id = (connector or "").partition("/")
    if not (evse_id.isdecimal() and connector_id.isdecimal()):
        return {}
    return {"connector": connector_name(int(evse_id), int(connector_id))}


def _evidence(item: Evidence, words: Catalogue) -> EvidenceItem:
    facts: dict[str, str | None] = {**item.params, **_named(item.params.get("connector"))}
    whole = item.kind is EvidenceKind.CONNECTOR_STATUS and facts.get("connector", "") is None
    variant = ".heard" if "heard_at" in item.params else ".whole" if whole else ""
    saying = say(f"e.{item.kind.value}{variant}", **facts)
    return EvidenceItem(
        kind=item.kind,
        event_id=item.event_id,
        at=item.at,
        epoch=item.epoch,
        position=item.position,
        params=item.params,
        detail=words.text(saying),
        says=verdicts.says(saying),
    )


def _ms(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(0, round((end - start).total_seconds() * 1000))
