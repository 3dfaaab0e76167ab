"""Which port each part listens on: chosen once, remembered in the data folder, and said clearly when taken."""

import errno
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.embedded.given_ports import GivenPorts, given_ports
from ops.embedded.problems import Problem

HOST = "127.0.0.1"
_LAST_PORT = 32_000
"""Below the range that systems take for outgoing connections, so that a restarted part finds its port free."""


@dataclass(frozen=True)
class Wish:
    """A port that is wanted.

    Attributes:
        name: whose it is; also the name of the option that chooses it.
        port: where to look first.
        fixed: whether people know this port: then another one is never taken silently.
        host: the address it will listen on.
    """

    name: str
    port: int
    fixed: bool = False
    host: str = HOST


def is_free(port: int, host: str = HOST) -> bool:
    """Whether something could listen on this port now."""
    return _obstacle(port, host) is None


def _obstacle(port: int, host: str) -> OSError | None:
    """Why nothing could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def _told(obstacle: OSError, wish: Wish, port: int) -> Problem:
    """Why the wish cannot be granted, and what to do about it."""
    if isinstance(obstacle, socket.gaierror) or obstacle.errno == errno.EADDRNOTAVAIL:
        return Problem(f"{wish.host} is no address of this machine", todo="Name one with --host, or leave it out")
    if obstacle.errno == errno.EACCES:
        return Problem(
            f"Port {port}, wanted for {wish.name}, is open to the superuser only",
            todo=f"Choose one above 1023 with --{wish.name}-port",
        )
    return Problem(
        f"Port {port}, wanted for {wish.name}, is in use by {holder(port)}",
        todo=f"Stop that program, or choose another port with --{wish.name}-port",
    )


def holder(port: int) -> str:
    """Who listens on a port, as people would say it; "another program" when the system will not tell."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return "another program"


def next_free(start: int, avoid: set[int], host: str = HOST) -> int:
    """The first free port from `start` on that is not to be avoided, and was given to nobody else a moment ago."""
    with given_ports() as given:
        return _next_free(given, start, avoid, host)


def _next_free(given: GivenPorts, start: int, avoid: set[int], host: str, whose: str = "") -> int:
    for port in range(start, _LAST_PORT):
        if port not in avoid and given.may_have(port) and is_free(port, host):
            given.give(port, whose)
            return port
    raise Problem(f"No port between {start} and {_LAST_PORT} is free")


def choose(wishes: list[Wish], chosen: Mapping[str, int], memory: Path) -> dict[str, int]:
    """A port for each wish, and the choice remembered in the file `memory`.

    A port that someone chose (`chosen`), or that is fixed, is taken or refused with a `Problem`; any other gives way to
    the next free one.
    """
    unknown = set(chosen) - {wish.name for wish in wishes}
    if unknown:
        raise Problem(f"There is no port called {', '.join(sorted(unknown))}")
    remembered = _recall(memory)
    result: dict[str, int] = {}
    wanted = {wish.name: chosen.get(wish.name) or remembered.get(wish.name) or wish.port for wish in wishes}
    firm = [wish for wish in wishes if wish.fixed or wish.name in chosen]
    whose = str(memory.absolute())
    for wish in firm:
        port = wanted[wish.name]
        if port in result.values():
            twin = next(name for name, other in result.items() if other == port)
            raise Problem(f"Port {port} was chosen for both {twin} and {wish.name}", todo="Choose two ports")
        if (obstacle := _obstacle(port, wish.host)) is not None:
            raise _told(obstacle, wish, port)
        result[wish.name] = port
    with given_ports() as given:
        for wish in wishes:
            if wish.name in result:
                continue
            avoid = set(result.values()) | {port for name, port in wanted.items() if name != wish.name}
            port = wanted[wish.name]
            # The one of our last start is ours, unless another stack, which starts right now, was given it since.
            ours = port == remembered.get(wish.name) and port not in result.values() and is_free(port, wish.host)
            if not (ours and given.may_have(port, whose)):
                port = _next_free(given, port, avoid, wish.host, whose)
            result[wish.name] = port
        for port in result.values():
            given.give(port, whose)  # Known ports too: others who look for a free one leave them alone.
    if result != remembered:
        memory.write_text(json.dumps(result, indent=2) + "\n")
    return result


def _recall(memory: Path) -> dict[str, int]:
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in known.items() if isinstance(port, int)} if isinstance(known, dict) else {}
