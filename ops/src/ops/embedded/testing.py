"""Kafka and PostgreSQL for tests: on free ports in a throw-away folder, provisioned as the real stack is."""

import asyncio
import random
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from contracts import topics
from contracts.topics import Topic
from ops.embedded import database
from ops.embedded.cluster import OPERATOR, Cluster, KafkaAccess, rules
from ops.embedded.kafka import ADMIN, Kafka
from ops.embedded.places import cache_dir
from ops.embedded.ports import next_free
from ops.embedded.postgres import Postgres
from ops.embedded.progress import Reporter
from ops.embedded.services import SERVICES

_PORTS = range(20_000, 30_000)
_PASSWORD = "for-tests-only"  # noqa: S105


class Infrastructure:
    """A broker and a database server whose parts can be stopped, killed and started again, ports and data kept.

    Bound to no event loop: a session fixture may start it in one and tests use it in others. Start it from the main
    thread; it ends with this process, however that ends.

    Attributes:
        kafka: `kill`, `stop` and `start` it as a test needs.
        postgres: likewise. Not durable: fast, and safe against kills, though not against power cuts.
    """

    def __init__(self, folder: Path, *, secure: bool = True, cache: Path | None = None) -> None:
        folder.chmod(0o711)  # PostgreSQL's account must pass through when we are root.
        first = random.choice(_PORTS)  # noqa: S311 - spreads test sessions that run at the same time
        ports: list[int] = []
        for _ in range(3):
            ports.append(next_free(first, set(ports)))
        self._secure = secure
        self._users: set[str] = set()
        self.kafka = Kafka(
            folder / "kafka",
            folder / "kafka.log",
            cache=cache or cache_dir(),
            port=ports[0],
            controller_port=ports[1],
            password=_PASSWORD if secure else None,
        )
        self.postgres = Postgres(
            folder / "postgres", folder / "postgres.log", port=ports[2], password=_PASSWORD, durable=False
        )

    async def start(self, reporter: Reporter | None = None) -> None:
        """Start both and, on a secure broker, make the super-user's login.

        Raises:
            Problem: what kept one of them from starting.
        """
        await asyncio.gather(self.start_kafka(reporter), self.start_postgres())

    async def start_kafka(self, reporter: Reporter | None = None) -> None:
        """Start the broker alone."""
        await self.kafka.prepare(reporter or Reporter())
        await self.kafka.start()
        if self._secure:
            await self._cluster().create_users({ADMIN: _PASSWORD})

    async def start_postgres(self) -> None:
        """Start the database server alone."""
        await self.postgres.prepare()
        await self.postgres.start()

    async def stop(self) -> None:
        """Stop what was started."""
        started = [part for part in (self.kafka, self.postgres) if part.prepared]
        await asyncio.gather(*(part.stop() for part in started))

    def kafka_access(self, principal: str = ADMIN) -> KafkaAccess:
        """How to reach the broker: as the super-user `admin`, or as a principal of `provision`."""
        if not self._secure:
            return KafkaAccess(self.kafka.address)
        return KafkaAccess(self.kafka.address, principal, _PASSWORD)

    async def create_topics(self, wanted: Iterable[Topic] = topics.ALL) -> None:
        """Create topics that are not there yet."""
        await self._cluster().create_topics(wanted, ours=True)

    async def provision(self) -> None:
        """Topics of the contracts, and on a secure broker the services' users and rights, and the operator's."""
        await self.create_topics()
        if self._secure:
            services = [service.name for service in SERVICES]
            await self._cluster().create_users(dict.fromkeys((*services, OPERATOR), _PASSWORD))
            await self._cluster().grant(rules(topics.ALL, services))

    async def create_database(self, name: str | None = None, *, like: str | None = None) -> str:
        """A new database (0.05 s), empty or a copy of the one called `like`; gives its address as the super-user."""
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        await database.create_database(self.postgres.url(), name, like)
        return self.postgres.url(name)

    async def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made, whoever is connected to it."""
        await database.drop_database(self.postgres.url(), url.rpartition("/")[2])

    async def provision_roles(self, url: str) -> dict[str, str]:
        """In a database: the services' roles and schemas, and the operator's; gives the address for each role."""
        passwords = dict.fromkeys((*(service.module for service in SERVICES), OPERATOR), _PASSWORD)
        await database.provision_roles(url, passwords, OPERATOR, alone=True)
        return {name: database.with_user(url, name, _PASSWORD) for name in passwords}

    def _cluster(self) -> Cluster:
        return Cluster(self.kafka_access(), mechanism="PLAIN")


@asynccontextmanager
async def infrastructure(*, secure: bool = True, reporter: Reporter | None = None) -> AsyncIterator[Infrastructure]:
    """Both, started, for the length of the block; their folder goes with them."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-test-"))
    parts = Infrastructure(folder, secure=secure)
    try:
        await parts.start(reporter)
        yield parts
    finally:
        await parts.stop()
        shutil.rmtree(folder, ignore_errors=True)
