"""`comeback users`: people, and what they are in which group."""

import os
from typing import Annotated
from urllib.parse import quote

import typer

from contracts.words import Role
from ops.client import Portal, RefusedError
from ops.commands.common import DataDir, say, with_operator
from ops.embedded.problems import Problem

CONFLICT = 409

app = typer.Typer(help="People, and what they are in which group.", no_args_is_help=True)


@app.command("add")
def add(
    user: Annotated[str, typer.Argument(help="The login name.")],
    group: Annotated[str | None, typer.Option(help="A group to make the person a member of.")] = None,
    role: Annotated[Role, typer.Option(help="What the person is there.")] = Role.USER,
    name: Annotated[str | None, typer.Option(help="What people call this person.")] = None,
    ask_password: Annotated[bool, typer.Option(help="Ask for a password instead of making one.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Makes a login, and a membership when a group is given. The password is made, and shown once.

    A password in the environment variable COMEBACK_NEW_PASSWORD is used instead.
    """
    password = os.environ.get("COMEBACK_NEW_PASSWORD")
    if ask_password and not password:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    with with_operator(data_dir) as portal:
        try:
            made = portal.post("/api/v1/users", {"user_id": user, "name": name or user, "password": password})
        except RefusedError as refused:
            if refused.status != CONFLICT:
                raise
            todo = "Make this person a member of a group with `comeback users role`"
            raise Problem(f"There is a user {user} already", todo=todo) from refused
        # Before anything else may be refused: the password is never shown again.
        say(f"{user} can log in.")
        if made.get("password"):
            say(f"Password, shown this once: {made['password']}")
        if group is not None:
            _make_member(portal, user, group, role)


@app.command("role")
def role(
    user: Annotated[str, typer.Argument(help="The login name.")],
    group: Annotated[str, typer.Argument(help="The group.")],
    role: Annotated[Role | None, typer.Argument(help="The new role; none ends the membership.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Gives a person a role in a group, or ends the membership when no role is named."""
    with with_operator(data_dir) as portal:
        if role is None:
            portal.delete(_member(user, group))
            say(f"{user} is no longer a member of {group}.")
        else:
            _make_member(portal, user, group, role)


def _make_member(portal: Portal, user: str, group: str, role: Role) -> None:
    portal.put(_member(user, group), {"role": role.value})
    say(f"{user} is {role.value} of {group}.")


def _member(user: str, group: str) -> str:
    return f"/api/v1/groups/{quote(group, safe='')}/members/{quote(user, safe='')}"
