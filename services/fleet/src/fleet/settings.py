"""What a fleet process is told."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings
from fleet.models import BUILT_IN


class Settings(ServiceSettings):
    """Beside the shared settings: `FLEET_MODELS_FILE`, a catalogue to use instead of the built-in one."""

    model_config = SettingsConfigDict(env_prefix="FLEET_")

    models_file: Path = BUILT_IN
