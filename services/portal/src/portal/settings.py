"""What the portal is told by its environment."""

from pydantic import AnyHttpUrl, Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class PortalSettings(ServiceSettings):
    """Settings of the portal. Its own have the prefix PORTAL_."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_")

    auth_url: AnyHttpUrl | None = Field(default=None, description="Where auth's HTTP API is.")
    billing_url: AnyHttpUrl | None = Field(default=None, description="Where billing's HTTP API is.")
    fleet_url: AnyHttpUrl | None = Field(default=None, description="Where fleet's HTTP API is.")
    forward_timeout_s: float = Field(default=10.0, gt=0, description="How long a forwarded call may take, in seconds.")
    forward_max_bytes: int = Field(default=8_000_000, gt=0, description="The largest body that is forwarded.")
    secure_cookie: bool = Field(default=False, description="Send the session cookie over HTTPS only.")
    beat_s: float = Field(default=10.0, gt=0, description="Seconds between the beats of a live stream.")
    stream_queue: int = Field(default=256, gt=0, description="Events a slow reader may be behind before it is reset.")
    streams_per_person: int = Field(default=24, gt=0, description="Live streams one person may hold open.")
    feed_rows: int = Field(default=100_000, gt=0, description="How many changes a lost stream can catch up on.")
