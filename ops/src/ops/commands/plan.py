"""`comeback plan`: what a group pays for."""

from typing import Annotated
from urllib.parse import quote

import typer

from contracts.words import Plan
from ops.commands.common import DataDir, say, with_operator

app = typer.Typer(help="Plans: remote restart comes with Standard and Business.", no_args_is_help=True)


@app.command("set")
def set_plan(
    group: Annotated[str, typer.Argument(help="The group.")],
    plan: Annotated[Plan, typer.Argument(help="The plan.")],
    data_dir: DataDir = None,
) -> None:
    """Gives a group a plan. Restarts are available, or no longer, within a second."""
    with with_operator(data_dir) as portal:
        portal.put_once_known(_plan_of(group), {"plan": plan.value}, within_s=3)
    say(f"{group} has the {plan.value} plan.")


@app.command("show")
def show(group: Annotated[str, typer.Argument(help="The group.")], data_dir: DataDir = None) -> None:
    """Shows a group's plan and what it carries."""
    with with_operator(data_dir) as portal:
        answer = portal.get(_plan_of(group))
    say(f"{group}: {answer['plan']} ({', '.join(sorted(answer['features'])) or 'no features'})")


def _plan_of(group: str) -> str:
    return f"/api/v1/groups/{quote(group, safe='')}/plan"
