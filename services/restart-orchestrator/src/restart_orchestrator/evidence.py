"""PURE: what an observation proves, and the verdict that all of them together support, with its confidence."""

from datetime import datetime, timedelta
from typing import assert_never

from contracts.restart import Cause, Confidence, Evidence, EvidenceKind, MissingLink, Outcome, Verdict
from restart_orchestrator.health import health
from restart_orchestrator.inputs import (
    Accepted,
    Answer,
    Booted,
    Connected,
    ConnectorReported,
    DeadlinePassed,
    Disconnected,
    NotDelivered,
    Probed,
    Rejected,
    Scheduled,
    SecurityEvent,
    Sent,
    Sighting,
    TransactionEnded,
    Unanswered,
    Unsupported,
    Withdrawn,
)
from restart_orchestrator.seen import (
    ANOTHER_CAUSE,
    RESET_FAILURE,
    AnswerKind,
    Reset,
    Seen,
    counted,
    is_open,
    was_answered,
)

MUCH_SHORTER = 0.5
"""Of the usual time away: a return sooner than that is a blip."""


def proof(event: Answer | Sighting | DeadlinePassed, seen: Seen, reset: Reset) -> Evidence:
    """The observation as it stands in the record, with the facts a sentence about it needs."""
    kind, facts = _kind_and_facts(event, seen, reset)
    return Evidence(
        kind=kind,
        event_id=event.event_id,
        at=event.at,
        epoch=None if isinstance(event, DeadlinePassed) else event.epoch,
        position=event.position,
        frame=event.frame,
        params={name: fact for name, fact in facts.items() if fact is not None},
    )


def _kind_and_facts(
    event: Answer | Sighting | DeadlinePassed, seen: Seen, reset: Reset
) -> tuple[EvidenceKind, dict[str, str | None]]:
    match event:
        case Sent():
            return EvidenceKind.SENT, {}
        case Accepted():
            return EvidenceKind.ACCEPTED, {"answer_epoch": str(event.answer_epoch), "info": event.info}
        case Scheduled():
            return EvidenceKind.SCHEDULED, {"answer_epoch": str(event.answer_epoch), "info": event.info}
        case Rejected():
            return EvidenceKind.REJECTED, {"info": event.info}
        case Unsupported():
            return EvidenceKind.UNSUPPORTED, {"code": event.code}
        case Unanswered():
            return EvidenceKind.UNANSWERED, {"why": event.why, "error": event.error}
        case NotDelivered():
            return EvidenceKind.NOT_DELIVERED, {"why": event.why}
        case Withdrawn():
            return EvidenceKind.NOT_DELIVERED, {"why": "withdrawn"}
        case Probed():
            return EvidenceKind.DEADLINE, {"heard_at": event.at.isoformat()}
        case Connected():
            return EvidenceKind.CONNECTED, {}
        case Disconnected():
            return EvidenceKind.DISCONNECTED, {"why": event.why}
        case Booted():
            counts = event.epoch not in seen.uncounted and any(one.epoch == event.epoch for one in counted(seen, reset))
            kind = EvidenceKind.BOOT if counts else EvidenceKind.BOOT_NOT_COUNTED
            return kind, {"reason": event.reason, "solicited": "true" if event.solicited else None}
        case SecurityEvent():
            return EvidenceKind.SECURITY_EVENT, {"kind": event.kind}
        case TransactionEnded():
            return EvidenceKind.TRANSACTION_ENDED, {"reason": event.reason}
        case ConnectorReported(error_code=code):
            kind = EvidenceKind.RESET_FAILURE if code == RESET_FAILURE else EvidenceKind.CONNECTOR_STATUS
            return kind, {"connector": event.connector, "state": event.state.value, "error_code": code}
        case DeadlinePassed():
            return EvidenceKind.DEADLINE, {"waited_for": event.waiting_for.value}
        case _:
            assert_never(event)


def has_restarted(seen: Seen, reset: Reset) -> bool:
    """Whether the charger, or the EVSE that the Reset was for, was seen to come back."""
    return bool(counted(seen, reset)) or seen.evse_back_at is not None


def judge(seen: Seen, reset: Reset, *, usual_away: timedelta) -> Verdict:
    """What can be said when the waiting is over: restarted, a blip, or lost."""
    if has_restarted(seen, reset):
        return _restarted(seen, reset)
    if not is_open(seen, reset):
        return Verdict(outcome=Outcome.LOST, confidence=Confidence.HIGH, params=_away(seen))
    if not reset.boots_on_return:
        return _judge_by_time_away(seen, reset, usual_away)
    if seen.ours:
        # We ended the session ourselves, so that it came back says less about the charger.
        return Verdict(
            outcome=Outcome.NOT_RESTARTED,
            cause=Cause.BLIP,
            confidence=Confidence.MEDIUM,
            missing=(MissingLink.DROP,),
            params=_away(seen),
        )
    return Verdict(outcome=Outcome.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.HIGH, params=_away(seen))


def ignored(seen: Seen, reset: Reset) -> Verdict:
    """It stayed on its session to the end of the window.

    A Reset of one EVSE need not show in anything but statuses, which a charger may well not send: that is low.
    """
    return Verdict(
        outcome=Outcome.NOT_RESTARTED,
        cause=Cause.IGNORED,
        confidence=Confidence.HIGH if reset.evse_id is None else Confidence.LOW,
        missing=_missing_answer(seen),
    )


def unseen(seen: Seen, reset: Reset, since: datetime) -> Verdict:
    """Nobody says anything of it, not even that it is there: where it is we don't know, nor what it did."""
    return Verdict(
        outcome=Outcome.LOST,
        confidence=Confidence.MEDIUM,
        missing=_missing(seen, reset),
        params={**_away(seen), "unheard_since": since.isoformat()},
    )


def _restarted(seen: Seen, reset: Reset) -> Verdict:
    state, facts = health(seen, reset)
    starts = counted(seen, reset)
    reason = next((start.reason for start in starts if start.reason is not None), None)
    if reason is not None:
        facts = {**facts, "reason": reason}
    if starts and all(start.owed for start in starts):
        facts = {**facts, "boot": "owed"}
    missing = _missing(seen, reset)
    if seen.said_so:
        confidence = Confidence.PROVEN
        facts = {**facts, "said": ", ".join(seen.said_so)}
    elif starts and (starts[0].reason in ANOTHER_CAUSE or all(start.owed for start in starts)):
        confidence = Confidence.LOW
    else:
        confidence = Confidence.MEDIUM if missing else Confidence.HIGH
    return Verdict(
        outcome=Outcome.RESTARTED,
        confidence=confidence,
        health=state,
        missing=missing,
        params={**_away(seen), **facts},
    )


def _judge_by_time_away(seen: Seen, reset: Reset, usual: timedelta) -> Verdict:
    """Some firmware never boots after a return: then only the time it was away tells, and not much."""
    facts = {**_away(seen), "usual_away_s": _seconds(usual)}
    if seen.longest_away < MUCH_SHORTER * usual:
        return Verdict(outcome=Outcome.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.LOW, params=facts)
    state, more = health(seen, reset)
    return Verdict(
        outcome=Outcome.RESTARTED,
        confidence=Confidence.LOW,
        health=state,
        missing=_missing(seen, reset),
        params={**facts, **more},
    )


def _missing(seen: Seen, reset: Reset) -> tuple[MissingLink, ...]:
    if reset.evse_id is not None and not counted(seen, reset):
        return _missing_answer(seen)
    drop_seen = seen.dropped or (seen.answer is AnswerKind.SCHEDULED and seen.left is not None)
    return _missing_answer(seen) + (() if drop_seen else (MissingLink.DROP,)) + _late_answer(seen, reset)


def _missing_answer(seen: Seen) -> tuple[MissingLink, ...]:
    return () if was_answered(seen) else (MissingLink.ANSWER,)


def _late_answer(seen: Seen, reset: Reset) -> tuple[MissingLink, ...]:
    if _missing_answer(seen):
        return ()
    came_on_next = seen.answer_epoch is not None and seen.answer_epoch > reset.epoch
    back = seen.returned_at
    put_back = back is not None and seen.sent_at is not None and back < seen.sent_at  # the clock, since then
    came_after = seen.answered_at is not None and back is not None and seen.answered_at > back and not put_back
    return (MissingLink.LATE_ANSWER,) if came_on_next or came_after else ()


def _away(seen: Seen) -> dict[str, str]:
    return {"away_s": _seconds(seen.longest_away)} if seen.longest_away else {}


def _seconds(span: timedelta) -> str:
    return str(round(span.total_seconds()))


def proven(outcome: Outcome, cause: Cause | None = None, **facts: str | None) -> Verdict:
    """A verdict that rests on a plain word: the charger's own, or ours about what we did."""
    return Verdict(
        outcome=outcome,
        cause=cause,
        confidence=Confidence.PROVEN,
        params={name: fact for name, fact in facts.items() if fact is not None},
    )


def unheard(at: datetime) -> Verdict:
    """Nobody took the command until it was void, so that nothing can have been sent."""
    return Verdict(
        outcome=Outcome.NOT_RESTARTED,
        cause=Cause.UNDELIVERED,
        confidence=Confidence.MEDIUM,
        missing=(MissingLink.ANSWER,),
        params={"until": at.isoformat()},
    )
