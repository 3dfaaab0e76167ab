"""How long each wait of an attempt may take."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The waits of one attempt; a value, so that they may come from settings or from what a model was seen to need.

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
        usual_away: how long a restart of this model usually takes it away.
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
