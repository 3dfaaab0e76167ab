"""`comeback chargers`: bring chargers in from a file, and list them."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.commands.common import DataDir, say, with_operator
from ops.embedded.problems import Problem

app = typer.Typer(help="Chargers: bring them in, list them.", no_args_is_help=True)

NEEDED = ("id", "model", "group")
COLUMNS = (*NEEDED, "label", "security_profile", "password")
PROFILES = ("0", "1", "2", "3")
ROWS_A_CALL = 500


def rows_of(path: Path) -> dict[int, dict[str, Any]]:
    """The chargers of a CSV file with a header line, by the line that each begins on.

    Raises Problem naming the lines that can't be used: a file is checked whole before anything of it is brought in.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [column.strip().lower() for column in next(reader, [])]
            _check_header(path, header)
            rows: dict[int, dict[str, Any]] = {}
            wrong: list[str] = []
            lines: dict[str, int] = {}
            number = reader.line_num + 1
            for values in reader:
                if any(value.strip() for value in values):
                    row = dict(zip(header, (value.strip() for value in values), strict=False))
                    first = lines.setdefault(row.get("id", ""), number)
                    mistakes = [*_mistakes(row, len(values) - len(header))]
                    if row.get("id") and first != number:
                        mistakes.append(f"{row['id']} is in line {first} already")
                    if mistakes:
                        wrong.append(f"line {number}: {', '.join(mistakes)}")
                    else:
                        rows[number] = _row(row)
                number = reader.line_num + 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Problem(f"{path} can't be read: {error}", todo="Give a CSV file in UTF-8") from error
    if wrong:
        raise Problem(f"{path}, {'; '.join(wrong)}", todo="Nothing was brought in: correct the file and try again")
    return rows


def _check_header(path: Path, header: list[str]) -> None:
    todo = f"The first line names the columns, separated by commas: {', '.join(COLUMNS)}"
    if missing := [column for column in NEEDED if column not in header]:
        raise Problem(f"{path}: the column {', '.join(missing)} is missing", todo=todo)
    if unknown := [column for column in header if column not in COLUMNS]:
        raise Problem(f"{path}: there is no column {', '.join(map(repr, unknown))}", todo=todo)


def _mistakes(row: dict[str, str], too_many: int) -> Iterator[str]:
    if too_many > 0:
        yield f"it has {too_many} more fields than the first line; put quotes around a field that holds a comma"
    for column in NEEDED:
        if not row.get(column):
            yield f"the {column} is missing"
    if row.get("security_profile", "") not in {"", *PROFILES}:
        yield f"security_profile is {row['security_profile']!r}, and must be one of {', '.join(PROFILES)}"


def _row(values: dict[str, str]) -> dict[str, Any]:
    profile = values.get("security_profile") or "1"
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
    lines = list(chargers)
    refused = 0
    with with_operator(data_dir) as portal:
        for start in range(0, len(lines), ROWS_A_CALL):
            some = lines[start : start + ROWS_A_CALL]
            answer = portal.post("/api/v1/chargers:import", {"chargers": [chargers[line] for line in some]})
            for number, result in zip(some, answer["results"], strict=True):
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
        found = list(portal.pages("/api/v1/fleet/chargers"))
    for charger in found:
        seen = charger["connectivity"]
        state = "never seen" if seen is None else "online" if seen["online"] else f"offline since {seen['since']}"
        say(f"{charger['charger_id']:32} {charger['group_id']:16} {charger['model']:20} {state}")
    if not found:
        say("No chargers yet. Next: comeback chargers import --help")
