"""`comeback groups`: the accounts that own chargers and have members."""

from typing import Annotated
from urllib.parse import quote

import typer

from ops.commands.common import DataDir, say, with_operator

app = typer.Typer(help="Groups: the accounts that own chargers and have members.", no_args_is_help=True)


@app.command("add")
def add(
    group: Annotated[str, typer.Argument(help="The group's id, for instance `harbour`.")],
    name: Annotated[str | None, typer.Option(help="What people call it; the id, when not given.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Makes a group, or gives it another name. A new group is on the Basic plan."""
    with with_operator(data_dir) as portal:
        portal.put(f"/api/v1/groups/{quote(group, safe='')}", {"name": name or group})
    say(f"Group {group} is there. Next: comeback plan set {group} standard")


@app.command("list")
def list_groups(data_dir: DataDir = None) -> None:
    """Lists the groups."""
    with with_operator(data_dir) as portal:
        groups = list(portal.pages("/api/v1/groups"))
    for group in groups:
        say(f"{group['group_id']:24} {group['name']}")
    if not groups:
        say("No groups yet. Next: comeback groups add --help")
