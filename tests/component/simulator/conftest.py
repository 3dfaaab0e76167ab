"""A little server, chargers that are stopped afterwards, and OCPP's own schemas."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import ocpp
import pytest

from simulator import Charger
from simulator.frames import CALL, CALLRESULT
from simulator.testing import LittleServer

SPEED = 50  # ten of a charger's seconds are a fifth of a real one
FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}


@pytest.fixture
async def server() -> AsyncIterator[LittleServer]:
    async with LittleServer() as running:
        yield running


@pytest.fixture
async def start(server: LittleServer) -> AsyncIterator[Callable[..., Any]]:
    """Starts a charger and waits until it is ready; it is stopped afterwards, and must not have failed inside."""
    async with AsyncExitStack() as stack:
        chargers: list[Charger] = []

        async def starter(personality: Any = "healthy", protocol: str = "ocpp1.6", **options: Any) -> Charger:
            ready = options.pop("ready", True)
            options = {"speed": SPEED, **options}
            charger = Charger("CH-1", server.url, options.pop("password", None), protocol, personality, **options)
            chargers.append(charger)
            await stack.enter_async_context(charger)
            if ready:
                await charger.ready()
            return charger

        yield starter
    assert [error for charger in chargers for error in charger.facts.errors] == []


@cache
def validator(protocol: str, name: str) -> Any:
    folder = Path(ocpp.__file__).parent / FOLDERS[protocol] / "schemas"
    schema = json.loads((folder / f"{name}.json").read_text("utf-8-sig"))
    return jsonschema.Draft4Validator(schema) if protocol == "ocpp1.6" else jsonschema.Draft6Validator(schema)


@pytest.fixture
def violations() -> Callable[[LittleServer, str], list[str]]:
    """What in the frames that a server received is not valid OCPP."""

    def check(server: LittleServer, protocol: str) -> list[str]:
        found = []
        for seen in server.seen:
            frame = seen.frame
            if frame.kind == CALL:
                name = frame.action + ("" if protocol == "ocpp1.6" else "Request")
            elif frame.kind == CALLRESULT:
                name = f"{server.sent_calls[frame.message_id]}Response"
            else:
                continue
            found += [f"{name}: {error.message}" for error in validator(protocol, name).iter_errors(frame.payload)]
        return found

    return check
