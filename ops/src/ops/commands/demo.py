"""`comeback demo`: everything started, seeded and shown on simulated chargers."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Annotated

import typer

from ops.commands.common import OPERATOR_NAME, OPERATOR_SECRET, BridgePort, DataDir, PortalPort, say
from ops.commands.stack import operator_environment
from ops.embedded import places
from ops.embedded.problems import Problem


class _ToldError(Exception):
    """The story is told and the demo was to be shown once."""


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the story; exit code 0 if all verdicts came.")
    ] = False,
    data_dir: DataDir = None,
    portal_port: PortalPort = None,
    bridge_port: BridgePort = None,
) -> None:
    """Starts everything, restarts simulated chargers, prints timelines and verdicts, and stays up to be looked at."""
    from ops.client import Portal
    from ops.demo import cast
    from ops.demo.story import Story
    from ops.embedded.progress import reporter
    from ops.stack import Stack, StackOptions, run_stack
    from simulator import Fleet

    usual = places.default_data_dir()
    place = places.DataDir(data_dir or usual.with_name(f"{usual.name}-demo"))
    place.prepare()
    ports = {name: port for name, port in (("portal", portal_port), ("bridge", bridge_port)) if port is not None}
    operator_password = place.secret(OPERATOR_SECRET)
    options = StackOptions(
        data_dir=place.path,
        ports=ports,
        service_env=operator_environment(operator_password) | {"restart-orchestrator": cast.WINDOWS},
    )
    surprises: list[str] = []

    async def show(stack: Stack, chargers: AsyncExitStack) -> None:
        url, bridge = stack.portal_url or "", stack.bridge_url or ""

        def seed() -> None:
            with Portal.logged_in(url, OPERATOR_NAME, operator_password) as operator:
                cast.seed(operator, place)

        await asyncio.to_thread(seed)
        await chargers.enter_async_context(Fleet(cast.simulated(place, bridge)))
        story = Story(url, place)
        await asyncio.to_thread(story.tell)
        surprises.extend(story.surprises)
        say("\nEvery verdict came as expected." if not surprises else "\nNot as expected:")
        for surprise in surprises:
            say(f"  {surprise}")
        if once:
            raise _ToldError
        say(f"\nThe portal is at {url}")
        for person in cast.PEOPLE:
            say(f"  {person.user_id:14} {cast.person_password(place, person)}   {person.name}")
        say("Ctrl-C stops everything.")

    async def run() -> None:
        async with AsyncExitStack() as chargers:
            await run_stack(options, reporter(), lambda stack: show(stack, chargers))

    with suppress(_ToldError):
        asyncio.run(run())
    if once and surprises:
        raise Problem(f"{len(surprises)} of the demo's verdicts did not come as expected", where=place.logs)
