"""Apache Kafka as a child process: one broker that is its own controller (KRaft)."""

import base64
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from ops.embedded import aot, jars
from ops.embedded.java import Java
from ops.embedded.places import make_folder, write_private
from ops.embedded.ports import HOST
from ops.embedded.processes import Process, Program, port_open, run
from ops.embedded.progress import Reporter

ADMIN = "admin"
"""The super-user, for administration only."""

MAIN_CLASS = "kafka.Kafka"
PROPERTIES = "server.properties"
_START_S = 120.0

LOGGING = """\
Configuration:
  status: ERROR
  Appenders:
    Console:
      name: out
      PatternLayout: {pattern: "%d{ISO8601} %p %m (%c)%n"}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: out}}
    Logger:
      - {name: kafka.authorizer.logger, level: INFO}
"""


def properties(port: int, controller_port: int, password: str | None) -> Mapping[str, str]:
    """The broker's settings; without a password there is no authentication and everything is allowed."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"CLIENTS://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "log.dirs": "data",  # Relative to the process's folder: no path needs escaping.
        "auto.create.topics.enable": "false",
        # A single broker, started often: few internal partitions, no waiting for a second member of a group.
        "offsets.topic.num.partitions": "8",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "controller.quorum.append.linger.ms": "5",
        # How often it writes a record when there is nothing to write.
        "metadata.max.idle.interval.ms": "5000",
        # After a crash the controller waits for the earlier broker's session to end before it lets the new one in.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "num.network.threads": "1",
        "num.io.threads": "2",
        # Zeroed when a partition's index gets its first entry, while a message waits: ten times as much by default. So
        # much holds the index of half a gigabyte, after which a segment ends.
        "log.index.size.max.bytes": str(1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    if password is None:
        return settings | {"listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT"}
    plain = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{ADMIN}" password="{password}" user_{ADMIN}="{password}";'
    )
    return settings | {
        "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        # Users live in the log that the controller guards, so the first of them must be known without it: PLAIN from
        # this file for the broker itself and the super-user, SCRAM for everyone. No password is ever on a command line.
        "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.clients.plain.sasl.jaas.config": plain,
        "listener.name.clients.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": plain,
        "sasl.mechanism.controller.protocol": "PLAIN",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
    }


def cluster_id(draw: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A new id as Kafka writes them: 16 bytes in base64url, none that a command line would take for an option."""
    while (drawn := base64.urlsafe_b64encode(draw().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return drawn


class Kafka:
    """A broker whose data and settings lie in one folder; can be stopped, killed and started again on the same ports.

    `prepare` comes first. Only one of these may use a folder at a time; the caller sees to that.
    """

    def __init__(
        self, folder: Path, log: Path, *, cache: Path, port: int, controller_port: int, password: str | None
    ) -> None:
        self.address = f"{HOST}:{port}"
        self.port = port
        self.password = password
        self._folder = folder
        self._log = log
        self._cache = cache
        self._controller_port = controller_port
        self._java: Java | None = None
        self._process: Process | None = None

    @property
    def prepared(self) -> bool:
        """Whether there is something to start and stop."""
        return self._process is not None

    @property
    def process(self) -> Process:
        """The broker's process."""
        if self._process is None:
            message = "prepare() comes before the process"
            raise RuntimeError(message)
        return self._process

    @property
    def fast(self) -> bool:
        """Whether a start can use the AOT cache."""
        return self._java is not None and self._java.aot_cache.exists()

    async def prepare(self, reporter: Reporter) -> None:
        """Get the jars, write the settings and format the storage, as far as that is not done yet.

        Raises:
            Problem: no network or wrong jars, a folder that cannot be written, storage that cannot be formatted.
        """
        self._java = await aot.java(self._cache, reporter)
        make_folder(self._folder)
        (self._folder / "log4j2.yaml").write_text(LOGGING)
        settings = properties(self.port, self._controller_port, self.password)
        write_private(self._folder / PROPERTIES, "".join(f"{name}={value}\n" for name, value in settings.items()))
        formatted = self._folder / "formatted"
        if not formatted.exists():
            tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id(), "-c", PROPERTIES)
            await run(self._program(self._java.command(*tool)), "could not prepare its storage")
            formatted.write_text(f"{jars.KAFKA}\n")
        self._process = Process(self._program(self._java.command(MAIN_CLASS, PROPERTIES)))

    async def start(self) -> None:
        """Start the broker; returns when it accepts connections.

        Raises:
            Problem: it stopped, or is not there after a minute; with the telling line of its log.
        """
        if self._java is not None:  # The cache may have come into being since the last start.
            program = self._program(self._java.command(MAIN_CLASS, PROPERTIES))
            self.process.program = program
        self.process.start()
        await self.process.ready(self.check, _START_S)

    async def stop(self) -> None:
        """Stop the broker in order (0.4 s)."""
        await self.process.stop()

    async def kill(self) -> None:
        """End the broker as a crash would."""
        await self.process.kill()

    async def check(self) -> str | None:
        """Why it is not ready; None when it is."""
        return await port_open(HOST, self.port)

    def _program(self, argv: tuple[str, ...]) -> Program:
        return Program("Kafka", argv, self._log, cwd=self._folder)
