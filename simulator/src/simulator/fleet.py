"""Many chargers at once: read from a file, made by number, started at a pace, stopped together."""

import asyncio
import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self

from simulator.charger import Charger
from simulator.dialects import PROTOCOLS
from simulator.dialing import open_session
from simulator.personalities import NAMED
from simulator.tls import client_context

MAXIMUM_IDENTITY = 48


@dataclass(frozen=True, slots=True)
class ChargerSpec:
    """One line of a fleet file; what a line leaves out comes from the command line.

    Attributes:
        charging: the connector on which a transaction starts after the first boot; 0 for none.
        serial: on the type plate; with a client certificate the identity, unless given (B01.FR.11).
        ca, certificate, key: PEM files, for a wss url; see `simulator.tls`. {id} in the last two becomes the identity.
    """

    id: str
    url: str
    password: str | None = None
    protocol: str = "ocpp1.6"
    personality: str = "healthy"
    model: str = "Simulated One"
    vendor: str = "Comeback"
    firmware: str = "1.0.0"
    connectors: int = 1
    charging: int = 0
    serial: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def ssl(self) -> SSLContext | None:
        """For wss; None without any of the files. Raises ValueError, naming the file that can't be used."""
        if self.ca is None and self.certificate is None:
            return None
        certificate, key = (path and path.replace("{id}", self.id) for path in (self.certificate, self.key))
        return client_context(self.ca, certificate, key)

    def charger(self, *, speed: float = 1.0, seed: int | None = None, transcript_limit: int = 1000) -> Charger:
        """Make the charger."""
        return Charger(
            self.id,
            self.url,
            self.password,
            self.protocol,
            self.personality,
            model=self.model,
            vendor=self.vendor,
            firmware=self.firmware,
            serial=self.serial or (self.id if self.certificate is not None else None),
            ssl=self.ssl(),
            connectors=self.connectors,
            speed=speed,
            seed=seed,
            transcript_limit=transcript_limit,
        )


def read_fleet_file(path: Path, defaults: Mapping[str, Any] | None = None) -> list[ChargerSpec]:
    """Read a fleet from `.csv` (a header line) or `.json` (a list of objects); empty values count as left out.

    Raises:
        ValueError: names the file, the charger, and what is wrong with it.
    """
    if path.suffix == ".json":
        rows = json.loads(path.read_text("utf-8"))
    elif path.suffix == ".csv":
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    else:
        raise ValueError(f"{path}: a fleet file ends in .csv or .json")
    if not isinstance(rows, list):
        raise ValueError(  # noqa: TRY004 the file is wrong, not the program
            f"{path}: expected a list of chargers"
        )
    specs = [spec_of(row, defaults or {}, f"{path}, charger {number}") for number, row in enumerate(rows, 1)]
    seen: set[str] = set()
    for spec in specs:
        if spec.id in seen:
            raise ValueError(f"{path}: charger {spec.id} is there twice; two sockets of one identity fight each other")
        seen.add(spec.id)
    return specs


def spec_of(row: Any, defaults: Mapping[str, Any], where: str) -> ChargerSpec:
    """Check one charger.

    Raises:
        ValueError: what is wrong, beginning with `where`.
    """
    if not isinstance(row, dict):
        raise ValueError(  # noqa: TRY004 the file is wrong, not the program
            f"{where}: expected an object with at least id"
        )
    given = {key: value for key, value in row.items() if value not in (None, "")}
    unknown = given.keys() - {known.name for known in fields(ChargerSpec)}
    if unknown:
        raise ValueError(f"{where}: unknown field {', '.join(map(str, sorted(unknown, key=str)))}")
    values = {**defaults, **given}
    for needed in ("id", "url"):
        if needed not in values:
            raise ValueError(f"{where}: {needed} is missing")
    try:
        values = {key: int(value) if key in ("connectors", "charging") else str(value) for key, value in values.items()}
    except ValueError as wrong:
        raise ValueError(f"{where}: connectors and charging are numbers ({wrong})") from wrong
    spec = ChargerSpec(**values)
    if len(spec.id) > MAXIMUM_IDENTITY or ":" in spec.id:
        raise ValueError(f"{where}: an identity has at most {MAXIMUM_IDENTITY} characters and no colon: {spec.id!r}")
    if spec.protocol not in PROTOCOLS:
        raise ValueError(f"{where}: unknown protocol {spec.protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    if spec.personality not in NAMED:
        raise ValueError(f"{where}: unknown personality {spec.personality!r}: see --list")
    try:
        spec.ssl()
    except ValueError as wrong:
        raise ValueError(f"{where}: {wrong}") from wrong
    if not 0 <= spec.charging <= spec.connectors:
        raise ValueError(f"{where}: charging is {spec.charging}, but there are {spec.connectors} connectors")
    return spec


class Fleet:
    """Chargers that share one HTTP session.

    Args:
        chargers: to run; their identities differ.
        starts_per_second: pace of the first connections; None starts all at once.
    """

    def __init__(self, chargers: Iterable[Charger], starts_per_second: float | None = None) -> None:
        self._chargers = {charger.identity: charger for charger in chargers}
        self._starts_per_second = starts_per_second
        self._running: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Charger]:
        return iter(self._chargers.values())

    def __len__(self) -> int:
        return len(self._chargers)

    def __getitem__(self, identity: str) -> Charger:
        return self._chargers[identity]

    async def run(self) -> None:
        """Run all until cancelled, then stop all."""
        session = open_session()
        try:
            for charger in self:
                charger.start(session)
                if self._starts_per_second:
                    await asyncio.sleep(1 / self._starts_per_second)
            await asyncio.Event().wait()
        finally:
            await asyncio.gather(*(charger.stop() for charger in self))
            await session.close()

    async def booted(self) -> None:
        """Wait until every charger is registered."""
        await asyncio.gather(*(charger.booted() for charger in self))

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.run(), name="fleet")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
