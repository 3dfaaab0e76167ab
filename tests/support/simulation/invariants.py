"""What must hold at the end of every simulation, whatever happened in it."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from contracts import topics
from contracts.ocpp import ChargerBooted, ChargerDisconnected
from contracts.restart import TERMINAL, AttemptMoved, Cause, EvidenceKind, Health, Outcome, Status, Verdict
from ocpp_bridge.ledger import NEVER_SENT as NEVER_SENT_ROWS, WITHDRAWN
from restart_orchestrator import attempt as decider, codec
from restart_orchestrator.states import Attempt, Moved, evolve
from restart_orchestrator.windows import Windows
from simulation.world import CHARGER_ID, WINDOWS, Dispatch, World, true_time_at

MARGIN_S = 20.0
ON_THE_WAY_S = 5.0
"""How much sooner than at the end of a window something must have happened to have been in time for sure: a dead
connection is found by pings, and clocks differ."""
SOUND = frozenset({"healthy", "fast", "slow"})
NOTHING_TO_IT = frozenset({"ask", "cancel", "role", "plan", "clock", "charger_clock", "deaf", "deaf_bridges", "twice"})
SAID_SO = frozenset({Cause.REJECTED, Cause.UNSUPPORTED, Cause.RESET_FAILURE})
NEVER_SENT = frozenset({Status.REFUSED, Status.CANCELLED, Status.UNDELIVERED})


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, and how that shows."""

    invariant: str
    why: str


@dataclass(frozen=True, slots=True)
class Ending:
    """A move to a verdict: when it was committed, and when its transaction began."""

    at: float
    began: float
    attempt: Attempt

    @property
    def verdict(self) -> Verdict:
        assert self.attempt.verdict is not None
        return self.attempt.verdict


@dataclass(frozen=True, slots=True)
class Frame:
    """A Reset that the charger read: when, its messageId, which one of its attempt, and on which session."""

    at: float
    message_id: str
    number: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of one attempt when everything is over.

    Attributes:
        next_at: when the next attempt's Reset was decided on: what the charger does from then on may be because of it.
        observed_before: how many observations had been read by then, or had to be.
    """

    attempt: Attempt
    endings: tuple[Ending, ...]
    sent: Mapping[int, Dispatch]
    frames: tuple[Frame, ...]
    next_at: float = math.inf
    observed_before: float = math.inf

    @property
    def sent_at(self) -> float | None:
        """When its first Reset was decided on."""
        return self.sent[0].at if 0 in self.sent else None

    @property
    def frame_at(self) -> float:
        """When the charger read its last Reset; infinity where it never did."""
        number = self.attempt.reset.number if self.attempt.reset is not None else 0
        return next((frame.at for frame in self.frames if frame.number == number), math.inf)

    @property
    def name(self) -> str:
        return f"attempt {str(self.attempt.attempt_id)[:4]}"


def violations(world: World) -> list[Violation]:
    """Everything that does not hold; empty when all is well."""
    lives = [_beside_the_next(world, life) for life in _lives(world)]
    return [Violation(check.__name__, why) for check in CHECKS for why in check(world, lives)]


def _lives(world: World) -> Iterator[Life]:
    for held in world.database.tables.get("attempts", {}).values():
        attempt: Attempt = held.attempt
        endings = tuple(
            Ending(at, began, recorded.after)
            for at, began, recorded in world.committed
            if recorded.after.attempt_id == attempt.attempt_id
            and isinstance(recorded.transition, Moved)
            and recorded.transition.verdict is not None
        )
        sent = {one.number: one for one in world.dispatches if one.attempt_id == attempt.attempt_id}
        frames = tuple(
            Frame(at, of, _number(world, of), on)
            for at, of, on in world.truth.frames
            if _attempt_of(world, of) == attempt.attempt_id
        )
        yield Life(attempt, endings, sent, frames)


def _beside_the_next(world: World, life: Life) -> Life:
    """The same, with what is known of the attempt whose Reset came next."""
    own = life.sent_at
    later = [one for one in world.dispatches if one.number == 0 and own is not None and one.at > own]
    following = min(later, key=lambda one: one.at, default=None)
    if following is None:
        return life
    return replace(
        life, next_at=following.at, observed_before=max(following.observed, _had_to_be_read(world, following))
    )


def _had_to_be_read(world: World, following: Dispatch) -> int:
    """How many observations there were when a wait ended, at the latest: no Reset goes out before they are read."""
    moves = [one for _, _, one in world.committed if one.after.attempt_id == following.attempt_id]
    waits = [one.after.deadline for one in moves if one.after.reset is None and one.after.deadline is not None]
    if not waits:
        return 0
    ended = (waits[-1].due - true_time_at(0)).total_seconds() - world.clocks.span[1]
    records = world.log.records(topics.OCPP_OBSERVATIONS.name, world.partition)
    return sum(record.at < ended for record in records)


def _attempt_of(world: World, message_id: str) -> UUID | None:
    """By the bridge's ledger: which attempt a frame belongs to."""
    rows = world.bridge_database.ledger.values()
    return next((row.attempt_id for row in rows if row.message_id == message_id), None)


def _number(world: World, message_id: str) -> int:
    rows = world.bridge_database.ledger.values()
    return next((row.escalation for row in rows if row.message_id == message_id), 0)


# --- the verdict and the truth ----------------------------------------------------------------------------------------


def never_restarted_when_it_did_not(world: World, lives: list[Life]) -> Iterator[str]:
    """`restarted` is only said of a charger whose software started after the Reset was decided on, and before the next."""
    for life in lives:
        for ending in life.endings:
            if ending.verdict.outcome is not Outcome.RESTARTED or {"usual_away_s", "boot"} & {*ending.verdict.params}:
                continue  # by time away alone, or by a boot that it owed: both say themselves how little that is
            starts = world.truth.restarts
            if life.attempt.asked.evse_id is not None:
                starts = starts + world.truth.evse_restarts
            reset = ending.attempt.reset
            if any(reset is None or epoch is None or epoch > reset.epoch for _, epoch in world.truth.lies):
                continue  # it says that it has booted, on a new session, and has not: nobody could tell
            if not any(_follows(world, start, life) and start <= min(ending.at, life.next_at) for start in starts):
                yield f"{life.name} is called restarted at {ending.at:.1f}, but the charger did not restart"


def _follows(world: World, start: float, life: Life) -> bool:
    """Whether the charger started after the Reset, or was away at that moment and not back before it."""
    if life.sent_at is None:
        return False
    if start >= life.sent_at:
        return True
    back = min((at for at, _ in world.opened if at >= start), default=start)
    return back >= life.sent_at - 1.0


def never_missed_when_it_did(world: World, lives: list[Life]) -> Iterator[str]:
    """Neither `not_restarted` nor an unrevised `lost` of a charger that restarted and said so inside the window.

    Whoever waits beside a lost attempt changes nothing of that until its own Reset is decided on.
    """
    revision = WINDOWS.revision.total_seconds() - world.clocks.apart
    for life in lives:
        if not life.endings or life.frame_at == math.inf:
            continue
        last = life.endings[-1]
        verdict = last.verdict
        if verdict.outcome not in (Outcome.NOT_RESTARTED, Outcome.LOST) or verdict.cause in SAID_SO:
            continue
        if "usual_away_s" in verdict.params:
            continue  # it is not known to boot at all, and the verdict says how little it rests on
        for number, boot_at in _boots_of_restarts(world, life):
            if verdict.outcome is Outcome.LOST and number >= life.observed_before:
                continue  # nobody could tell any more which Reset it is of
            if boot_at < last.began:
                yield (
                    f"{life.name} is called {_words(verdict)} at {last.at:.1f}, "
                    f"but the boot of its restart was in Kafka at {boot_at:.1f}"
                )
            elif _inside_the_windows(world, life, boot_at):
                yield (
                    f"{life.name} is called {_words(verdict)} at {last.at:.1f}, "
                    f"but the boot of its restart came at {boot_at:.1f}, inside the window"
                )
            elif verdict.outcome is Outcome.LOST and boot_at < last.at + revision - MARGIN_S:
                yield f"{life.name} stays lost, but its charger booted at {boot_at:.1f}"


def _boots_of_restarts(world: World, life: Life) -> Iterator[tuple[int, float]]:
    """When boots were in Kafka of restarts after the Reset had reached the charger, and before the next; numbered."""
    reset = life.attempt.reset
    if reset is None:
        return
    for number, record in enumerate(world.log.records(topics.OCPP_OBSERVATIONS.name, world.partition)):
        data = record.envelope.data
        if not isinstance(data, ChargerBooted) or data.solicited or data.reason == "Triggered":
            continue
        start = max((start for start in world.truth.restarts if start <= record.at), default=-math.inf)
        if data.epoch > reset.epoch and life.frame_at <= start < life.next_at:
            yield number, record.at


def _inside_the_windows(world: World, life: Life, boot_at: float) -> bool:
    """Whether the charger dropped and booted in time for sure, by the true time."""
    reset, frame_at = life.attempt.reset, life.frame_at
    if reset is None or reset.on_idle:
        return False
    ends = [
        at
        for at in (
            _dropped_at(world, reset.epoch),
            min((s for s in world.truth.restarts if s >= frame_at), default=None),
        )
        if at is not None
    ]
    if not ends:
        return False
    dropped = min(ends)
    in_time = dropped <= frame_at + WINDOWS.drop.total_seconds() - MARGIN_S
    return in_time and boot_at <= dropped + WINDOWS.boot.total_seconds() - MARGIN_S


def _dropped_at(world: World, epoch: int) -> float | None:
    return next((line.ended_at for line in world.lines if line.epoch == epoch), None)


def an_evse_that_restarted_is_not_said_to_have_ignored_it(world: World, lives: list[Life]) -> Iterator[str]:
    """A Reset of one EVSE shows in its statuses alone, which count where they come after it."""
    if world.died:
        return
    for life in lives:
        back = min((at for at in world.truth.evse_restarts if at >= life.frame_at), default=math.inf)
        for ending in life.endings:
            if ending.verdict.cause is Cause.IGNORED and ending.began > back + MARGIN_S:
                yield f"{life.name} is called ignored at {ending.at:.1f}, but its EVSE had restarted at {back:.1f}"


def a_sound_charger_is_called_sound(world: World, lives: list[Life]) -> Iterator[str]:
    """A charger that restarts as it should, and to which nothing else happens, is healthy afterwards."""
    happened = {event.what for event in world.scenario.events}
    if world.scenario.personality not in SOUND or not happened <= NOTHING_TO_IT or world.died:
        return
    for life in lives:
        for ending in life.endings:
            if ending.verdict.outcome is Outcome.RESTARTED and ending.verdict.health is not Health.OK:
                yield f"{life.name} is called {_words(ending.verdict)} and {ending.verdict.health} at {ending.at:.1f}"


def ignored_means_it_was_there(world: World, lives: list[Life]) -> Iterator[str]:
    """`ignored` is not said of a charger that had been gone for long, not even when nobody was left to say so."""
    for life in lives:
        for ending in life.endings:
            reset = ending.attempt.reset
            if ending.verdict.cause is not Cause.IGNORED or reset is None:
                continue
            gone = _dropped_at(world, reset.epoch)
            if gone is not None and gone < ending.began - 2 * MARGIN_S:
                yield f"{life.name} is called ignored at {ending.at:.1f}, but its session had ended at {gone:.1f}"


def unheard_means_that_something_died(world: World, lives: list[Life]) -> Iterator[str]:
    """While everything lives, somebody knows of each charger: its connection answers, or its end is noticed."""
    if world.died:
        return
    for life in lives:
        for ending in life.endings:
            if "unheard_since" in ending.verdict.params:
                yield f"{life.name} ended at {ending.at:.1f} with nobody having heard of the charger, though all lived"


def answers_are_not_lost(world: World, lives: list[Life]) -> Iterator[str]:
    """What the charger answered, on whichever session, is part of the evidence, if nothing died meanwhile.

    A loop of boots is called one at the third, whatever has not been read by then.
    """
    if world.died:
        return
    for life in lives:
        kinds = {
            evidence.kind
            for _, _, recorded in world.committed
            if recorded.after.attempt_id == life.attempt.attempt_id and isinstance(recorded.transition, Moved)
            for evidence in recorded.transition.evidence
        }
        answered = [
            (at, status)
            for at, of, status in world.answers
            if _attempt_of(world, of) == life.attempt.attempt_id and status in ("Accepted", "Scheduled")
        ]
        if not answered or not life.endings or life.endings[0].attempt.status is Status.EXPIRED:
            continue
        if life.endings[0].verdict.health is Health.BOOT_LOOP:
            continue
        at, status = answered[0]
        if at < life.endings[0].began - MARGIN_S and not kinds & {EvidenceKind.ACCEPTED, EvidenceKind.SCHEDULED}:
            yield f"{life.name} has no evidence of the {status} that was heard at {at:.1f}"


# --- one verdict, one frame, one attempt ------------------------------------------------------------------------------


def one_verdict(world: World, lives: list[Life]) -> Iterator[str]:
    """An attempt has one verdict; only `lost` is revised, once, and says so."""
    for life in lives:
        if len(life.endings) > 1:
            first, second = life.endings[0], life.endings[1]
            revised = first.attempt.status is Status.LOST and second.attempt.revises == first.attempt.version
            if not revised or len(life.endings) > 2:
                yield f"{life.name} has {len(life.endings)} verdicts"


def at_most_one_frame(world: World, lives: list[Life]) -> Iterator[str]:
    """A charger reads at most one Reset of an attempt, on the session it was meant for; every Reset is somebody's."""
    for life in lives:
        numbers = [frame.number for frame in life.frames]
        if len(numbers) != len(set(numbers)):
            yield f"{life.name} has {len(numbers)} Reset frames, numbered {numbers}"
        for frame in life.frames:
            decided = life.sent.get(frame.number)
            if decided is None:
                yield f"{life.name} has a Reset frame at {frame.at:.1f} that was never decided on"
            elif frame.epoch is not None and frame.epoch != decided.epoch:
                yield f"{life.name} has its Reset on session {frame.epoch} instead of {decided.epoch}"
    for at, message_id, _ in world.truth.frames:
        if _attempt_of(world, message_id) is None:
            yield f"the Reset frame {message_id} at {at:.1f} is in nobody's ledger"


def no_frame_of_what_was_not_sent(world: World, lives: list[Life]) -> Iterator[str]:
    """Refused, cancelled and undelivered attempts never reached the charger."""
    for life in lives:
        if life.frames and life.attempt.status in NEVER_SENT:
            yield f"{life.name} is {life.attempt.status.value}, but the charger read its Reset at {life.frames[0].at:.1f}"


def a_withdrawal_is_told_as_the_ledger_has_it(world: World, lives: list[Life]) -> Iterator[str]:
    """Who takes a request back whose Reset is on its way is told what its charger met; nobody dies, nobody waits."""
    for life in lives:
        asked = life.attempt.withdrawal
        if asked is None:
            continue
        row = world.bridge_database.ledger.get((life.attempt.attempt_id, 0))
        taken_back = row is not None and row.outcome in NEVER_SENT_ROWS
        if asked.answer == "withdrawn" and not (taken_back and life.attempt.status is Status.CANCELLED):
            yield f"{life.name} is {life.attempt.status.value}, called withdrawn, and the ledger has {row}"
        if asked.answer == "too_late" and row is not None and row.outcome == WITHDRAWN:
            yield f"{life.name} is called too late to be withdrawn, but the ledger has {row}"
        if asked.answer is None and not world.died:
            yield f"{life.name} was never told whether it was withdrawn, though all lived"


def no_frame_after_its_time(world: World, lives: list[Life]) -> Iterator[str]:
    """Nothing is sent for which it is too late, by the bridge's clock; and a frame takes its time."""
    late = Windows().dispatch.total_seconds() + ON_THE_WAY_S + world.clocks.apart
    for life in lives:
        for frame in life.frames:
            decided = life.sent.get(frame.number)
            if decided is not None and frame.at > decided.at + late:
                yield f"{life.name} was decided on at {decided.at:.1f}, and its Reset frame came at {frame.at:.1f}"


def one_open_attempt(world: World, lives: list[Life]) -> Iterator[str]:
    """Two attempts for the same charger are never open at the same time."""
    open_now: set[UUID] = set()
    for at, _, recorded in world.committed:
        attempt = recorded.after
        if attempt.status in TERMINAL:
            open_now.discard(attempt.attempt_id)
        elif isinstance(recorded.transition, Moved):
            open_now.add(attempt.attempt_id)
            if len(open_now) > 1:
                yield f"two attempts are open at {at:.1f}"
                return


def nothing_stays_open(world: World, lives: list[Life]) -> Iterator[str]:
    """Every request gets an attempt, and every attempt gets an end."""
    known = {life.attempt.attempt_id for life in lives}
    for attempt_id in world.requested:
        if attempt_id not in known:
            yield f"the request for attempt {str(attempt_id)[:4]} came to nothing"
    for life in lives:
        if life.attempt.is_open:
            yield f"{life.name} stays {life.attempt.status.value} for ever"


def only_the_entitled_restart(world: World, lives: list[Life]) -> Iterator[str]:
    """Nobody without the right, by what had been read when the Reset was decided on, restarts anything."""
    for dispatch in world.dispatches:
        if not dispatch.entitled:
            yield f"attempt {str(dispatch.attempt_id)[:4]} was sent at {dispatch.at:.1f} for somebody without the right"


# --- the record -------------------------------------------------------------------------------------------------------


def replay_says_the_same(world: World, lives: list[Life]) -> Iterator[str]:
    """The stored history, the recorded inputs and the published events each lead to the same attempt."""
    for life in lives:
        attempt_id = life.attempt.attempt_id
        transitions = [
            recorded.transition for _, _, recorded in world.committed if recorded.after.attempt_id == attempt_id
        ]
        again: Attempt | None = None
        for transition in transitions:
            stored = codec.transition_to_json(transition)
            again = evolve(again, codec.transition_from_json(_parsed(stored)))
        if again != life.attempt:
            yield f"{life.name} is another one when its history is read again"
        again = None
        for event, options in world.database.decided.get(attempt_id, ()):
            for transition in decider.decide(again, event, **options).transitions:
                again = evolve(again, transition)
        if again != life.attempt:
            yield f"{life.name} is another one when its inputs are decided on again"
        if codec.from_json(codec.to_json(life.attempt)) != life.attempt:
            yield f"{life.name} is another one when it is stored and read"


def _parsed(text: str) -> Any:
    import json

    return json.loads(text)


def every_move_is_published(world: World, lives: list[Life]) -> Iterator[str]:
    """Each move is published, in its order, and always with the same content."""
    published: dict[UUID, dict[int, AttemptMoved]] = {}
    for record in world.log.records(topics.RESTART_ATTEMPTS.name, world.partition):
        moved = record.envelope.data
        if not isinstance(moved, AttemptMoved):
            continue
        versions = published.setdefault(moved.attempt_id, {})
        known = versions.setdefault(moved.version, moved)
        if known != moved:
            yield f"version {moved.version} of attempt {str(moved.attempt_id)[:4]} was published with two contents"
        if list(versions) != sorted(versions):
            yield f"the moves of attempt {str(moved.attempt_id)[:4]} were published out of their order"
            return
    for life in lives:
        versions = published.get(life.attempt.attempt_id, {})
        if sorted(versions) != list(range(1, life.attempt.version + 1)):
            yield f"{life.name} has {life.attempt.version} moves, of which {sorted(versions)} were published"
        elif versions and versions[life.attempt.version].verdict != life.attempt.verdict:
            yield f"{life.name} was published with another verdict"


def what_was_acknowledged_is_kept(world: World, lives: list[Life]) -> Iterator[str]:
    """A boot that the charger was told is accepted is in Kafka."""
    booted = {
        record.envelope.data.epoch
        for record in world.log.records(topics.OCPP_OBSERVATIONS.name, world.partition)
        if isinstance(record.envelope.data, ChargerBooted)
    }
    for at, epoch in world.truth.boots_accepted:
        if epoch is not None and epoch not in booted:
            yield f"the boot accepted at {at:.1f} on session {epoch} is not in Kafka"


def the_last_word_about_a_session_is_true(world: World, lives: list[Life]) -> Iterator[str]:
    """At the end the topic says of the charger what is so: online, on its last session; or not."""
    records = world.log.records(topics.OCPP_CONNECTIVITY.name, world.partition)
    line = world.line
    if line is not None and (line.mute or world.loop.time() - line.opened_at < MARGIN_S):
        return
    latest = max(records, key=lambda record: record.envelope.data.epoch, default=None)
    if line is not None and line.epoch is not None:
        if latest is None or latest.envelope.data.epoch != line.epoch:
            yield f"the charger is on session {line.epoch}, of which the topic does not tell"
    elif latest is not None and not world.quiet_since_disconnect():
        ended = any(
            isinstance(record.envelope.data, ChargerDisconnected)
            and record.envelope.data.epoch == latest.envelope.data.epoch
            for record in records
        )
        if not ended:
            yield f"session {latest.envelope.data.epoch} is over, of which the topic does not tell"


def a_charger_that_is_there_can_be_restarted(world: World, lives: list[Life]) -> Iterator[str]:
    """At the end the charger's session is its last one by the bridges' table: on another no Reset could be sent."""
    line, row = world.line, world.bridge_database.sessions.get(CHARGER_ID)
    if line is None or line.epoch is None or line.mute or world.loop.time() - line.opened_at < MARGIN_S:
        return
    if row is None or (row.epoch, row.closed_at) != (line.epoch, None):
        yield f"the charger is on session {line.epoch}, and to the bridges its last one is {row}"


def nothing_breaks(world: World, lives: list[Life]) -> Iterator[str]:
    """No error that nobody expected."""
    yield from dict.fromkeys(world.loop.problems)
    yield from (f"the simulated charger: {error}" for error in world.charger.facts.errors)


def _words(verdict: Verdict) -> str:
    return f"{verdict.outcome.value} ({verdict.cause.value})" if verdict.cause is not None else verdict.outcome.value


CHECKS: tuple[Callable[[World, list[Life]], Iterator[str]], ...] = (
    nothing_breaks,
    never_restarted_when_it_did_not,
    never_missed_when_it_did,
    an_evse_that_restarted_is_not_said_to_have_ignored_it,
    a_sound_charger_is_called_sound,
    ignored_means_it_was_there,
    unheard_means_that_something_died,
    answers_are_not_lost,
    one_verdict,
    at_most_one_frame,
    no_frame_of_what_was_not_sent,
    a_withdrawal_is_told_as_the_ledger_has_it,
    no_frame_after_its_time,
    one_open_attempt,
    nothing_stays_open,
    only_the_entitled_restart,
    replay_says_the_same,
    every_move_is_published,
    what_was_acknowledged_is_kept,
    the_last_word_about_a_session_is_true,
    a_charger_that_is_there_can_be_restarted,
)
