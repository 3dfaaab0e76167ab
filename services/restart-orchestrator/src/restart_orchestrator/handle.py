"""The shell: load, decide, record, publish and arm timers, in one transaction for a batch of messages or a deadline."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import effects
from chassis.clock import Clock
from chassis.database import Transaction, Work
from chassis.outbox import Outbox
from chassis.timers import Alarm, Timer, Timers
from contracts import topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerProbed, ResetRejected, TransactionEnded
from contracts.restart import CancelRestart, RequestRestart, Status
from restart_orchestrator import store, translate
from restart_orchestrator.desk import Desk, is_waiting
from restart_orchestrator.hearing import Ends, are_read, partition_of
from restart_orchestrator.inputs import Standing
from restart_orchestrator.metrics import AttemptMetrics
from restart_orchestrator.past import with_past
from restart_orchestrator.projections import PROJECTIONS
from restart_orchestrator.states import Attempt, Deadline, WakeMe
from restart_orchestrator.windows import Windows

Batch = Sequence[Envelope[Any]]
LOOK_AGAIN = timedelta(milliseconds=200)
"""How soon a deadline is looked at again that came before all that had been said by then was read."""
_HELD = frozenset({Status.QUEUED.value, Status.AWAITING_IDLE.value})
"""What an attempt waits in whose Reset is not decided on yet: then a lost one may watch beside it."""


class Handler:
    """Handles what is read, in batches that each are one transaction and hold their chargers' locks, and deadlines.

    There is no inbox: a checkpoint keeps what was handled from being handled again, and the decider knows by itself
    what it has heard before.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        timers: Timers,
        clock: Clock,
        windows: Windows,
        ends: Ends,
        metrics: AttemptMetrics,
    ) -> None:
        self._outbox = outbox
        self._timers = timers
        self._clock = clock
        self._windows = windows
        self._ends = ends
        self._metrics = metrics
        self._run = secrets.token_hex(4)

    async def on_requests(self, session: Transaction, batch: Batch) -> None:
        """People ask for restarts and take requests back."""
        asked = [(said.data.charger_id, _person(said)) for said in batch]
        attempts, standings = await store.load_requested(session, asked, _attempt_ids(batch))
        desk = self._desk(attempts)
        for said in batch:
            data = said.data
            standing = standings[data.charger_id, _person(said)]
            match data:
                case RequestRestart():
                    standing = desk.with_open_attempt(standing, data.charger_id)
                    desk.hear(data.attempt_id, translate.to_request(said, standing), trace=said.traceparent)
                case CancelRestart():
                    desk.hear(data.attempt_id, translate.to_cancel(said, standing.situation.role))
                case _:
                    continue
        await self._clear(session, desk)

    async def on_answers(self, session: Transaction, batch: Batch) -> None:
        """The bridge says what became of Resets, and which chargers are there."""
        attempts = await store.load_attempts(session, [], _attempt_ids(batch))
        decisive = {said.data.attempt_id for said in batch if isinstance(said.data, ResetRejected | ChargerProbed)}
        standings = {
            one.attempt.attempt_id: await self._standing_to_escalate(session, one.attempt)
            for one in attempts
            if one.attempt.attempt_id in decisive and one.attempt.is_open
        }
        desk = self._desk(attempts)
        for said in batch:
            answer = translate.to_answer(said, standings.get(said.data.attempt_id))
            if answer is not None:
                desk.hear(said.data.attempt_id, answer)
        await self._clear(session, desk)

    async def on_connectivity(self, session: Transaction, batch: Batch) -> None:
        """Chargers come and go."""
        await self._on_news(session, batch, "connectivity")

    async def on_observations(self, session: Transaction, batch: Batch) -> None:
        """Chargers say something of themselves."""
        await self._on_news(session, batch, "observations")

    async def _on_news(self, session: Transaction, batch: Batch, projection: str) -> None:
        """Remembers the news, and tells them to the attempts that watch these chargers, where there are any."""
        chargers = _chargers(batch)
        remembered = PROJECTIONS[projection]
        await remembered.apply(session, batch, remembered.live)
        watching = await store.load_attempts(session, chargers)
        if not watching:
            return
        desk = self._desk(watching)
        waiting = [one.attempt for one in watching if is_waiting(one.attempt)]
        standings = await store.load_standings(session, map(_asked_by, waiting))
        ended = {said.data.charger_id for said in batch if isinstance(said.data, TransactionEnded)}
        awaited = [one.attempt.charger_id for one in watching if one.attempt.charger_id in ended]
        busy = await store.load_busy(session, awaited) if awaited else {}
        last: dict[str, Envelope[Any]] = {}
        for said in batch:
            last[said.data.charger_id] = said
            for attempt in desk.watching(said.data.charger_id):
                if attempt.reset is not None:
                    idle = not _interferes(attempt, busy.get(attempt.charger_id, set()))
                    sighting = translate.to_sighting(said, idle=idle)
                    if sighting is not None:
                        desk.hear(attempt.attempt_id, sighting)
        for attempt in waiting:
            # After the lost one has heard all of it: what is known before a Reset is evidence of the one before.
            beside_lost = desk.lost(attempt.charger_id) is not None
            standing = replace(standings[_asked_by(attempt)], beside_lost=beside_lost)
            desk.hear(attempt.attempt_id, translate.to_change(last[attempt.charger_id], standing))
        await self._clear(session, desk)

    async def on_deadlines(self, session: Transaction, timers: Sequence[Timer]) -> None:
        """The times that attempts wait for have come.

        What an attempt has not heard by then is held against the charger, so it is first made sure that all that was
        said by then has been read; after a standstill of ours or of Kafka's the backlog comes before the deadlines. Nor
        does a clock that was put forward end a wait that has not lasted as long.
        """
        await store.lock_all(session, [timer.payload["charger_id"] for timer in timers])
        waited_for = [timer.payload["charger_id"] for timer in timers if timer.payload["waiting_for"] in _HELD]
        found = await store.load_attempts(session, waited_for, [_attempt_of(timer) for timer in timers])
        held = {one.attempt.attempt_id: one.attempt for one in found}
        waiting = [attempt for attempt in held.values() if is_waiting(attempt)]
        standings = await store.load_standings(session, map(_asked_by, waiting))
        due, later = await self._judged_now(session, [timer for timer in timers if _attempt_of(timer) in held], held)
        await self._timers.arm_many(session, later)
        desk = self._desk(found)
        for timer, deadline in due:
            attempt = held[_attempt_of(timer)]
            standing = standings[_asked_by(attempt)] if is_waiting(attempt) else None
            desk.hear(attempt.attempt_id, translate.to_deadline_passed(attempt.attempt_id, deadline, standing))
        await self._clear(session, desk)

    async def _judged_now(
        self, session: Transaction, timers: Sequence[Timer], held: Mapping[UUID, Attempt]
    ) -> tuple[list[tuple[Timer, Deadline]], list[Alarm]]:
        """The deadlines that may be judged, and when the others are looked at again."""
        due: list[tuple[Timer, Deadline]] = []
        later: list[Alarm] = []
        heard: list[tuple[Timer, Deadline]] = []
        beside_lost = {attempt.charger_id for attempt in held.values() if attempt.status is Status.LOST}
        for timer in timers:
            attempt, deadline = held[_attempt_of(timer)], _deadline_of(timer)
            alone = is_waiting(attempt) and attempt.charger_id not in beside_lost
            if alone or attempt.deadline is None or attempt.deadline.number != deadline.number:
                due.append((timer, deadline))
            elif (left := self._time_left(timer)) > LOOK_AGAIN:
                later.append(Alarm(timer.key, self._clock.now() + left, timer.payload))
            else:
                heard.append((timer, attempt.deadline))
        if not heard:
            return due, later
        asked = await self._how_far(timer for timer, _ in heard)
        for (timer, deadline), (_, until), is_read in zip(
            heard, asked, await are_read(session, self._ends, asked), strict=True
        ):
            if is_read:
                due.append((timer, deadline))
            else:
                self._metrics.postponed()
                later.append(Alarm(timer.key, self._clock.now() + LOOK_AGAIN, timer.payload | {"until": until}))
        return due, later

    async def _how_far(self, timers: Iterable[Timer]) -> list[tuple[int, dict[str, int]]]:
        """For each timer the partition of its charger, and up to where that is to be read: its end when it was due."""
        looked = [(partition_of(timer.payload["charger_id"]), timer.payload.get("until")) for timer in timers]
        unknown = {partition for partition, until in looked if not until}
        ends = await self._ends.ends(unknown) if unknown else {}
        return [(partition, until or dict(ends[partition])) for partition, until in looked]

    async def _standing(self, session: Work, attempt: Attempt) -> Standing:
        return (await store.load_standings(session, [_asked_by(attempt)]))[_asked_by(attempt)]

    async def _standing_to_escalate(self, session: Work, attempt: Attempt) -> Standing:
        """What a decision about a harder Reset needs; the rights of the person among it, as they are now."""
        return await with_past(session, attempt, await self._standing(session, attempt), self._clock.now())

    def _desk(self, held: Sequence[store.Held]) -> Desk:
        return Desk(held, now=self._clock.now(), windows=self._windows, metrics=self._metrics)

    async def _clear(self, session: Work, desk: Desk) -> None:
        # The command first: a person may learn of it a moment later.
        messages = sorted(desk.messages, key=lambda message: message[0] is not topics.OCPP_COMMANDS)
        last = {attempt.attempt_id: (attempt, wake) for attempt, wake in desk.wakes}
        await effects.write(
            session,
            to=self._outbox,
            messages=messages,
            by=self._timers,
            alarms=[self._measured(_alarm(attempt, wake)) for attempt, wake in last.values()],
            settled=[_timer_of(*deadline) for deadline in desk.settled],
            also=store.record(desk.touched, desk.history),
        )

    def _measured(self, alarm: Alarm) -> Alarm:
        """The alarm with a note of when it is due by the clock that nobody sets, which only this process can read."""
        due = self._clock.monotonic() + (alarm.due - self._clock.now()).total_seconds()
        return replace(alarm, payload={**alarm.payload, "armed_by": self._run, "monotonic_due": due})

    def _time_left(self, timer: Timer) -> timedelta:
        """How much of a wait is left although it is due: where this process armed it, and the clock was set since."""
        if timer.payload.get("armed_by") != self._run:
            return timedelta(0)
        return timedelta(seconds=timer.payload["monotonic_due"] - self._clock.monotonic())


def _alarm(attempt: Attempt, wake: WakeMe) -> Alarm:
    deadline = wake.deadline
    return Alarm(
        key=_timer_of(attempt.attempt_id, deadline.number),
        due=deadline.due,
        payload={
            "attempt_id": str(attempt.attempt_id),
            "charger_id": attempt.charger_id,
            "waiting_for": deadline.waiting_for.value,
            "number": deadline.number,
        },
    )


def _attempt_of(timer: Timer) -> UUID:
    return UUID(timer.payload["attempt_id"])


def _deadline_of(timer: Timer) -> Deadline:
    return Deadline(waiting_for=Status(timer.payload["waiting_for"]), number=timer.payload["number"], due=timer.due)


def _timer_of(attempt_id: UUID, number: int) -> str:
    return f"{attempt_id}/{number}"


def _chargers(batch: Batch) -> list[str]:
    return sorted({said.data.charger_id for said in batch})


def _attempt_ids(batch: Batch) -> list[UUID]:
    return [said.data.attempt_id for said in batch]


def _person(said: Envelope[Any]) -> str:
    data = said.data
    return str(data.cancelled_by if isinstance(data, CancelRestart) else data.requested_by)


def _asked_by(attempt: Attempt) -> tuple[str, str]:
    return attempt.charger_id, attempt.asked.requested_by


def _interferes(attempt: Attempt, busy: set[int | None]) -> bool:
    """Whether a transaction runs where the restart is to be."""
    evse_id = attempt.reset.evse_id if attempt.reset is not None else None
    return bool(busy) if evse_id is None else bool(busy & {evse_id, None})
