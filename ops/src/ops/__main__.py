"""The `comeback` command: run the stack, feed it, restart chargers, look inside, replay."""

import sys

import typer

from ops.commands import calling, chargers, demo, events, groups, inspecting, plan, replay, restart, stack, users
from ops.commands.common import print_problem
from ops.embedded.problems import Problem

app = typer.Typer(
    name="comeback",
    help="Restart any EV charger from afar, and know whether it came back.",
    epilog="Start with `comeback demo`, or with `comeback up` and `comeback groups add --help`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
stack.add_to(app)
demo.add_to(app)
app.add_typer(groups.app, name="groups")
app.add_typer(users.app, name="users")
app.add_typer(plan.app, name="plan")
app.add_typer(chargers.app, name="chargers")
restart.add_to(app)
calling.add_to(app)
inspecting.add_to(app)
events.add_to(app)
replay.add_to(app)


def main() -> None:
    """Runs the command; what went wrong is told in a sentence, with exit code 1."""
    try:
        app()
    except Problem as problem:
        print_problem(problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
