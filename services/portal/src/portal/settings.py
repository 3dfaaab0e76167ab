"""What the portal is told by its environment."""

from typing import Annotated

from pydantic import AnyHttpUrl, Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.settings import ServiceSettings
from contracts.availability import FIRMWARE_SILENCE_S


class PortalSettings(ServiceSettings):
    """Settings of the portal. Its own have the prefix PORTAL_."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_")

    auth_url: AnyHttpUrl | None = Field(default=None, description="Where auth's HTTP API is.")
    billing_url: AnyHttpUrl | None = Field(default=None, description="Where billing's HTTP API is.")
    fleet_url: AnyHttpUrl | None = Field(default=None, description="Where fleet's HTTP API is.")
    forward_timeout_s: float = Field(default=10.0, gt=0, description="How long a forwarded call may take, in seconds.")
    forward_max_bytes: int = Field(default=8_000_000, gt=0, description="The largest body that is forwarded.")
    secure_cookie: bool = Field(default=False, description="Send the session cookie over HTTPS only.")
    embed_origins: Annotated[list[str], NoDecode] = Field(
        default=[], description="Sites that may use <charger-restart>, such as https://portal.example, comma-separated."
    )
    beat_s: float = Field(default=10.0, gt=0, description="Seconds between the beats of a live stream.")
    stream_queue: int = Field(default=256, gt=0, description="Events a slow reader may be behind before it is reset.")
    streams_per_person: int = Field(default=24, gt=0, description="Live streams one person may hold open.")
    requests_per_minute: int = Field(default=3000, gt=0, description="Calls one person may make in any minute.")
    restarts_per_minute: int = Field(default=300, gt=0, description="Restarts one person may ask for in any minute.")
    group_restarts_per_minute: int = Field(
        default=600, gt=0, description="Restarts that may be asked for in one group in any minute."
    )
    firmware_silence_s: float = Field(
        default=FIRMWARE_SILENCE_S, gt=0, description="As RESTART_ORCHESTRATOR_FIRMWARE_SILENCE_S."
    )
    take_back_s: float = Field(
        default=2.0, ge=0, description="How long a cancellation waits to be told whether it came in time, in seconds."
    )
    feed_rows: int = Field(default=100_000, gt=0, description="How many changes a lost stream can catch up on.")

    @field_validator("embed_origins", mode="before")
    @classmethod
    def _origins(cls, given: object) -> object:
        """A list of origins from one line; each is a scheme and a host, without a path."""
        if isinstance(given, str):
            return [origin.strip().rstrip("/") for origin in given.split(",") if origin.strip()]
        return given
