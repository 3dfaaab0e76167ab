"""PURE: what finished restarts say about how long the next one of the same model will take, whatever a few of them say.

A wrong number here stretches or cuts the window of everyone with that model, so that one charger is never believed:
of each only the last few restarts count, and the one charger that took longest does not count at all.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contracts.restart import Confidence, Expected, Health, Spread, Status
from restart_orchestrator.health import whole_at
from restart_orchestrator.seen import AnswerKind, counted
from restart_orchestrator.states import Attempt

BELIEVED = frozenset({Confidence.PROVEN, Confidence.HIGH})
Basis = Literal["firmware", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How long one restart took, in seconds: each step that was seen, None for what was not.

    Attributes:
        ended_at: of its verdict.
        drop_s: from the Reset to the end of the session; boot_s: from there to the boot; healthy_s: from the last boot
            until all connectors were back; away_s: from the end of the session until then.
    """

    charger_id: str
    ended_at: datetime
    drop_s: float | None = None
    boot_s: float | None = None
    healthy_s: float | None = None
    away_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How much must be seen before it is believed, and how much of it counts.

    Attributes:
        min_samples, min_chargers: with fewer restarts, or restarts of fewer chargers, nothing is said. The charger that
            took longest counts for the second, and not for the first.
        per_charger: only so many of the last restarts of one charger count.
        kept: only so many of the last restarts of a model or firmware count.
        longest: what took longer is a repair and no restart.
        material: how much a number must change before it is said again, as a part of itself.
    """

    min_samples: int = 10
    min_chargers: int = 3
    per_charger: int = 5
    kept: int = 200
    longest: timedelta = timedelta(minutes=30)
    material: float = 0.1


DEFAULT_RULES = Rules()


def sample_of(attempt: Attempt) -> Sample | None:
    """What a finished attempt teaches; None for one that says nothing sure about a whole restart."""
    verdict, reset, seen = attempt.verdict, attempt.reset, attempt.seen
    if attempt.status is not Status.RESTARTED or verdict is None or verdict.confidence not in BELIEVED or reset is None:
        return None
    starts = counted(seen, reset)
    if reset.evse_id is not None or not seen.dropped or seen.drop_at is None or not starts:
        return None  # one EVSE, or a step that was only inferred
    started_at = seen.sent_at if seen.answer is not AnswerKind.SCHEDULED else None
    # A Scheduled Reset waits for a vehicle; its session may end for other reasons meanwhile.
    left_at = seen.drop_at if seen.answer is not AnswerKind.SCHEDULED else None
    whole = whole_at(seen, reset) if verdict.health is Health.OK else None
    sample = Sample(
        charger_id=attempt.charger_id,
        ended_at=attempt.moved_at,
        drop_s=_between(started_at, left_at),
        boot_s=_between(left_at, starts[0].at),
        healthy_s=None if whole is None else _between(starts[-1].at, max(whole, starts[-1].at)),
        away_s=None if whole is None else _between(left_at, max(whole, starts[-1].at)),
    )
    if sample.drop_s is None and sample.boot_s is None and sample.healthy_s is None:
        return None
    return sample


def _between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds; None where one is not known, or where two clocks contradict each other."""
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds()


def learn(samples: Iterable[Sample], basis: Basis, rules: Rules = DEFAULT_RULES) -> Expected | None:
    """How long a restart usually takes; None while too little was seen."""
    counting = _counting(samples, rules)
    spreads = {
        name: _spread(counting, take, rules)
        for name, take in {
            "drop": lambda one: one.drop_s,
            "boot": lambda one: one.boot_s,
            "healthy": lambda one: one.healthy_s,
            "away": lambda one: one.away_s,
        }.items()
    }
    if all(spread is None for spread in spreads.values()):
        return None
    return Expected(samples=len(counting), basis=basis, **spreads)


def changed_materially(before: Expected | None, after: Expected, rules: Rules = DEFAULT_RULES) -> bool:
    """Whether it is worth saying: a number that was not known, or one that is another by more than a little."""
    if before is None:
        return True
    for name in ("drop", "boot", "healthy", "away"):
        old, new = getattr(before, name), getattr(after, name)
        if (old is None) != (new is None):
            return True
        if old is not None and (_differs(old.p50_s, new.p50_s, rules) or _differs(old.p95_s, new.p95_s, rules)):
            return True
    return False


def _differs(old: float, new: float, rules: Rules) -> bool:
    return abs(new - old) > max(1.0, rules.material * old)


def _counting(samples: Iterable[Sample], rules: Rules) -> list[Sample]:
    """The last ones, and of each charger only a few."""
    of_charger: dict[str, int] = {}
    counting: list[Sample] = []
    for sample in sorted(samples, key=lambda one: (one.ended_at, one.charger_id), reverse=True):
        number = of_charger[sample.charger_id] = of_charger.get(sample.charger_id, 0) + 1
        if number <= rules.per_charger:
            counting.append(sample)
        if len(counting) == rules.kept:
            break
    return counting


def _spread(samples: Sequence[Sample], take: Callable[[Sample], float | None], rules: Rules) -> Spread | None:
    longest = rules.longest.total_seconds()
    of_charger: dict[str, list[float]] = {}
    for sample in samples:
        seconds = take(sample)
        if seconds is not None and seconds <= longest:
            of_charger.setdefault(sample.charger_id, []).append(seconds)
    if len(of_charger) < rules.min_chargers:
        return None
    slowest = max(of_charger, key=lambda charger: (max(of_charger[charger]), charger))
    values = sorted(seconds for charger, taken in of_charger.items() if charger != slowest for seconds in taken)
    if len(values) < rules.min_samples:
        return None
    return Spread(p50_s=_percentile(values, 0.5), p95_s=_percentile(values, 0.95))


def _percentile(ordered: Sequence[float], part: float) -> float:
    """The nearest rank: a value that was seen, in tenths of a second."""
    return round(ordered[max(0, math.ceil(part * len(ordered)) - 1)], 1)
