"""Failures that a person has to act on, told in one sentence each, and how to find that sentence in a log."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

_TAIL_BYTES = 64 * 1024
_LONGEST_LINE = 300

_TELLING = re.compile(
    r"\b(FATAL|PANIC|ERROR|CRITICAL)\b"  # PostgreSQL, log4j, Python
    r"|^Caused by: "
    r"|^[\w.$]+(Error|Exception|Exit|Interrupt)\b"  # the last line of a traceback
    r"|^(Error|error|initdb: error|java: )"
)


class Problem(Exception):  # noqa: N818 - not a fault of the program
    """Something that only a person can put right.

    Attributes:
        what: what went wrong, a whole sentence without its full stop.
        where: the file that tells more, usually a log.
        todo: what to do about it, a whole sentence without its full stop.
    """

    def __init__(self, what: str, *, where: Path | None = None, todo: str | None = None) -> None:
        self.what = what
        self.where = where
        self.todo = todo
        super().__init__(what)

    def __str__(self) -> str:
        said = [self.what.rstrip(".") + "."]
        if self.todo:
            said.append(self.todo.rstrip(".") + ".")
        if self.where:
            said.append(f"Log: {self.where}")
        return " ".join(said)


@dataclass(frozen=True)
class _Cause:
    seen: re.Pattern[str]
    what: str
    todo: str


_CAUSES = (
    _Cause(
        re.compile(r"No space left on device|disk quota exceeded", re.IGNORECASE),
        "the disk is full",
        "Make room, or choose a folder on another disk with --data-dir",
    ),
    _Cause(
        re.compile(r"Read-only file system", re.IGNORECASE),
        "its folder can only be read",
        "Choose a folder that can be written with --data-dir",
    ),
    _Cause(
        re.compile(r"Address already in use", re.IGNORECASE),
        "a port it needs is already in use",
        "Stop the program that uses it, or choose another port",
    ),
    _Cause(
        re.compile(
            r"OutOfMemoryError|insufficient memory|Could not reserve enough space|Cannot allocate memory", re.IGNORECASE
        ),
        "there is not enough memory",
        "Free about 1 GiB of memory and start again",
    ),
)


def of_os_error(error: OSError, folder: Path) -> Problem:
    """The problem behind an operation of our own in a folder that the system refused."""
    reason = error.strerror or str(error)
    for cause in _CAUSES:
        if cause.seen.search(reason):
            return Problem(f"Comeback cannot go on in {folder}: {cause.what}", todo=cause.todo)
    at = f" ({error.filename})" if error.filename else ""
    return Problem(f"Comeback cannot go on in {folder}: {reason}{at}", todo="Choose another folder with --data-dir")


def tail(log: Path, since: int = 0) -> list[str]:
    """The last lines of a log (at most 64 KiB of it), none of them from before the byte `since`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since if since <= size else 0, size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def telling_line(lines: list[str]) -> str | None:
    """The line that says best why a program stopped: its last error, else the last thing that it said."""
    last = None
    for line in reversed(lines):
        if not line.strip():
            continue
        last = last or line.strip()
        if (event := _logged_error(line)) is not None:
            return event[:_LONGEST_LINE]
        if not line[0].isspace() and _TELLING.search(line):
            return line.strip()[:_LONGEST_LINE]
    return last[:_LONGEST_LINE] if last else None


def _logged_error(line: str) -> str | None:
    """What a JSON log line says, when it is an error."""
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if str(entry.get("level", "")).lower() not in ("error", "critical"):
        return None
    words = [str(entry["event"])] if "event" in entry else []
    if isinstance(entry.get("exception"), str) and entry["exception"].strip():
        words.append(entry["exception"].strip().splitlines()[-1])
    return ": ".join(words) or None


def explain(name: str, happened: str, log: Path, since: int = 0) -> Problem:
    """The problem behind a program that failed, read from what it logged since the byte `since`.

    Args:
        name: the program, as people know it ("Kafka").
        happened: what it did, as the verb of the sentence ("did not start").
        log: its log.
        since: the byte of the log at which the run in question began.
    """
    lines = tail(log, since)
    for cause in _CAUSES:
        if any(cause.seen.search(line) for line in lines):
            return Problem(f"{name} {happened}: {cause.what}", where=log, todo=cause.todo)
    line = telling_line(lines)
    said = f"{name} {happened}; its last word was: {line}" if line else f"{name} {happened} and said nothing"
    return Problem(said, where=log)
