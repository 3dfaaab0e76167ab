"""What the orchestrator is told by its environment."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings
from restart_orchestrator.windows import Windows


class Settings(ServiceSettings):
    """Settings of the orchestrator, all in seconds. Its own have the prefix RESTART_ORCHESTRATOR_."""

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
        )
