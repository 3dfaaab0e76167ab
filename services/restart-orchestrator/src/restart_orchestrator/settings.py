"""What the orchestrator is told by its environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings
from contracts.availability import FIRMWARE_SILENCE_S
from restart_orchestrator.durations import Rules
from restart_orchestrator.pruning import Keep
from restart_orchestrator.windows import Limits, Range, Windows


class Settings(ServiceSettings):
    """Settings of the orchestrator, in seconds (_S) or days (_DAYS). Its own have the prefix RESTART_ORCHESTRATOR_."""

    model_config = SettingsConfigDict(env_prefix="RESTART_ORCHESTRATOR_")

    request_window_s: float = Field(default=60, gt=0, description="How old a request to restart now may be.")
    dispatch_window_s: float = Field(default=10, gt=0, description="Until when a Reset may be sent.")
    answer_window_s: float = Field(default=30, gt=0, description="From the sending until no answer is noted.")
    drop_window_s: float = Field(default=60, gt=0, description="From the sending until the socket must be gone.")
    boot_window_s: float = Field(default=300, gt=0, description="From the drop until a boot must be seen.")
    grace_window_s: float = Field(default=60, gt=0, description="From the boot until the charger counts as healthy.")
    settle_window_s: float = Field(default=5, ge=0, description="How long a returning charger is left alone.")
    patience_s: float = Field(default=86_400, gt=0, description="How long a request waits that names no end.")
    revision_window_s: float = Field(default=86_400, gt=0, description="How long a lost charger may be judged anew.")
    usual_away_s: float = Field(default=60, gt=0, description="How long a restart usually takes a charger away.")

    firmware_silence_s: float = Field(
        default=FIRMWARE_SILENCE_S,
        gt=0,
        description="How long a firmware update goes on of which nothing more is heard.",
    )
    learned_factor: float = Field(default=2.0, ge=1, description="A learned wait is so many times what 95 in 100 took.")
    learned_drop_min_s: float = Field(default=30, gt=0, description="The shortest drop window that is learned.")
    learned_drop_max_s: float = Field(default=180, gt=0, description="The longest.")
    learned_boot_min_s: float = Field(default=120, gt=0, description="The shortest boot window that is learned.")
    learned_boot_max_s: float = Field(default=900, gt=0, description="The longest.")
    learned_grace_min_s: float = Field(default=30, gt=0, description="The shortest grace window that is learned.")
    learned_grace_max_s: float = Field(default=180, gt=0, description="The longest.")
    learn_every_s: float = Field(default=30, gt=0, description="How often finished restarts are learned from.")
    learn_settled_s: float = Field(default=30, gt=0, description="How long after its verdict.")
    learn_min_samples: int = Field(default=10, ge=1, description="With fewer restarts of a model the defaults hold.")
    learn_min_chargers: int = Field(default=3, ge=2, description="And with restarts of fewer chargers.")
    learn_per_charger: int = Field(default=5, ge=1, description="So many restarts of one charger count.")
    learn_kept: int = Field(default=200, ge=10, description="So many restarts of a model and firmware count.")
    keep_attempts_days: float = Field(default=400, ge=2, description="How long an attempt is kept after its end.")
    keep_transactions_days: float = Field(default=35, ge=1, description="How long a transaction is, after its end.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for wait in ("drop", "boot", "grace"):
            if getattr(self, f"learned_{wait}_min_s") > getattr(self, f"learned_{wait}_max_s"):
                names = f"RESTART_ORCHESTRATOR_LEARNED_{wait.upper()}_MIN_S", f"…_{wait.upper()}_MAX_S"
                raise ValueError(f"{names[0]} is greater than {names[1]}: no window lies between them")
        if self.keep_attempts_days * 86_400 < self.revision_window_s:
            raise ValueError(
                "RESTART_ORCHESTRATOR_KEEP_ATTEMPTS_DAYS is shorter than RESTART_ORCHESTRATOR_REVISION_WINDOW_S: "
                "a lost attempt would be forgotten before it can be judged once more"
            )
        return self

    def rules(self) -> Rules:
        """What it takes to learn."""
        return Rules(
            min_samples=self.learn_min_samples,
            min_chargers=self.learn_min_chargers,
            per_charger=self.learn_per_charger,
            kept=self.learn_kept,
        )

    def keep(self) -> Keep:
        """How long what is kept."""
        return Keep(
            attempts=timedelta(days=self.keep_attempts_days), transactions=timedelta(days=self.keep_transactions_days)
        )

    def limits(self) -> Limits:
        """How far waits may follow what was learned."""
        return Limits(
            factor=self.learned_factor,
            drop=_range(self.learned_drop_min_s, self.learned_drop_max_s),
            boot=_range(self.learned_boot_min_s, self.learned_boot_max_s),
            grace=_range(self.learned_grace_min_s, self.learned_grace_max_s),
        )

    def windows(self) -> Windows:
        """The waits of an attempt."""
        return Windows(
            request=timedelta(seconds=self.request_window_s),
            dispatch=timedelta(seconds=self.dispatch_window_s),
            answer=timedelta(seconds=self.answer_window_s),
            drop=timedelta(seconds=self.drop_window_s),
            boot=timedelta(seconds=self.boot_window_s),
            grace=timedelta(seconds=self.grace_window_s),
            settle=timedelta(seconds=self.settle_window_s),
            patience=timedelta(seconds=self.patience_s),
            revision=timedelta(seconds=self.revision_window_s),
            usual_away=timedelta(seconds=self.usual_away_s),
            firmware=timedelta(seconds=self.firmware_silence_s),
            limits=self.limits(),
        )


def _range(least_s: float, most_s: float) -> Range:
    return Range(least=timedelta(seconds=least_s), most=timedelta(seconds=most_s))
