"""`comeback replay`: build a projection again beside the live one, compare, and put right what differs."""

import json
import re
import subprocess
import sys
import tempfile
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.topics import Service
from ops.commands.common import DataDir, say, service_environment
from ops.embedded.problems import Problem

_CHOICES = re.compile(r"invalid choice: .*\(choose from (.+)\)")
"""How a service's own command says which projections it has."""
_QUOTED = " '"


def _services(incomplete: str) -> list[str]:
    return [f"{service}." for service in Service if service.startswith(incomplete)]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("replay")(replay)


def replay(
    projection: Annotated[
        str,
        typer.Argument(
            help="SERVICE.NAME, for instance portal.chargers; SERVICE alone lists them.", autocompletion=_services
        ),
    ],
    dry_run: Annotated[bool, typer.Option(help="Compare only; change nothing.")] = False,
    accept_loss: Annotated[bool, typer.Option(help="Also remove rows whose cause Kafka no longer has.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Builds a projection again from offset 0 beside the live one, compares row by row, and puts right what differs.

    Nothing is sent again: a replay reads topics and writes one projection's tables, nothing else.
    """
    service, _, name = projection.partition(".")
    if service not in set(Service):
        raise Problem(f"{service!r} is not a service", todo=f"Write SERVICE.NAME; services: {', '.join(Service)}")
    command = [sys.executable, "-m", service.replace("-", "_"), "replay", name]
    command += ["--dry-run"] if dry_run else []
    command += ["--accept-loss"] if accept_loss else []
    # Its errors go to a file: into a pipe that nobody reads yet they might not fit.
    with tempfile.TemporaryFile("w+") as said:
        environment = service_environment(data_dir, Service(service))
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True) as process:
            result = _follow(process)
        said.seek(0)
        errors = said.read().strip().splitlines()
    if result is None:
        _explain(service, name, errors[-1] if errors else "it said nothing")
        return
    _tell(projection, result, dry_run=dry_run)
    if result["refused"]:
        raise Problem(
            f"{projection} was left as it is: {result['refused']}",
            todo="Look at the samples; --accept-loss does it anyway",
        )


def _explain(service: str, name: str, word: str) -> None:
    """Lists the service's projections where none was named; else raises Problem with why none was replayed."""
    if "unknown argument 'replay'" in word:
        raise Problem(f"{service} keeps no projection that could be replayed")
    there = _CHOICES.search(word)
    if there is None:
        raise Problem(f"{service}.{name} was not replayed: {word}")
    names = [f"{service}.{each.strip(_QUOTED)}" for each in there[1].split(",")]
    if name:
        raise Problem(f"{service} has no projection {name!r}", todo=f"There are: {', '.join(names)}")
    for each in names:
        say(each)


def _follow(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    columns = (TextColumn("Reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    result: dict[str, Any] | None = None
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("read", total=None)
        for line in process.stdout or ():
            told = json.loads(line)
            if "result" in told:
                result = told["result"]
            else:
                bar.update(task, completed=told["done"], total=told["total"])
    return result


def _tell(projection: str, result: dict[str, Any], *, dry_run: bool) -> None:
    say(f"{projection}: {result['records']} records read")
    for table in result["tables"]:
        differs = table["missing"] or table["extra"] or table["changed"]
        words = (
            f"{table['missing']} missing, {table['extra']} too many, {table['changed']} changed"
            if differs
            else "the same"
        )
        say(f"  {table['table']}: {table['rows']} rows, {words}")
        for kind, live, rebuilt in table["samples"]:
            say(f"    {kind}: live {json.dumps(live)}  rebuilt {json.dumps(rebuilt)}")
    if result["switched"]:
        say("The live tables now have the rebuilt rows.")
    elif dry_run:
        say("Nothing was changed (--dry-run).")
