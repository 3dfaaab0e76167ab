"""How long each wait of an attempt may take: what settings say, and what restarts of the same model have shown."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from contracts.restart import Expected, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Between which bounds a learned wait may lie."""

    least: timedelta
    most: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far waits may follow what was learned.

    Attributes:
        factor: a learned wait is so many times what 95 in 100 restarts took.
        drop, boot, grace: its bounds. The least is the setting of the wait itself where that is shorter.
    """

    factor: float = 2.0
    drop: Range = Range(least=timedelta(seconds=30), most=timedelta(seconds=180))
    boot: Range = Range(least=timedelta(seconds=120), most=timedelta(seconds=900))
    grace: Range = Range(least=timedelta(seconds=30), most=timedelta(seconds=180))

    def wait(self, spread: Spread | None, bounds: Range, otherwise: timedelta) -> timedelta:
        """The wait for something that took this long in the past; `otherwise` where that is not known."""
        if spread is None:
            return otherwise
        learned = timedelta(seconds=min(self.factor * spread.p95_s, bounds.most.total_seconds()))
        return max(learned, min(bounds.least, otherwise))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Those waits of one Reset that may be learned; decided when it is, and kept with it."""

    drop: timedelta
    boot: timedelta
    grace: timedelta
    usual_away: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The waits of one attempt.

    Attributes:
        request: how old a request to restart `now` may be when it is decided; nobody wants it an hour later.
        dispatch: until when after the decision the Reset may be sent (`not_after`).
        answer: from the sending to the point where the missing answer is noted.
        drop: from the sending, or from the end of the transaction that was waited for, until the socket must be gone.
        boot: from the drop until a boot must have been seen.
        grace: from the last boot until the charger counts as healthy.
        settle: how long a charger that has just come back is left alone before a queued Reset.
        patience: the end of a wait for which the requester named none.
        revision: how long a `lost` may still be revised.
        usual_away: how long a restart usually takes a charger away.
        firmware: how long a firmware update is believed to go on of which nothing more is heard.
        limits: how far drop, boot, grace and usual_away may follow what was learned of a model.
    """

    request: timedelta = timedelta(seconds=60)
    dispatch: timedelta = timedelta(seconds=10)
    answer: timedelta = timedelta(seconds=30)
    drop: timedelta = timedelta(seconds=60)
    boot: timedelta = timedelta(seconds=300)
    grace: timedelta = timedelta(seconds=60)
    settle: timedelta = timedelta(seconds=5)
    patience: timedelta = timedelta(hours=24)
    revision: timedelta = timedelta(hours=24)
    usual_away: timedelta = timedelta(seconds=60)
    firmware: timedelta = timedelta(hours=2)
    limits: Limits = field(default_factory=Limits)

    def waits(self, expected: Expected | None) -> Waits:
        """The waits of a Reset that is decided now, given how long restarts like it have taken."""
        if expected is None:
            return Waits(drop=self.drop, boot=self.boot, grace=self.grace, usual_away=self.usual_away)
        limits, boot = self.limits, expected.boot
        return Waits(
            drop=limits.wait(expected.drop, limits.drop, self.drop),
            boot=limits.wait(boot, limits.boot, self.boot),
            grace=limits.wait(expected.healthy, limits.grace, self.grace),
            usual_away=timedelta(seconds=boot.p50_s) if boot is not None else self.usual_away,
        )

    def of(self, waits: Waits | None) -> "Windows":
        """The windows of a Reset that these waits were decided for."""
        if waits is None:
            return self
        return replace(self, drop=waits.drop, boot=waits.boot, grace=waits.grace, usual_away=waits.usual_away)
