"""`comeback events`: read any topic, by charger, attempt or time."""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from ops.commands.common import DataDir, ops_kafka, say
from ops.embedded.problems import Problem

_AGO = re.compile(r"^(\d+)\s*(s|m|h|d)$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str | None) -> datetime | None:
    """A time from what people write: `10m`, `2h`, or ISO 8601 (without a zone: local time). Raises Problem."""
    if text is None:
        return None
    if ago := _AGO.match(text.strip()):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise Problem(f"{text!r} is not a time", todo="Write 30s, 10m, 2h, 1d or 2026-01-31T12:00") from None


def _topics(incomplete: str) -> list[str]:
    from contracts import topics

    return [each.name for each in topics.ALL if each.name.startswith(incomplete) and not each.confidential]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("events")(events)


def events(
    topic: Annotated[
        str | None,
        typer.Argument(help="A topic, or the beginning of some; all when not given.", autocompletion=_topics),
    ] = None,
    charger: Annotated[str | None, typer.Option(help="Only this charger's.")] = None,
    attempt: Annotated[UUID | None, typer.Option(help="Only this attempt's.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 10m, 2h, 1d ago, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Until then, written as `since` is.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    limit: Annotated[int | None, typer.Option(help="Stop after so many.", min=1)] = None,
    data_dir: DataDir = None,
) -> None:
    """Reads events in the order of their times. It only reads: no consumer group, no offset, nothing sent."""
    from contracts import topics

    chosen = [each for each in topics.ALL if topic is None or each.name.startswith(topic)]
    if not chosen:
        raise Problem(f"No topic begins with {topic!r}", todo=f"There are: {', '.join(topics.BY_NAME)}")
    if all(each.confidential for each in chosen):
        raise Problem(f"{chosen[0].name} is confidential: only {', '.join(chosen[0].readers)} may read it")
    chosen = [each for each in chosen if not each.confidential]
    if charger is not None:
        chosen = [each for each in chosen if each.key == "charger"]
    reading = _read(
        ops_kafka(data_dir),
        chosen,
        {"key": charger, "since": moment(since), "until": moment(until), "follow": follow},
        attempt=str(attempt) if attempt is not None else None,
        as_json=as_json,
        limit=limit,
    )
    try:
        told = asyncio.run(reading)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    if told == 0:
        typer.echo("No such event.", err=True)


async def _read(
    kafka: dict[str, Any],
    chosen: list[Any],
    where: dict[str, Any],
    *,
    attempt: str | None,
    as_json: bool,
    limit: int | None,
) -> int:
    from ops.log_reader import records

    told = 0
    async for record in records(kafka, chosen, **where):
        event = as_event(record)
        if attempt is not None and str((event["data"] or {}).get("attempt_id")) != attempt:
            continue
        say(json.dumps(event, ensure_ascii=False) if as_json else for_people(event))
        told += 1
        if told == limit:
            break
    return told


def as_event(record: Any) -> dict[str, Any]:
    """A record as a CloudEvent in JSON, with where it stands; what is not JSON is given in base64."""
    headers = {name: content.decode(errors="replace") for name, content in record.headers}
    event: dict[str, Any] = {
        "id": headers.get("ce_id"),
        "type": headers.get("ce_type"),
        "source": headers.get("ce_source"),
        "time": headers.get("ce_time") or datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(),
        "subject": record.key.decode(errors="replace") if record.key is not None else None,
        "traceparent": headers.get("traceparent"),
        "position": f"{record.topic}/{record.partition}/{record.offset}",
        "data": None,
    }
    if record.value is not None:
        try:
            event["data"] = json.loads(record.value)
        except ValueError:
            event["data_base64"] = base64.b64encode(record.value).decode()
    return event


def for_people(event: dict[str, Any]) -> str:
    """One line: when, what, about what, and the facts."""
    data = event["data"] if isinstance(event["data"], dict) else {}
    facts = " ".join(
        f"{name}={json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value}"
        for name, value in data.items()
        if value not in (None, [], {}, "") and name not in ("charger_id", "frame")
    )
    when = datetime.fromisoformat(event["time"]).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    kind = str(event["type"] or "not an event").removesuffix(".v1")
    return f"{when}  {kind:34}  {event['subject'] or '-':20}  {facts}  [{event['position']}]"
