"""PURE: what was seen of one Reset. The sum of its sightings, the same in whatever order the topics delivered them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from contracts.ocpp import ConnectorState
from contracts.restart import Expected
from restart_orchestrator.inputs import (
    Accepted,
    Booted,
    Connected,
    ConnectorReported,
    Disconnected,
    NotDelivered,
    Scheduled,
    SecurityEvent,
    Sent,
    Sighting,
    TransactionEnded,
    Unanswered,
)
from restart_orchestrator.lateness import is_old, said_late
from restart_orchestrator.windows import Waits

NAMED_BY_BOOT = frozenset({"RemoteReset", "ScheduledReset"})
NAMED_BY_TRANSACTION = frozenset({"HardReset", "SoftReset", "ImmediateReset"})
NAMED_BY_SECURITY_EVENT = frozenset({"ResetOrReboot", "StartupOfTheDevice"})
ANOTHER_CAUSE = frozenset({"Watchdog", "LocalReset", "FirmwareUpdate", "ApplicationReset"})
"""Boot reasons of OCPP 2.x that say that something else restarted the charger."""
SOLICITED = "Triggered"
RESET_FAILURE = "ResetFailure"
USABLE = frozenset({ConnectorState.AVAILABLE, ConnectorState.OCCUPIED, ConnectorState.RESERVED})
ENDED_BY_CHARGER = frozenset({"closed", "lost", "silent"})
ENDED_BY_RETURN = "replaced"
SKEW = timedelta(seconds=1)
"""How far the clocks of two services may be apart without any consequence; `moments` is about the others."""


class AnswerKind(StrEnum):
    """What the charger answered, as far as it went on from there."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The present Reset of an attempt, and how the charger was when it was decided.

    Attributes:
        epoch: the session that it is sent on.
        at: when it was decided.
        number: 0 for the attempt's first, 1 for the harder one that followed.
        evse_id: the one EVSE it is for; None for the whole charger.
        connectors: each connector's state before the first Reset, by `evse/connector`.
        faults: the error code of each connector that had one then.
        running: the transactions under way then, each with its connector.
        boots_on_return: the charger has been seen to boot at all.
        waits: how long it may take; None where the settings alone say so.
        expected: how long it usually takes, where enough restarts were seen.
    """

    epoch: int
    at: datetime
    number: int = 0
    on_idle: bool = False
    evse_id: int | None = None
    connectors: Mapping[str, ConnectorState] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    running: Mapping[str, str] = field(default_factory=dict)
    boots_on_return: bool = True
    waits: Waits | None = None
    expected: Expected | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The charger started, as its boot or a security event on session `epoch` says.

    `owed`: a boot of before the Reset had not been accepted, so that one had to come, restart or not. `heard_at` is by
    our own clock.
    """

    epoch: int
    at: datetime
    reason: str | None
    by_boot: bool
    owed: bool = False
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The last status of a connector since the Reset; `usable_since` is when it became fit for use on this session."""

    state: ConnectorState
    epoch: int
    at: datetime
    reported_at: datetime | None
    error_code: str | None = None
    usable_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one Reset.

    Attributes:
        drop_at: when the Reset's session ended; `dropped` when the charger ended it before it was back, `ours` when we
            did.
        opened: the latest session known to be opened, with `opened_at`; `returned_at` is that of the first new one.
        early: the latest new session that by its bridge's clock was open before the Reset already. Its boot says
            nothing, unless it is known that the Reset was claimed: that takes a session which is still the last one.
        closed: the latest session known to be over, with `closed_at`; `left` is the latest that the charger ended.
        longest_away: the longest time without a session.
        starts: one for each session on which the charger said that it started.
        uncounted: sessions on which a boot came that is no evidence.
        said_so: the charger's own words for a reset.
        ended: the transactions that ran when the Reset was decided and ended since, each with the charger's reason.
        idle_at: when the transaction that a scheduled Reset waits for was over.
        evse_out_at: when the EVSE that is reset on its own became unavailable; `evse_back_at` when it was back.
    """

    sent_at: datetime | None = None
    answer: AnswerKind | None = None
    answered_at: datetime | None = None
    answer_epoch: int | None = None
    drop_at: datetime | None = None
    dropped: bool = False
    ours: bool = False
    opened: int | None = None
    opened_at: datetime | None = None
    returned_at: datetime | None = None
    early: int | None = None
    closed: int | None = None
    closed_at: datetime | None = None
    left: int | None = None
    longest_away: timedelta = timedelta(0)
    starts: tuple[Start, ...] = ()
    uncounted: tuple[int, ...] = ()
    said_so: tuple[str, ...] = ()
    ended: Mapping[str, str] = field(default_factory=dict)
    idle_at: datetime | None = None
    connectors: Mapping[str, Report] = field(default_factory=dict)
    evse_out_at: datetime | None = None
    evse_back_at: datetime | None = None


NOTHING_SEEN = Seen()


def was_answered(seen: Seen) -> bool:
    """Whether the charger promised to restart."""
    return seen.answer in {AnswerKind.ACCEPTED, AnswerKind.SCHEDULED}


def was_claimed(seen: Seen, reset: Reset) -> bool:
    """Whether the bridge has claimed the Reset, so that every later session of the charger was opened after it."""
    unanswered = seen.answer is AnswerKind.UNANSWERED and reset.number == 0  # a harder one may be undelivered as well
    return seen.sent_at is not None or was_answered(seen) or unanswered


def counted(seen: Seen, reset: Reset) -> tuple[Start, ...]:
    """The starts on sessions that were opened after the Reset, earliest session first."""
    floor = reset.epoch if was_claimed(seen, reset) else max(reset.epoch, seen.early or 0)
    return tuple(start for start in seen.starts if start.epoch > floor)


def latest_session(seen: Seen, reset: Reset) -> int:
    """The charger's latest session that is known of, whether it is open or not."""
    return max(reset.epoch, seen.opened or 0, *(start.epoch for start in seen.starts))


def is_open(seen: Seen, reset: Reset) -> bool:
    """Whether the charger has a session, as far as is known."""
    return seen.closed is None or seen.closed < latest_session(seen, reset)


def is_gone(seen: Seen, reset: Reset) -> bool:
    """Whether the session on which the charger was to drop is over; for a scheduled Reset, the one it is idle on."""
    if seen.answer is AnswerKind.SCHEDULED and seen.idle_at is not None:
        return not is_open(seen, reset) or (seen.opened_at is not None and seen.opened_at >= seen.idle_at)
    return seen.drop_at is not None or (seen.opened or 0) > reset.epoch


def heard(seen: Seen, answer: Sent | Accepted | Scheduled | Unanswered | NotDelivered) -> Seen:
    """What is seen with this answer; the same value when it adds nothing."""
    match answer:
        case Sent():
            return replace(seen, sent_at=answer.at) if seen.sent_at is None else seen
        case Accepted() | Scheduled():
            if was_answered(seen):
                return seen
            kind = AnswerKind.ACCEPTED if isinstance(answer, Accepted) else AnswerKind.SCHEDULED
            return replace(seen, answer=kind, answered_at=answer.at, answer_epoch=answer.answer_epoch)
        case Unanswered() | NotDelivered():
            return replace(seen, answer=AnswerKind.UNANSWERED, answered_at=answer.at) if seen.answer is None else seen
        case _:
            assert_never(answer)


def sighted(seen: Seen, sighting: Sighting, reset: Reset) -> Seen | None:
    """What is seen with this sighting: the same value when it was known, None when it has no bearing on the Reset."""
    if sighting.epoch < reset.epoch:
        return None
    match sighting:
        case Connected():
            return _connected(seen, sighting, reset)
        case Disconnected():
            return _disconnected(seen, sighting, reset)
        case Booted():
            return _booted(seen, sighting, reset)
        case SecurityEvent():
            return _security_event(seen, sighting, reset)
        case TransactionEnded():
            return _transaction_ended(seen, sighting, reset)
        case ConnectorReported():
            return _connector_reported(seen, sighting, reset)
        case _:
            assert_never(sighting)


def _connected(seen: Seen, news: Connected, reset: Reset) -> Seen:
    if news.epoch <= max(reset.epoch, seen.opened or 0):
        return seen
    away = timedelta(0)
    if seen.closed_at is not None and not (seen.opened is not None and seen.opened > (seen.closed or 0)):
        away = news.at - seen.closed_at
    return replace(
        seen,
        opened=news.epoch,
        opened_at=news.at,
        returned_at=seen.returned_at or news.at,
        early=news.epoch if news.at < reset.at - SKEW else seen.early,
        longest_away=max(seen.longest_away, away),
    )


def _disconnected(seen: Seen, news: Disconnected, reset: Reset) -> Seen:
    by_charger = news.why in ENDED_BY_CHARGER
    if news.epoch == reset.epoch and seen.drop_at is None:
        before_return = seen.returned_at is None or news.at <= seen.returned_at
        seen = replace(
            seen,
            drop_at=news.at,
            dropped=by_charger and before_return,
            ours=not by_charger and news.why != ENDED_BY_RETURN,
        )
    if by_charger and news.epoch > (seen.left or 0):
        seen = replace(seen, left=news.epoch)
    if news.epoch > (seen.closed or 0):
        seen = replace(seen, closed=news.epoch, closed_at=news.at)
    return seen


def _booted(seen: Seen, news: Booted, reset: Reset) -> Seen:
    if news.epoch == reset.epoch or news.solicited or news.reason == SOLICITED:
        if news.epoch in seen.uncounted:
            return seen
        return replace(seen, uncounted=(*seen.uncounted, news.epoch))
    start = next((start for start in seen.starts if start.epoch == news.epoch), None)
    if start is not None and start.by_boot:
        return seen  # a charger repeats an unanswered or a rejected boot on the same session: that is one start
    owed = news.owed_since is not None and news.owed_since <= reset.epoch
    first = start or Start(epoch=news.epoch, at=news.at, reason=None, by_boot=True, heard_at=news.heard_at)
    started = replace(first, reason=news.reason, by_boot=True, owed=owed)
    seen = _said_so(seen, news.reason, NAMED_BY_BOOT)
    return replace(seen, starts=_with_start(seen, started))


def is_of_before(news: Sighting, seen: Seen, reset: Reset) -> bool:
    """Whether the charger said it before the Reset, on the same session. On a later session everything is of after it.

    By the clock of the bridge that sent the Reset, where that is behind ours.
    """
    began = min(reset.at, seen.sent_at) if seen.sent_at is not None else reset.at
    return news.epoch <= reset.epoch and news.at < began - SKEW


def was_queued(news: SecurityEvent | TransactionEnded | ConnectorReported, reset: Reset) -> bool:
    """Whether the charger says something of before the Reset again, or at last, as its own clock tells.

    What was not acknowledged is sent again after the next connection, with its old time: it is of an earlier restart.
    """
    return is_old(news.reported_at, news.at, reset.at)


def _security_event(seen: Seen, news: SecurityEvent, reset: Reset) -> Seen | None:
    if news.kind not in NAMED_BY_SECURITY_EVENT or is_of_before(news, seen, reset) or was_queued(news, reset):
        return None
    seen = _said_so(seen, news.kind, NAMED_BY_SECURITY_EVENT)
    if news.epoch == reset.epoch or any(start.epoch == news.epoch for start in seen.starts):
        return seen
    started = Start(epoch=news.epoch, at=news.at, reason=news.kind, by_boot=False, heard_at=news.heard_at)
    return replace(seen, starts=_with_start(seen, started))


def _transaction_ended(seen: Seen, news: TransactionEnded, reset: Reset) -> Seen | None:
    if is_of_before(news, seen, reset):
        return None
    names_reset = news.reason in NAMED_BY_TRANSACTION and not was_queued(news, reset)
    told = _said_so(seen, news.reason, NAMED_BY_TRANSACTION) if names_reset else seen
    of_then = news.transaction_id is not None and news.transaction_id in reset.running
    if of_then and news.transaction_id not in seen.ended:
        told = replace(told, ended={**seen.ended, news.transaction_id or "": news.reason or ""})
    if reset.on_idle and news.idle and seen.idle_at is None:
        return replace(told, idle_at=news.at)
    return told if of_then or names_reset else None


def _connector_reported(seen: Seen, news: ConnectorReported, reset: Reset) -> Seen | None:
    its_evse = reset.evse_id is not None and news.connector.startswith(f"{reset.evse_id}/")
    if not (its_evse or news.epoch > reset.epoch) or is_of_before(news, seen, reset):
        return None
    known = seen.connectors.get(news.connector)
    if known is not None:
        if _is_older(news, known, seen) or said_late(news.reported_at, news.at, known.reported_at):
            return None
        if (known.state, known.epoch, known.error_code) == (news.state, news.epoch, news.error_code):
            return seen
    report = Report(
        state=news.state,
        epoch=news.epoch,
        at=news.at,
        reported_at=news.reported_at,
        error_code=news.error_code,
        usable_since=_usable_since(known, news),
    )
    seen = replace(seen, connectors={**seen.connectors, news.connector: report})
    return _evse_reported(seen, news, reset) if its_evse else seen


def _is_older(news: ConnectorReported, known: Report, seen: Seen) -> bool:
    """Whether a report that is read after another was said before it; not where the bridge's clock was put back since.

    By a clock that was not, nothing is said on a session before it began.
    """
    if news.epoch != known.epoch:
        return news.epoch < known.epoch
    put_back = news.epoch == seen.opened and seen.opened_at is not None and news.at < seen.opened_at
    return news.at < known.at and not put_back


def _usable_since(known: Report | None, news: ConnectorReported) -> datetime | None:
    if news.state not in USABLE:
        return None
    if known is not None and known.epoch == news.epoch and known.usable_since is not None:
        return known.usable_since
    return news.at


def _evse_reported(seen: Seen, news: ConnectorReported, reset: Reset) -> Seen:
    """A Reset of one EVSE is seen in its statuses alone: out of use, and back. There is neither drop nor boot."""
    if news.state is ConnectorState.UNAVAILABLE:
        return replace(seen, evse_out_at=seen.evse_out_at or news.at, evse_back_at=None)
    if seen.evse_out_at is None or seen.evse_back_at is not None:
        return seen
    prefix = f"{reset.evse_id}/"
    still_out = any(
        report.state is ConnectorState.UNAVAILABLE
        for connector, report in seen.connectors.items()
        if connector.startswith(prefix)
    )
    return seen if still_out else replace(seen, evse_back_at=news.at)


def _said_so(seen: Seen, word: str | None, words: frozenset[str]) -> Seen:
    if word is None or word not in words or word in seen.said_so:
        return seen
    return replace(seen, said_so=(*seen.said_so, word))


def _with_start(seen: Seen, start: Start) -> tuple[Start, ...]:
    others = (other for other in seen.starts if other.epoch != start.epoch)
    return tuple(sorted((*others, start), key=lambda one: one.epoch))
