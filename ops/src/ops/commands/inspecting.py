"""`comeback inspect`: what the bridge knows of a charger, and the last frames that went to and fro."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from contracts.topics import Service
from ops.client import Portal, RefusedError
from ops.commands.common import DataDir, running_stack, say, with_operator
from ops.embedded.problems import Problem

NEVER_SEEN = 404


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("inspect")(inspect)


def inspect(
    charger: Annotated[
        str | None, typer.Argument(help="The charger's id; all that are connected when not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As the bridge answers it.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Looks inside a charger's connection: protocol, session, clock, deviations from OCPP, the last frames.

    It asks the bridges themselves: those of the stack in the data folder, or those that COMEBACK_BRIDGE_URL names,
    separated by commas. Passwords and the ids of people's cards are hidden.
    """
    with with_operator(data_dir) as portal:
        token = portal.token
    bridges = [Portal(url, token) for url in bridge_urls(data_dir)]
    try:
        if charger is None:
            told: Any = [each for bridge in bridges for each in bridge.pages("/api/v1/sessions")]
        else:
            told = find(bridges, charger)
    finally:
        for bridge in bridges:
            bridge.close()
    if as_json:
        say(json.dumps(told, indent=2, ensure_ascii=False))
    elif charger is None:
        for each in told:
            say(summary(each))
        say(f"{len(told)} chargers are connected.")
    else:
        for line in lines(told):
            say(line)


def bridge_urls(data_dir: Path | None) -> list[str]:
    """The HTTP addresses of the bridges. Raises Problem when there is none."""
    if named := os.environ.get("COMEBACK_BRIDGE_URL"):
        return [url.strip() for url in named.split(",") if url.strip()]
    name = Service.OCPP_BRIDGE.value
    urls = [
        each.url for each in running_stack(data_dir).processes if each.name.startswith(name) and each.url is not None
    ]
    if not urls:
        raise Problem("This stack runs without a bridge", todo="Set COMEBACK_BRIDGE_URL to the address of one")
    return urls


def find(bridges: list[Portal], charger: str) -> dict[str, Any]:
    """What the bridge that holds the charger says of it; else what any of them remembers. Raises Problem."""
    remembered: dict[str, Any] | None = None
    for bridge in bridges:
        try:
            told = bridge.get(f"/api/v1/sessions/{quote(charger, safe='')}")
        except RefusedError as refused:
            if refused.status != NEVER_SEEN:
                raise
            continue
        if told["held_here"]:
            return told
        if remembered is None or len(told["frames"]) > len(remembered["frames"]):
            remembered = told
    if remembered is None:
        raise Problem(f"No bridge has ever seen {charger}", todo="See `comeback chargers list`")
    return remembered


def summary(session: dict[str, Any]) -> str:
    """One line about one session."""
    model = " ".join(part for part in (session["vendor"], session["model"]) if part) or "not booted here"
    return (
        f"{session['charger_id']:32} {session['protocol']:10} epoch {session['epoch']:<6} "
        f"since {when(session['since'])}  {model}  clock {skew(session['clock_skew_s'])}  "
        f"deviations {session['deviations']}"
    )


def lines(told: dict[str, Any]) -> list[str]:
    """All about one charger."""
    state = "online" if told["online"] else f"offline since {when(told['until'])}"
    holder = "" if told["held_here"] else "  (not the bridge that was asked; it shows only what it remembers)"
    known = [
        f"{told['charger_id']}: {state}{', being restarted' if told['restarting'] else ''}",
        f"  protocol    {told['protocol']}",
        f"  session     {told['epoch']}, since {when(told['since'])}, {'' if told['accepted'] else 'not '}accepted",
        f"  held by     {told['bridge']}{holder}",
        f"  hardware    {' '.join(part for part in (told['vendor'], told['model'], told['serial']) if part) or '-'}",
        f"  firmware    {told['firmware'] or '-'}",
        f"  clock       {skew(told['clock_skew_s'])}",
        f"  deviations  {sum(each['count'] for each in told['deviations'])}",
    ]
    known += [f"    {each['count']:6} x {each['kind']} in {each['action']}" for each in told["deviations"]]
    known.append(f"  last frames ({len(told['frames'])}):")
    for frame in told["frames"]:
        arrow, rest = (">" if frame["from_charger"] else "<"), (" …" if frame["truncated"] else "")
        known.append(f"    {when(frame['at'], seconds=True)} {arrow} {frame['text']}{rest}")
    return known


def skew(seconds: float | None) -> str:
    """A clock's difference, in words."""
    if seconds is None:
        return "unknown"
    if abs(seconds) < 1:
        return "right"
    return f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"


def when(text: str | None, *, seconds: bool = False) -> str:
    """A moment, in local time."""
    if text is None:
        return "-"
    moment = datetime.fromisoformat(text).astimezone()
    return f"{moment:%H:%M:%S.%f}"[:-3] if seconds else f"{moment:%Y-%m-%d %H:%M:%S}"
