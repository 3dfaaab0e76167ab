"""`comeback chargers`: bring chargers in from a file, and list them."""

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.commands.common import DataDir, say, with_operator
from ops.embedded.problems import Problem

app = typer.Typer(help="Chargers: bring them in, list them.", no_args_is_help=True)

COLUMNS = ("id", "model", "group", "label", "security_profile", "password")
ROWS_A_CALL = 500


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The chargers of a CSV file with a header line. Raises Problem naming the line that can't be used."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = [column.strip() for column in reader.fieldnames or ()]
            missing = [column for column in ("id", "model", "group") if column not in header]
            if missing:
                raise Problem(
                    f"{path}: the column {', '.join(missing)} is missing",
                    todo=f"The first line names the columns: {', '.join(COLUMNS)}",
                )
            return [_row(path, number, row) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Problem(f"{path} can't be read: {error}", todo="Give a CSV file in UTF-8") from error


def _row(path: Path, number: int, row: dict[str, Any]) -> dict[str, Any]:
    values = {key.strip(): (value or "").strip() for key, value in row.items() if isinstance(key, str)}
    profile = values.get("security_profile") or "1"
    if profile not in {"0", "1", "2", "3"}:
        raise Problem(f"{path}, line {number}: security_profile is {profile!r}", todo="It is 0, 1, 2 or 3")
    return {
        "charger_id": values.get("id", ""),
        "group_id": values.get("group", ""),
        "model": values.get("model", ""),
        "label": values.get("label") or values.get("id", ""),
        "security_profile": int(profile),
        "password": values.get("password") or None,
        "generate_password": profile in {"1", "2"} and not values.get("password"),
    }


@app.command("import")
def import_chargers(
    file: Annotated[Path, typer.Argument(help=f"A CSV file whose first line names its columns: {', '.join(COLUMNS)}.")],
    data_dir: DataDir = None,
) -> None:
    """Brings chargers in from a CSV file. Again with the same file changes nothing.

    Only `id`, `model` and `group` must be there. A charger of profile 1 or 2 without a password is given one, which
    is shown once. A charger of profile 1 connects at ws://HOST:PORT/ocpp/ID with its id and password (HTTP Basic), one
    of profile 2 does so at wss://, and one of profile 3 there with a client certificate whose CN is its id.
    """
    chargers = rows_of(file)
    refused = 0
    with with_operator(data_dir) as portal:
        for start in range(0, len(chargers), ROWS_A_CALL):
            answer = portal.post("/api/v1/chargers:import", {"chargers": chargers[start : start + ROWS_A_CALL]})
            for number, result in enumerate(answer["results"], start=start + 2):
                if result.get("password"):
                    say(f"{result['charger_id']}: password, shown this once: {result['password']}")
                if result["status"] == "refused":
                    refused += 1
                    say(f"{file}, line {number}: {result['detail']}")
    say(f"{len(chargers) - refused} chargers are in, {refused} refused.")
    if refused:
        raise typer.Exit(1)


@app.command("list")
def list_chargers(data_dir: DataDir = None) -> None:
    """Lists all chargers."""
    with with_operator(data_dir) as portal:
        for charger in portal.pages("/api/v1/fleet/chargers"):
            seen = charger["connectivity"]
            state = "never seen" if seen is None else "online" if seen["online"] else f"offline since {seen['since']}"
            say(f"{charger['charger_id']:32} {charger['group_id']:16} {charger['model']:20} {state}")
