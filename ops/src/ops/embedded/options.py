"""What a stack is asked to be: where it keeps its data, what it starts, which existing parts it uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ops.embedded.cluster import KafkaAccess
from ops.embedded.places import cache_dir, default_data_dir
from ops.embedded.ports import HOST
from ops.embedded.services import SERVICES, Service
from ops.embedded.supervise import Backoff


@dataclass(frozen=True)
class StackOptions:
    """What to start, and where.

    Attributes:
        data_dir: holds everything of this stack; made when it is not there.
        services: started in parallel once Kafka and PostgreSQL are provisioned.
        ports: choices by name: `portal`, `bridge`, `kafka`, `kafka-controller`, `postgres`, or a service. The rest is
            picked free and remembered in the data folder.
        host: the address that the portal and the bridge listen on; all else stays on the loopback.
        env: environment for every service.
        service_env: environment for single services, by name; wins over `env`.
        kafka: an existing cluster to use instead of ours. Missing topics are created with its own replication, and
            partition counts are checked; no users and no rights are made there: every service uses these credentials.
        database_url: an existing database to use instead of ours. When its user may create roles, each service gets
            its own role and schema there; otherwise only schemas are made and every service uses this address.
        backoff: how eagerly a process that died is started again.
        train: whether to make Java's start-up cache in the background, so that later starts are faster.
    """

    data_dir: Path = field(default_factory=default_data_dir)
    services: tuple[Service, ...] = SERVICES
    ports: Mapping[str, int] = field(default_factory=dict)
    host: str = HOST
    env: Mapping[str, str] = field(default_factory=dict)
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kafka: KafkaAccess | None = None
    database_url: str | None = None
    cache_dir: Path = field(default_factory=cache_dir)
    backoff: Backoff = Backoff()  # noqa: RUF009 frozen
    train: bool = True

    def from_environment(self, variables: Mapping[str, str]) -> "StackOptions":
        """These options, with the existing cluster and database that the environment names, if any."""
        return replace(
            self,
            kafka=KafkaAccess.from_environment(variables) or self.kafka,
            database_url=variables.get("DATABASE_URL") or self.database_url,
        )
