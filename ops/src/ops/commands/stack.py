"""`comeback up`, `status` and `down`: the whole stack on this machine."""

import asyncio
import os
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ops.commands.common import (
    OPERATOR_NAME,
    OPERATOR_SECRET,
    BridgePort,
    DataDir,
    PortalPort,
    place_of,
    running_stack,
    say,
)
from ops.embedded.problems import Problem


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("up")(up)
    app.command("status")(status)
    app.command("down")(down)


def operator_environment(password: str) -> dict[str, dict[str, str]]:
    """What auth is told about the operator's account."""
    return {"auth": {"AUTH_OPERATOR_USERNAME": OPERATOR_NAME, "AUTH_OPERATOR_PASSWORD": password}}


def up(
    data_dir: DataDir = None,
    host: Annotated[str, typer.Option(help="Where people and chargers connect; 0.0.0.0 for everywhere.")] = "127.0.0.1",
    portal_port: PortalPort = None,
    bridge_port: BridgePort = None,
    longest_pause: Annotated[
        float, typer.Option(min=0.1, help="Seconds at most before a process that keeps dying is started again.")
    ] = 30.0,
) -> None:
    """Starts the stack and stays until Ctrl-C. Its data is kept, and it is there again at the next start.

    Kafka and PostgreSQL are started too, unless KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL name existing ones.
    """
    from ops.embedded.progress import reporter
    from ops.embedded.supervise import Backoff
    from ops.stack import Stack, StackOptions, run_stack

    place = place_of(data_dir)
    place.prepare()
    ports = {name: port for name, port in (("portal", portal_port), ("bridge", bridge_port)) if port is not None}
    options = StackOptions(
        data_dir=place.path,
        host=host,
        ports=ports,
        backoff=Backoff(longest_s=longest_pause),
        service_env=operator_environment(place.secret(OPERATOR_SECRET)),
    ).from_environment(os.environ)

    async def when_up(stack: Stack) -> None:
        say(f"\nPortal    {stack.portal_url}")
        say(f"Chargers  {stack.bridge_url}{{identity}}")
        say(f"Data      {place.path}")
        say("Next: comeback groups add --help. Ctrl-C stops everything.")

    asyncio.run(run_stack(options, reporter(), when_up))


def status(data_dir: DataDir = None) -> None:
    """Shows what runs, where, and whether it is ready. Exit code 1 when something is not."""
    import psutil

    state = running_stack(data_dir)
    say(f"Portal    {state.portal_url or '-'}")
    say(f"Chargers  {state.bridge_url or '-'}{{identity}}")
    say(f"Kafka     {state.kafka.bootstrap}{'' if state.kafka_embedded else ' (not ours)'}")
    say(f"Data      {state.data_dir}\n")
    well = state.up
    for process in state.processes:
        try:
            running = psutil.Process(process.pid)
            age = datetime.now(UTC) - datetime.fromtimestamp(process.created, UTC)
            facts = f"pid {process.pid:<8} {running.memory_info().rss / 2**20:5.0f} MiB  up {str(age).split('.')[0]}"
        except psutil.Error:
            facts, well = "not running", False
        word = _readiness(process.url) if process.url else ""
        well = well and word in ("", "ready")
        say(f"{process.name:22} {facts}  {word}")
    if not well:
        raise Problem("Not everything is ready", where=place_of(data_dir).logs)


def _readiness(url: str) -> str:
    import httpx2

    try:
        response = httpx2.get(f"{url}/health/ready", timeout=5)
    except httpx2.TransportError as error:
        return f"does not answer ({type(error).__name__})"
    if response.is_success:
        return "ready"
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        body = {}
    return f"not ready: {body.get('detail') or body or response.status_code}"


def down(data_dir: DataDir = None) -> None:
    """Stops the stack. Its data stays."""
    from ops.stack import down as stop

    place = place_of(data_dir)
    say("Stopped." if stop(place.path) else f"Nothing runs in {place.path}.")
