"""Learns from finished attempts how long restarts take, and publishes it where it has changed."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import Clock
from chassis.outbox import Outbox
from contracts import topics
from contracts.envelope import Envelope, derived_id
from contracts.restart import DurationsLearned, Expected
from restart_orchestrator import codec
from restart_orchestrator.durations import DEFAULT_RULES, Rules, Sample, changed_materially, learn, sample_of
from restart_orchestrator.tables import duration_samples, durations, learning
from restart_orchestrator.translate import SOURCE

AT_ONCE = 500
ALL_FIRMWARE = ""
_ORIGIN = uuid5(NAMESPACE_URL, f"{SOURCE}/durations")
_ATTEMPTS = "attempts"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_AT_A_TIME = text("select pg_try_advisory_xact_lock(hashtextextended('restart_orchestrator.learning', 0))")
_FINISHED = text(
    """
    select t.attempt_id, t.at, a.state
      from attempt_transitions t join attempts a on a.attempt_id = t.attempt_id
     where t.status = 'restarted' and t.at > :since and t.at <= :until
     order by t.at fetch first :most rows with ties
    """
)
_FORGET_OF_CHARGERS = text(
    """
    delete from duration_samples where attempt_id in (
        select attempt_id from (
            select attempt_id, row_number() over (partition by charger_id order by ended_at desc, attempt_id) as place
              from duration_samples where charger_id = any(:chargers)) ranked
         where place > :kept)
    """
)
_FORGET_OF_MODEL = text(
    """
    delete from duration_samples where attempt_id in (
        select attempt_id from duration_samples where model = :model and firmware = :firmware
         order by ended_at desc, attempt_id offset :kept)
    """
)


class Learner:
    """Reads the verdicts that were given since it last did; several may run, one at a time learns.

    Args:
        settled: so old a verdict is when it is learned from: all that were given before it are committed by then.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, rules: Rules = DEFAULT_RULES, *, settled: timedelta = timedelta(seconds=30)
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._rules = rules
        self._settled = settled

    async def learn_some(self, session: AsyncSession) -> bool:
        """Learns from the next finished attempts, in the session's transaction; returns whether there may be more."""
        if not (await session.execute(_ONE_AT_A_TIME)).scalar_one():
            return False
        since = await session.scalar(select(learning.c.until).where(learning.c.name == _ATTEMPTS)) or _BEGINNING
        until = self._clock.now() - self._settled
        found = (await session.execute(_FINISHED, {"since": since, "until": until, "most": AT_ONCE})).all()
        if not found:
            return False
        await self._keep(session, [(row.attempt_id, row.state) for row in found])
        seen = insert(learning).values(name=_ATTEMPTS, until=found[-1].at)
        await session.execute(seen.on_conflict_do_update(index_elements=["name"], set_={"until": found[-1].at}))
        return len(found) >= AT_ONCE

    async def _keep(self, session: AsyncSession, finished: Iterable[tuple[UUID, dict[str, Any]]]) -> None:
        rows: list[dict[str, Any]] = []
        for attempt_id, state in finished:
            attempt = codec.from_json(state)
            sample = sample_of(attempt)
            if sample is None or attempt.model is None:
                continue
            rows.append(
                {
                    "attempt_id": attempt_id,
                    "charger_id": sample.charger_id,
                    "model": attempt.model,
                    "firmware": attempt.firmware or ALL_FIRMWARE,
                    "ended_at": sample.ended_at,
                    "drop_s": sample.drop_s,
                    "boot_s": sample.boot_s,
                    "healthy_s": sample.healthy_s,
                    "away_s": sample.away_s,
                }
            )
        if not rows:
            return
        await session.execute(insert(duration_samples).values(rows).on_conflict_do_nothing())
        chargers = sorted({row["charger_id"] for row in rows})
        await session.execute(_FORGET_OF_CHARGERS, {"chargers": chargers, "kept": self._rules.per_charger})
        kinds = sorted({(row["model"], row["firmware"]) for row in rows})
        for model, firmware in kinds:
            kept = {"model": model, "firmware": firmware, "kept": self._rules.kept}
            await session.execute(_FORGET_OF_MODEL, kept)
        said: list[Envelope[Any]] = []
        for model, firmware in sorted({*kinds, *((model, ALL_FIRMWARE) for model, _ in kinds)}):
            learned = await self._learn(session, model, firmware)
            if learned is not None:
                said.append(learned)
        await self._outbox.add(session, topics.RESTART_DURATIONS, said)

    async def _learn(self, session: AsyncSession, model: str, firmware: str) -> Envelope[Any] | None:
        table = duration_samples
        query = select(table).where(table.c.model == model).order_by(table.c.ended_at.desc()).limit(self._rules.kept)
        if firmware != ALL_FIRMWARE:
            query = query.where(table.c.firmware == firmware)
        samples = [_sample(row) for row in await session.execute(query)]
        expected = learn(samples, "model" if firmware == ALL_FIRMWARE else "firmware", self._rules)
        if expected is None:
            return None
        which = (durations.c.model == model, durations.c.firmware == firmware)
        known = (await session.execute(select(durations.c.expected, durations.c.version).where(*which))).one_or_none()
        before = Expected.model_validate(known.expected) if known is not None else None
        if not changed_materially(before, expected, self._rules):
            return None
        version = known.version + 1 if known is not None else 1
        facts = {"expected": expected.model_dump(mode="json"), "version": version}
        row = insert(durations).values(model=model, firmware=firmware, **facts)
        await session.execute(row.on_conflict_do_update(index_elements=["model", "firmware"], set_=facts))
        message = DurationsLearned(model=model, firmware=firmware or None, expected=expected, version=version)
        event_id = derived_id(_ORIGIN, f"{model}/{firmware}/{version}")
        return Envelope(id=event_id, source=SOURCE, time=self._clock.now(), data=message)


def _sample(row: Any) -> Sample:
    return Sample(
        charger_id=row.charger_id,
        ended_at=row.ended_at,
        drop_s=row.drop_s,
        boot_s=row.boot_s,
        healthy_s=row.healthy_s,
        away_s=row.away_s,
    )
