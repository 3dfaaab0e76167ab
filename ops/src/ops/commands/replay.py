"""`comeback replay`: build a projection again beside the live one, compare, and put right what differs."""

import json
import subprocess
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.topics import Service
from ops.commands.common import DataDir, say, service_environment
from ops.embedded.problems import Problem


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("replay")(replay)


def replay(
    projection: Annotated[str, typer.Argument(help="SERVICE.NAME, for instance portal.chargers; SERVICE. lists them.")],
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
    with subprocess.Popen(
        command,
        env=service_environment(data_dir, Service(service)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        result = _follow(process)
        errors = process.stderr.read() if process.stderr else ""
    if result is None:
        raise Problem(
            f"{projection} was not replayed: {errors.strip().splitlines()[-1] if errors.strip() else 'no word'}"
        )
    _tell(projection, result, dry_run=dry_run)
    if result["refused"]:
        raise Problem(
            f"{projection} was left as it is: {result['refused']}",
            todo="Look at the samples; --accept-loss does it anyway",
        )


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
