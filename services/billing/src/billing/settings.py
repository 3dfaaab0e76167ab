"""What a billing process is told."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from billing.plans import BUILT_IN
from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Beside the shared settings: `BILLING_PLANS_FILE`, plans to use instead of the built-in ones."""

    model_config = SettingsConfigDict(env_prefix="BILLING_")

    plans_file: Path = BUILT_IN
