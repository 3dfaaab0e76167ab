"""The six services as the stack sees them: how each is started, on which port, and whom it may call."""

import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.embedded.ports import HOST, Wish

PORTAL = "portal"
BRIDGE = "ocpp-bridge"
BRIDGE_PORT = "bridge"
"""The port for chargers; the bridge has another for its health and metrics."""


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: folder, Kafka principal and log.
        argv: how it is started; `python -m <import name>` unless given. With `migrate` added, it migrates its schema.
        port: where its HTTP port is looked for first.
        calls: services whose address it is told, as `<ITS NAME>_<THEIR NAME>_URL`.
        settings: environment of its own, under what the caller of the stack adds.
    """

    name: str
    port: int
    argv: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Import name, database role and schema."""
        return self.name.replace("-", "_")

    @property
    def prefix(self) -> str:
        """Of its own settings."""
        return self.module.upper() + "_"

    def command(self, *arguments: str) -> tuple[str, ...]:
        """How it is started."""
        return (*(self.argv or (sys.executable, "-m", self.module)), *arguments)

    def migrations(self) -> str | None:
        """A fingerprint of its migrations as they are in the source; None when there are none to be found."""
        found = importlib.util.find_spec(self.module) if not self.argv else None
        folder = Path(found.origin).parent / "migrations" if found and found.origin else None
        if folder is None or not folder.is_dir():
            return None
        digest = hashlib.sha256()
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
        return digest.hexdigest()[:32]


SERVICES = (
    Service("auth", 18081),
    Service("billing", 18082),
    Service("fleet", 18083),
    Service(BRIDGE, 18084),
    Service("restart-orchestrator", 18085),
    Service(PORTAL, 8080, calls=("auth", "billing", "fleet")),
)


def wishes(services: tuple[Service, ...], *, host: str, kafka: bool, postgres: bool) -> list[Wish]:
    """The ports that a stack of these services needs.

    Args:
        services: those that will be started.
        host: the address that the portal and the bridge listen on for people and chargers.
        kafka: whether a broker of ours is started.
        postgres: whether a database of ours is started.
    """
    wanted = [
        Wish(service.name, service.port, fixed=service.name == PORTAL, host=host if service.name == PORTAL else HOST)
        for service in services
    ]
    if any(service.name == BRIDGE for service in services):
        wanted.append(Wish(BRIDGE_PORT, 8180, fixed=True, host=host))
    if kafka:
        wanted += [Wish("kafka", 19092), Wish("kafka-controller", 19093)]
    if postgres:
        wanted.append(Wish("postgres", 15432))
    return wanted


def environment(service: Service, ports: Mapping[str, int], host: str) -> dict[str, str]:
    """What a service is told about addresses: its own, and those of the services it calls."""
    known = {
        "HTTP_HOST": host if service.name == PORTAL else HOST,
        "HTTP_PORT": str(ports[service.name]),
        **service.settings,
    }
    if service.name == BRIDGE:
        known |= {service.prefix + "HOST": host, service.prefix + "PORT": str(ports[BRIDGE_PORT])}
    for other in service.calls:
        if other in ports:
            name = other.replace("-", "_").upper()
            known[f"{service.prefix}{name}_URL"] = f"http://{HOST}:{ports[other]}"
    return known
