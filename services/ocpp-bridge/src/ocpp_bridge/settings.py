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
        frames_per_second: more than this, over a burst of ten seconds' worth, is a flood and ends the socket. Pings
            count, and a long frame counts as one more for every 16 KiB.
        bad_frames: so many unreadable or oversized frames in a row, less one every second, are a flood too.
        waiting_calls: so many CALLs that wait for their answer are a flood too.
        sockets_at_most: more chargers are answered 503; None for as many as the process may have files open.
        handshakes_at_once: so many handshakes are carried out at the same time, and `handshakes_waiting` more wait for
            their turn, for up to `handshake_patience_s`; the others are answered 503.
        boots_at_once: so many boots may be in progress; one more is answered Pending, with an interval of one to two
            times `boot_put_off_s`, at random. So is a boot that Kafka has not got after `boot_patience_s`.
        retry_after_s: a charger that is answered 503 is to come back after one to two times as long, at random.
        ping_interval_s: how often an idle socket is pinged.
        watch_ping_interval_s: the same while a restart of the charger is under way.
        pong_timeout_s: a watched charger that is silent for so long after a ping counts as gone.
        wrong_credentials: so many failures of one identity from one address are answered 401, the next ones 429; one is
            forgotten every `wrong_credentials_every_s`. One address as a whole has ten times that.
        connections_at_once: so many connections of one charger are let in at once, and one more every
            `connections_every_s`; the next one is answered 429. No charger needs more, and each costs two round trips.
        crowded_handshakes_per_second: an address that is over its limit may begin so many TLS handshakes a second; the
            others wait for their turn, for up to `handshake_patience_s`, or are turned away.
        tls_port: where chargers with security profiles 2 and 3 connect to, on the same host; no TLS without it.
        tls_certificates: `chain.pem:key.pem`, best two of them, of an ECDSA and of an RSA key, separated by a comma.
        tls_client_ca: PEM file with the authorities of client certificates; needed for security profile 3.
        tls_client_organization: what client certificates must name as their organization (O); any when empty.
        tls_static_rsa: also offer the two TLS_RSA suites that OCPP asks for; they have no forward secrecy.
        tls_look_every_s: how often the TLS files are looked at; changed ones are used for new handshakes.
        tls_proxies: addresses or networks, separated by commas, of proxies that end TLS before the plain port: what
            they forward as https or wss counts as TLS (profile 2), and comes from the last of X-Forwarded-For.
        lease_s: an instance that has not renewed its lease for so long is dead to the others.
        commands_since_s: how far back commands are read when the process starts.
        attempts_since_s: how far back the record of restarts is read for those that are still open; `idle` and `online`
            wait for a week at most.
        handshake_within_s: a connection whose request has not come to its end after so long is ended.
        quiet_after_boot_s: for so long after a boot no operator's call goes out: some chargers start anew on one.
        quiet_after_boot_s_by_model: the same for the models named here (JSON, `{"Model": seconds}`), which are known to
            be delicate: their Resets wait as well.
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
    sockets_at_most: int | None = Field(default=None, ge=1)
    handshakes_at_once: int = Field(default=500, ge=1)
    handshakes_waiting: int = Field(default=5000, ge=0)
    handshake_patience_s: float = Field(default=10.0, gt=0)
    boots_at_once: int = Field(default=10_000, ge=1)
    boot_patience_s: float = Field(default=8.0, gt=0)
    boot_put_off_s: float = Field(default=10.0, ge=1)
    retry_after_s: float = Field(default=10.0, ge=1)
    ping_interval_s: float = Field(default=60.0, gt=0)
    watch_ping_interval_s: float = Field(default=3.0, gt=0)
    pong_timeout_s: float = Field(default=10.0, gt=0)
    wrong_credentials: int = Field(default=10, ge=1)
    wrong_credentials_every_s: float = Field(default=6.0, gt=0)
    connections_at_once: int = Field(default=30, ge=1)
    connections_every_s: float = Field(default=1.0, gt=0)
    crowded_handshakes_per_second: float = Field(default=50.0, gt=0)
    tls_port: int | None = Field(default=None, ge=0, le=65535)
    tls_certificates: str = ""
    tls_client_ca: str = ""
    tls_client_organization: str = ""
    tls_static_rsa: bool = True
    tls_look_every_s: float = Field(default=5.0, gt=0)
    tls_proxies: str = ""
    lease_s: float = Field(default=10.0, gt=0)
    commands_since_s: float = Field(default=60.0, gt=0)
    attempts_since_s: float = Field(default=7 * 86400.0 + 3600.0, gt=0)
    handshake_within_s: float = Field(default=10.0, gt=0)
    quiet_after_boot_s: float = Field(default=5.0, ge=0)
    quiet_after_boot_s_by_model: dict[str, float] = Field(default_factory=dict)
    stop_within_s: float = Field(default=5.0, gt=0)
