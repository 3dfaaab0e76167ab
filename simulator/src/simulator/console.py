"""Commands to running chargers, one line each: `CHARGER COMMAND [ARGUMENT...]`."""

from collections.abc import Awaitable, Callable

from simulator.charger import Charger
from simulator.connection import Ending
from simulator.fleet import Fleet


async def _unplug_network(charger: Charger, how: str = "silent") -> None:
    await charger.unplug_network(Ending[how.upper()])


async def _plug_network(charger: Charger) -> None:
    charger.plug_network()


async def _start(charger: Charger, connector: str = "1", id_tag: str = "DRIVER-1") -> None:
    await charger.start_transaction(int(connector), id_tag)


async def _stop(charger: Charger, connector: str = "1", reason: str = "Local") -> None:
    await charger.stop_transaction(int(connector), reason)


async def _fault(charger: Charger, connector: str = "1", error_code: str = "GroundFailure") -> None:
    await charger.set_faulted(int(connector), error_code)


async def _clear(charger: Charger, connector: str = "1") -> None:
    await charger.clear_fault(int(connector))


async def _status(charger: Charger, connector: str, status: str) -> None:
    await charger.send_status(int(connector), status)


async def _firmware_status(charger: Charger, status: str) -> None:
    await charger.send_firmware_status(status)


async def _power_cycle(charger: Charger, away: str = "5") -> None:
    await charger.power_cycle(float(away))


async def _malformed(charger: Charger, text: str = "{not OCPP") -> None:
    await charger.send_raw(text)


async def _flood(charger: Charger, count: str = "1000") -> None:
    await charger.flood(int(count))


COMMANDS: dict[str, Callable[..., Awaitable[None]]] = {
    "start": _start,
    "stop": _stop,
    "fault": _fault,
    "clear": _clear,
    "status": _status,
    "firmware-status": _firmware_status,
    "unplug-network": _unplug_network,
    "plug-network": _plug_network,
    "power-cycle": _power_cycle,
    "malformed": _malformed,
    "flood": _flood,
}


async def obey(fleet: Fleet, line: str) -> str:
    """Obey one line and return what to say about it, mistakes included."""
    words = line.split()
    if len(words) < 2:  # noqa: PLR2004 a charger and a command
        return f"say: CHARGER COMMAND [ARGUMENT...]; commands: {', '.join(COMMANDS)}"
    identity, command, *arguments = words
    if command not in COMMANDS:
        return f"unknown command {command!r}; commands: {', '.join(COMMANDS)}"
    try:
        charger = fleet[identity]
    except KeyError:
        return f"there is no charger {identity!r} in this fleet"
    try:
        await COMMANDS[command](charger, *arguments)
    except (TypeError, ValueError, KeyError) as wrong:
        return f"{line.strip()}: {wrong}"
    except Exception as failed:  # noqa: BLE001 whatever a socket does, the next line must still be read
        return f"{line.strip()}: {type(failed).__name__} {failed}"
    return f"{line.strip()}: done"
