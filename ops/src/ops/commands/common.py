"""What the subcommands share: where the stack is, who asks, and how they speak."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.topics import Service
from ops.client import Portal
from ops.embedded import places
from ops.embedded.problems import Problem
from ops.embedded.state import StackState, find

OPERATOR_NAME = "operator"
OPERATOR_SECRET = "operator-password"  # noqa: S105 the name of the file that holds it

DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="COMEBACK_DATA_DIR",
        help="The folder that holds the stack; when not given, one in your data folder.",
        show_default=False,
    ),
]
PortalPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="For people and the API (8080).", show_default=False)
]
BridgePort = Annotated[int | None, typer.Option(min=1, max=65535, help="For chargers (8180).", show_default=False)]


def say(text: str) -> None:
    """One line for the person at the terminal."""
    typer.echo(text)


def print_problem(problem: Problem) -> None:
    """One sentence, on standard error."""
    typer.echo(f"comeback: {problem}", err=True)


def place_of(data_dir: Path | None) -> places.DataDir:
    """The data folder that was named, or the usual one."""
    return places.DataDir(data_dir or places.default_data_dir())


def running_stack(data_dir: Path | None) -> StackState:
    """What runs in a data folder. Raises Problem when nothing does."""
    place = place_of(data_dir)
    state = find(place.path)
    if state is None:
        raise Problem(
            f"Nothing runs in {place.path}",
            todo="Start it with `comeback up`, name its folder with --data-dir, or set COMEBACK_URL",
        )
    return state


def portal_url(data_dir: Path | None) -> str:
    """The portal's address: COMEBACK_URL, else that of the stack in the data folder."""
    url = os.environ.get("COMEBACK_URL") or running_stack(data_dir).portal_url
    if url is None:
        raise Problem("This stack runs without a portal", todo="Set COMEBACK_URL to the address of one")
    return url


def with_operator(data_dir: Path | None) -> Portal:
    """The portal as the platform's operator.

    The stack in the data folder has made that account. Elsewhere COMEBACK_URL names the portal, and COMEBACK_TOKEN or
    COMEBACK_USERNAME and COMEBACK_PASSWORD say who asks.
    """
    if token := os.environ.get("COMEBACK_TOKEN"):
        return Portal(portal_url(data_dir), token)
    username, password = os.environ.get("COMEBACK_USERNAME"), os.environ.get("COMEBACK_PASSWORD")
    if not (username and password):
        if os.environ.get("COMEBACK_URL"):
            raise Problem(
                "COMEBACK_URL is set, but nothing says who asks",
                todo="Set COMEBACK_TOKEN, or COMEBACK_USERNAME and COMEBACK_PASSWORD",
            )
        running_stack(data_dir)
        username, password = OPERATOR_NAME, place_of(data_dir).secret(OPERATOR_SECRET)
    return Portal.logged_in(portal_url(data_dir), username, password)


def ops_kafka(data_dir: Path | None) -> dict[str, Any]:
    """How to reach Kafka as the operators' principal, which reads every topic and writes none (aiokafka options)."""
    import ssl

    from ops.embedded.cluster import KafkaAccess

    access = KafkaAccess.from_environment(os.environ) or running_stack(data_dir).kafka
    options: dict[str, Any] = {"bootstrap_servers": access.bootstrap}
    if access.tls:
        options["ssl_context"] = ssl.create_default_context()
    if access.username is None:
        return options | {"security_protocol": "SSL" if access.tls else "PLAINTEXT"}
    return options | {
        "security_protocol": "SASL_SSL" if access.tls else "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": access.username,
        "sasl_plain_password": access.password,
    }


def service_environment(data_dir: Path | None, service: Service) -> dict[str, str]:
    """The environment in which a command of a service runs as that service: its database role, its Kafka principal."""
    from ops.embedded.database import with_user

    state, place = running_stack(data_dir), place_of(data_dir)
    module = service.value.replace("-", "_")
    environment = dict(os.environ) | state.kafka.environment() | {"DATABASE_URL": state.database_url}
    if (place.secrets / f"database-{module}").exists():
        environment["DATABASE_URL"] = with_user(state.database_url, module, place.secret(f"database-{module}"))
    if state.kafka_embedded:
        environment |= {"KAFKA_USERNAME": service.value, "KAFKA_PASSWORD": place.secret(f"kafka-{service.value}")}
    return environment
