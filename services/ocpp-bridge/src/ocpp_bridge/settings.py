"""Settings of the bridge, read from the environment: OCPP_BRIDGE_HOST, OCPP_BRIDGE_PORT, and so on."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The bridge's own settings beside the shared ones. Durations are seconds, sizes bytes.

    Attributes:
        host: where chargers connect to, with `port`; the path is `/ocpp/{identity}`.
        heartbeat_interval_s: told to a charger with an accepted boot.
        boot_retry_s: told to a charger whose boot is answered Pending or Rejected.
        answer_timeout_s: a CALL of ours without an answer after this time is unanswered.
        frame_soft_limit: a bigger frame is refused with a CALLERROR and the socket lives on.
        frame_hard_limit: a bigger frame is not read to its end: the socket is closed with 1009.
        frames_per_second: more than this, over a burst of ten seconds' worth, is a flood and ends the socket.
        bad_frames: so many unreadable or oversized frames in a row, less one every second, are a flood too.
        waiting_calls: so many CALLs that wait for their answer are a flood too.
        ping_interval_s: how often an idle socket is pinged.
        watch_ping_interval_s: the same while a restart of the charger is under way.
        pong_timeout_s: a watched charger that is silent for so long after a ping counts as gone.
        wrong_credentials: so many failures of one identity from one address are answered 401, the next ones 429; one is
            forgotten every `wrong_credentials_every_s`. One address as a whole has ten times that.
        lease_s: an instance that has not renewed its lease for so long is dead to the others.
        commands_since_s: how far back commands are read when the process starts.
        stop_within_s: how long a stopping process waits for its goodbyes to be published.
    """

    model_config = SettingsConfigDict(env_prefix="OCPP_BRIDGE_")

    host: str = "127.0.0.1"
    port: int = Field(default=8180, ge=0, le=65535)
    heartbeat_interval_s: int = Field(default=300, ge=1)
    boot_retry_s: int = Field(default=60, ge=1)
    answer_timeout_s: float = Field(default=30.0, gt=0)
    frame_soft_limit: int = Field(default=256 * 1024, ge=1024)
    frame_hard_limit: int = Field(default=8 * 1024 * 1024, ge=1024)
    frames_per_second: float = Field(default=500.0, gt=0)
    bad_frames: int = Field(default=20, ge=1)
    waiting_calls: int = Field(default=64, ge=1)
    ping_interval_s: float = Field(default=60.0, gt=0)
    watch_ping_interval_s: float = Field(default=3.0, gt=0)
    pong_timeout_s: float = Field(default=10.0, gt=0)
    wrong_credentials: int = Field(default=10, ge=1)
    wrong_credentials_every_s: float = Field(default=6.0, gt=0)
    lease_s: float = Field(default=10.0, gt=0)
    commands_since_s: float = Field(default=60.0, gt=0)
    stop_within_s: float = Field(default=5.0, gt=0)
