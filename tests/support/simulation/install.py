"""Puts the simulation under the real code, for the whole of this Python process: clocks, chance, databases, sockets."""

import asyncio
import importlib
import logging
import pkgutil
import time
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import structlog

import chassis.tasks
import ocpp_bridge
import simulator
from ocpp_bridge import app, opening
from ocpp_bridge.password_changes import PasswordChanges
from restart_orchestrator import attempt, desk, handle
from simulation import bridge, bridge_database, orchestrator, orchestrator_ports
from simulation.loop import VirtualLoop, true_time, virtual_loop
from simulation.orchestrator_database import current_transaction
from simulation.sockets import ChargerEnd
from simulator.connection import Connection
from simulator.dialing import Endpoint, HandshakeRefusedError

_done: list[bool] = []


class _Time:
    """The module `time`, but for the clock that intervals are measured with."""

    def monotonic(self) -> float:
        return virtual_loop().time()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _Random:
    """The module `random`, with the one source of chance of the simulation."""

    def __getattr__(self, name: str) -> Any:
        return getattr(virtual_loop().random, name)


class _Datetime(datetime):
    """`datetime` whose now is what the charger's clock says."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return (true_time() + timedelta(seconds=virtual_loop().charger_offset)).astimezone(tz or UTC)


def _uuid4() -> UUID:
    return UUID(int=virtual_loop().random.getrandbits(128), version=4)


def _token_hex(nbytes: int) -> str:
    return virtual_loop().random.randbytes(nbytes).hex()


def _monotonic() -> float:
    return virtual_loop().time()


def _modules(package: Any) -> list[Any]:
    found = [package]
    names = (info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
    found += [importlib.import_module(name) for name in names if not ("migrations" in name or "__main__" in name)]
    return found


_REPLACED: dict[str, tuple[Any, Any]] = {
    "time": (time, _Time()),
    "monotonic": (time.monotonic, _monotonic),
    "datetime": (datetime, _Datetime),
}


def install() -> None:
    """Does it, once. This process is good for nothing else afterwards."""
    if _done:
        return
    _done.append(True)
    logging.disable(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    random, secrets = _Random(), SimpleNamespace(token_hex=_token_hex)
    for module in [*_modules(ocpp_bridge), *_modules(simulator), chassis.tasks]:
        names = vars(module)
        for name, (old, new) in _REPLACED.items():
            if names.get(name) is old and (name != "datetime" or module.__name__.startswith("simulator")):
                setattr(module, name, new)
        if "uuid4" in names:
            module.uuid4 = _uuid4
        if getattr(names.get("random"), "__name__", "") == "random":
            module.random = random
        if getattr(names.get("secrets"), "__name__", "") == "secrets":
            module.secrets = secrets
    _install_bridge()
    _install_orchestrator()
    _install_chargers()


def _install_bridge() -> None:
    replaced: dict[str, Any] = {
        "Store": bridge_database.MemoryStore,
        "Epochs": bridge_database.MemoryEpochs,
        "Ledger": bridge_database.MemoryLedger,
        "Lease": bridge_database.MemoryLease,
        "StoredTransactions": bridge_database.MemoryTransactions,
        "Listener": bridge.SilentListener,
        "Opening": bridge.LineOpening,
        "Watch": bridge.EventfulWatch,
        "Succession": bridge.EventfulSuccession,
    }
    for name, replacement in replaced.items():
        if not hasattr(app, name):
            raise AttributeError(f"ocpp_bridge.app has no {name} any more: simulation.install must follow")
        setattr(app, name, replacement)
    setattr(PasswordChanges, "run", _nothing)  # noqa: B010 no scenario changes a password
    setattr(opening, "accept_key", lambda _request: "key")  # noqa: B010


async def _nothing(_self: object) -> None:
    return


def _install_orchestrator() -> None:
    replaced: dict[str, Any] = {
        "store": orchestrator_ports.MemoryStore,
        "effects": orchestrator_ports.MemoryEffects,
        "PROJECTIONS": orchestrator_ports.PROJECTIONS,
        "with_past": orchestrator_ports.with_past,
        "are_read": orchestrator.are_read,
    }
    for name, replacement in replaced.items():
        if not hasattr(handle, name):
            raise AttributeError(f"restart_orchestrator.handle has no {name} any more: simulation.install must follow")
        setattr(handle, name, replacement)

    def decide(known: Any, event: Any, **options: Any) -> Any:
        decision = attempt.decide(known, event, **options)
        attempt_id = known.attempt_id if known is not None else getattr(event, "attempt_id", None)
        if attempt_id is not None:
            current_transaction.get().decided.append((attempt_id, event, options))
        return decision

    setattr(desk, "decide", decide)  # noqa: B010


def _install_chargers() -> None:
    setattr(Endpoint, "dial", _dial)  # noqa: B010
    setattr(Connection, "_shut_down_tcp", _shut_down)  # noqa: B010


def _shut_down(connection: Connection, _how: int = 0) -> None:
    end: Any = connection._websocket
    end.shut_down()


async def _dial(endpoint: Endpoint, session: Any) -> ChargerEnd:
    """`session` is the simulation's network."""
    try:
        return await session.dial(endpoint.identity, endpoint.subprotocols[0])  # type: ignore[no-any-return]
    except bridge.NotLetInError as refused:
        raise HandshakeRefusedError(str(refused), refused.status, refused.retry_after) from refused
    except OSError as error:
        raise HandshakeRefusedError(f"nobody answered: {error}") from error


def new_loop(seed: int) -> VirtualLoop:
    """A loop to simulate in."""
    install()
    asyncio.set_event_loop(None)
    return VirtualLoop(seed)  # type: ignore[abstract]
