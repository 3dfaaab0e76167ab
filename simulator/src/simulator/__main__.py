"""The `comeback-simulator` command: runs chargers and prints what happens to them."""

import argparse
import asyncio
import contextlib
import json
import resource
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from simulator.charger import Charger
from simulator.console import COMMANDS, obey
from simulator.dialects import PROTOCOLS
from simulator.facts import Entry
from simulator.fleet import ChargerSpec, Fleet, read_fleet_file, spec_of
from simulator.frames import timestamp
from simulator.personalities import NAMED
from simulator.personalities.verdicts import VERDICTS
from simulator.reset import Reset

TRANSCRIPT_LIMIT = 100
TLS_FILES = ("ca", "certificate", "key")


def parser() -> argparse.ArgumentParser:
    cli = argparse.ArgumentParser(
        prog="comeback-simulator",
        description="Simulated chargers over real websockets.",
        epilog=f"With --console, each line of standard input is CHARGER COMMAND [ARGUMENT...]: {', '.join(COMMANDS)}.",
    )
    cli.add_argument(
        "--list",
        "--list-personalities",
        dest="list_personalities",
        action="store_true",
        help="print the personalities, and what each does to a verdict, and exit",
    )
    cli.add_argument("--json", action="store_true", help="with --list: as JSON")
    cli.add_argument("--fleet", type=Path, metavar="FILE", help="CSV or JSON with id, url, password, protocol, …")
    cli.add_argument("--url", help="the server without the identity, for instance ws://127.0.0.1:9000/ocpp")
    cli.add_argument("--id", default="SIM-{n}", help="identity; {n} becomes 1, 2, … (default: %(default)s)")
    cli.add_argument("--count", type=int, default=1, help="how many chargers, without --fleet (default: 1)")
    cli.add_argument("--password", help="for Basic auth; {n} as in --id")
    cli.add_argument(
        "--ca", metavar="FILE", help="PEM file with the server's authority, for wss (default: the system's)"
    )
    cli.add_argument("--certificate", metavar="FILE", help="PEM file with the client certificate; {id} is the identity")
    cli.add_argument("--key", metavar="FILE", help="PEM file with its key, where it is another file; {id} as well")
    cli.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    cli.add_argument("--personality", choices=sorted(NAMED), default="healthy", metavar="NAME")
    cli.add_argument("--model", default="Simulated One")
    cli.add_argument("--connectors", type=int, default=1)
    cli.add_argument("--charging", type=int, default=0, metavar="CONNECTOR", help="start a transaction after the boot")
    cli.add_argument("--speed", type=float, default=1.0, help="10 makes all delays ten times shorter (default: 1)")
    cli.add_argument("--seed", type=int, help="makes random delays the same in every run")
    cli.add_argument("--rate", type=float, metavar="N", help="start N chargers per second (default: all at once)")
    cli.add_argument("--duration", type=float, metavar="SECONDS", help="stop after so many real seconds")
    cli.add_argument("--frames", action="store_true", help="print every frame as well")
    cli.add_argument("--quiet", action="store_true", help="print nothing but the summary")
    cli.add_argument("--console", action="store_true", help="obey commands on standard input")
    return cli


def fleet_of(options: argparse.Namespace) -> list[ChargerSpec]:
    """The chargers that the arguments ask for.

    Raises:
        ValueError: what is missing or wrong.
    """
    names = (
        "url",
        "password",
        "protocol",
        "personality",
        "model",
        "connectors",
        "charging",
        "ca",
        "certificate",
        "key",
    )
    defaults = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.fleet is not None:
        return read_fleet_file(options.fleet, defaults)
    if options.count > 1 and "{n}" not in options.id:
        raise ValueError("--count above 1 needs {n} in --id, or all chargers have the same identity")
    rows = (
        {
            name: options.__dict__[key].replace("{n}", str(number))
            for name, key in (("id", "id"), ("password", "password"))
            if options.__dict__[key]
        }
        for number in range(1, options.count + 1)
    )
    return [spec_of(row, defaults, "arguments") for row in rows]


def personalities_text() -> str:
    width = max(map(len, NAMED))
    rows = ((name, NAMED[name].about, VERDICTS[name]) for name in sorted(NAMED))
    return "\n".join(f"{name:{width}}  {about}\n{'':{width}}  -> {verdict}" for name, about, verdict in rows)


def personalities_json() -> str:
    rows = sorted(NAMED.items())
    return json.dumps(
        [{"name": name, "about": it.about, "family": it.family, "verdict": VERDICTS[name]} for name, it in rows]
    )


def say(identity: str, text: str) -> None:
    print(f"{timestamp()} {identity}: {text}", flush=True)


def narrate(charger: Charger, *, frames: bool) -> None:
    """Print what happens to a charger."""

    def entry(line: Entry) -> None:
        if line.direction == "event":
            say(charger.identity, f"{line.text} (socket {line.socket})" if line.socket else line.text)
        elif frames:
            say(charger.identity, f"{'>' if line.direction == 'sent' else '<'} {line.text}")

    def reset(_: Charger, frame: Reset) -> None:
        say(charger.identity, f"was told to reset: {frame.kind}")

    charger.on_entry(entry)
    charger.on_reset(reset)


async def charge_after_boot(charger: Charger, connector: int) -> None:
    await charger.booted()
    await charger.start_transaction(connector)


async def read_console(fleet: Fleet) -> None:
    """Obey standard input until it ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), sys.stdin)
    try:
        while line := await reader.readline():
            print(await obey(fleet, line.decode("utf-8", "replace")), flush=True)
    finally:
        transport.close()


async def simulate(options: argparse.Namespace, specs: Sequence[ChargerSpec]) -> None:
    """Run the chargers until a signal, or until the duration is over."""
    limit = 0 if options.quiet else TRANSCRIPT_LIMIT
    chargers = [spec.charger(speed=options.speed, seed=options.seed, transcript_limit=limit) for spec in specs]
    if not options.quiet:
        for charger in chargers:
            narrate(charger, frames=options.frames)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Fleet(chargers, options.rate) as fleet:
        side = [
            asyncio.create_task(charge_after_boot(charger, spec.charging))
            for charger, spec in zip(chargers, specs, strict=True)
            if spec.charging
        ]
        if options.console:
            side.append(asyncio.create_task(read_console(fleet)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.duration):
                await stop.wait()
        for task in side:
            task.cancel()
        await asyncio.gather(*side, return_exceptions=True)
        registered = sum(charger.is_registered for charger in fleet)
    facts = [charger.facts for charger in chargers]
    print(
        f"{len(chargers)} chargers, {registered} registered at the end,"
        f" {sum(one.sockets_opened for one in facts)} sockets opened, {sum(one.boots_accepted for one in facts)} boots"
        f" accepted, {sum(len(one.resets) for one in facts)} Resets received, {sum(one.restarts for one in facts)} real"
        f" restarts, {sum(len(one.handshakes_refused) for one in facts)} connections refused",
        flush=True,
    )


def raise_file_limit() -> None:
    """Allow as many sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    cli = parser()
    options = cli.parse_args(arguments)
    if options.list_personalities:
        print(personalities_json() if options.json else personalities_text())
        return 0
    try:
        specs = fleet_of(options)
    except (ValueError, OSError) as wrong:
        cli.error(str(wrong))
    raise_file_limit()
    asyncio.run(simulate(options, specs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
