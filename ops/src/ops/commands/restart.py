"""`comeback restart`: ask for a restart, and watch it to its verdict."""

import os
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import typer

from contracts.restart import Step, Strength, When
from ops.client import Portal
from ops.commands.common import DataDir, portal_url, say
from ops.embedded.problems import Problem

STEP_WORDS: dict[str, str] = {
    Step.REQUESTED: "Requested",
    Step.SENT: "Sent to the charger",
    Step.ACCEPTED: "The charger accepted",
    Step.NO_ANSWER: "No answer (not a failure: some restart without answering)",
    Step.GONE: "Gone",
    Step.RECONNECTED: "Connected again",
    Step.BACK: "Back: it booted",
    Step.HEALTHY: "Healthy: connectors as before",
}


class Timeline:
    """Prints the steps of one attempt, each once, in the order of their times."""

    def __init__(self, indent: str = "") -> None:
        self._told: set[str] = set()
        self._indent = indent

    def tell(self, attempt: dict[str, Any]) -> None:
        """Prints what is new."""
        reached = [step for step in attempt["timeline"] if step["at"] is not None and step["step"] not in self._told]
        for step in sorted(reached, key=lambda each: str(each["at"])):
            self._told.add(step["step"])
            at = datetime.fromisoformat(step["at"]).astimezone()
            words = STEP_WORDS.get(step["step"], step["step"])
            say(f"{self._indent}{at:%H:%M:%S}  +{step['elapsed_ms'] / 1000:7.3f} s  {words}")

    def verdict(self, attempt: dict[str, Any]) -> None:
        """Prints the verdict and what it rests on."""
        verdict = attempt["verdict"]
        say(f"{self._indent}Verdict: {verdict['sentence']} [{verdict['verdict']}, {verdict['confidence']}]")
        for refusal in attempt["refusals"]:
            say(f"{self._indent}  - {refusal['detail']} [{refusal['reason']}]")
        for each in attempt["evidence"]:
            say(f"{self._indent}  - {each['detail']} [{each['kind']}, event {each['event_id']}]")


def watch(portal: Portal, attempt_id: str, indent: str = "") -> dict[str, Any]:
    """Prints an attempt's timeline as it happens, then the verdict; gives the ended attempt."""
    timeline = Timeline(indent)
    while True:
        for name, _ in portal.events(f"/api/v1/restarts/{attempt_id}/events"):
            if name == "beat":
                continue
            attempt = portal.get(f"/api/v1/restarts/{attempt_id}")
            timeline.tell(attempt)
            if attempt["verdict"] is not None:
                timeline.verdict(attempt)
                return attempt


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("restart")(restart)


def restart(
    charger: Annotated[str, typer.Argument(help="The charger's id.")],
    user: Annotated[
        str | None, typer.Option(envvar="COMEBACK_USERNAME", help="Who asks: an administrator of the charger's group.")
    ] = None,
    watch_it: Annotated[
        bool, typer.Option("--watch", help="Print the timeline as it happens, then the verdict.")
    ] = False,
    when: Annotated[
        When, typer.Option(help="now; idle: when no one charges; online: when an offline charger is back.")
    ] = When.NOW,
    strength: Annotated[Strength, typer.Option(help="OCPP 1.6: soft or hard; auto is soft.")] = Strength.AUTO,
    interrupt_charging: Annotated[bool, typer.Option(help="Restart even though a vehicle is charging.")] = False,
    note: Annotated[str | None, typer.Option(help="Why; kept with the attempt.")] = None,
    evse: Annotated[int | None, typer.Option(min=1, help="OCPP 2.x: this EVSE only.", show_default=False)] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds that idle and online wait; a day when not given.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Restarts a charger, as an administrator of its group.

    The password comes from COMEBACK_PASSWORD, else it is asked for; COMEBACK_TOKEN stands for both.
    With --watch the exit code is 0 only when the charger restarted.
    """
    body = {
        "when": when.value,
        "type": strength.value,
        "interrupt_charging": interrupt_charging,
        "note": note,
        "evse_id": evse,
        "expires_in": expires_in,
    }
    with _person(data_dir, user) as portal:
        answer = portal.post(f"/api/v1/chargers/{quote(charger, safe='')}/restarts", body, Idempotency_Key=str(uuid4()))
        attempt_id = str(answer["attempt_id"])
        if answer.get("already_restarting"):
            say("A restart was already under way; this is it.")
        say(f"Attempt {attempt_id}")
        if watch_it and watch(portal, attempt_id)["verdict"]["verdict"] != "restarted":
            raise typer.Exit(1)


def _person(data_dir: DataDir, user: str | None) -> Portal:
    if token := os.environ.get("COMEBACK_TOKEN"):
        return Portal(portal_url(data_dir), token)
    url = portal_url(data_dir)  # Before a password is asked for in vain.
    if user is None:
        raise Problem("Nobody asks", todo="Say who with --user, an administrator of the charger's group")
    password = os.environ.get("COMEBACK_PASSWORD") or typer.prompt(f"Password of {user}", hide_input=True)
    return Portal.logged_in(url, user, password)
