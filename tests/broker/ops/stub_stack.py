"""A stack of stand-in services: `python stub_stack.py FOLDER PORTAL_PORT BRIDGE_PORT` runs one until it is stopped."""

import asyncio
import dataclasses
import sys
from pathlib import Path

from ops.embedded.progress import PlainReporter
from ops.embedded.services import SERVICES
from ops.stack import Stack, StackOptions, run_stack

STUB = Path(__file__).with_name("stub_service.py")


def stub_options(folder: Path, portal: int, bridge: int) -> StackOptions:
    stubs = tuple(dataclasses.replace(each, argv=(sys.executable, str(STUB), each.name)) for each in SERVICES)
    ports, env = {"portal": portal, "bridge": bridge}, {"STUB_FOLDER": str(folder)}
    return StackOptions(data_dir=folder, services=stubs, ports=ports, env=env, train=False)


async def say_up(_: Stack) -> None:
    print("UP", flush=True)  # noqa: T201 - it is what the test waits for


if __name__ == "__main__":
    asyncio.run(run_stack(stub_options(Path(sys.argv[1]), *map(int, sys.argv[2:4])), PlainReporter(), say_up))
