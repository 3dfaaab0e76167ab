"""Where things are kept on this machine: the data folder of one stack, and the cache that all stacks share."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import platformdirs

from ops.embedded.problems import Problem

ROOM_TO_RUN = 512 * 1024 * 1024
"""Free bytes below which nothing is started: Kafka's and PostgreSQL's first files take about 250 MiB."""

_SHARED_DATA = Path("/var/lib/comeback")


def is_root() -> bool:
    """Whether we run as the superuser (never on a system that has none)."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def cache_dir() -> Path:
    """Kafka's jars and start-up caches; `COMEBACK_CACHE_DIR`, else the user's cache directory."""
    chosen = os.environ.get("COMEBACK_CACHE_DIR")
    return Path(chosen).absolute() if chosen else platformdirs.user_cache_path("comeback")


def default_data_dir() -> Path:
    """`COMEBACK_DATA_DIR`, else the user's data directory.

    The superuser's is a system directory instead: PostgreSQL runs as another account then, which may not enter the
    superuser's home.
    """
    chosen = os.environ.get("COMEBACK_DATA_DIR")
    if chosen:
        return Path(chosen).absolute()
    return _SHARED_DATA if is_root() else platformdirs.user_data_path("comeback")


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder."""
    return shutil.disk_usage(folder).free


def require_room(folder: Path, needed: int, free: Callable[[Path], int] = free_bytes) -> None:
    """Raise a `Problem` when a folder's disk has less than `needed` bytes free."""
    there = free(folder)
    if there < needed:
        raise Problem(
            f"Only {there // 2**20} MiB are free on the disk of {folder}, and {needed // 2**20} MiB are needed",
            todo="Make room, or choose a folder on another disk (--data-dir; COMEBACK_CACHE_DIR for downloads)",
        )


def make_folder(folder: Path, mode: int = 0o700) -> Path:
    """The folder, made with its parents if it was not there; a `Problem` when it cannot be written."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        why = "it is a file and no folder" if folder.is_file() else error.strerror or error
        raise Problem(
            f"{folder} cannot be written: {why}",
            todo="Choose another folder with --data-dir, or COMEBACK_CACHE_DIR for downloads",
        ) from error
    return folder


class DataDir:
    """The folder that holds all of one stack: data, secrets, logs, and what is running."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.kafka = self.path / "kafka"
        self.postgres = self.path / "postgres"
        self.logs = self.path / "logs"
        self.secrets = self.path / "secrets"
        self.lock = self.path / "lock"
        self.state = self.path / "stack.json"
        self.ports = self.path / "ports.json"

    def prepare(self, free: Callable[[Path], int] = free_bytes) -> None:
        """Make the folders; a `Problem` when they cannot be written or the disk is nearly full."""
        # Others may pass through but not look: PostgreSQL's account must reach its own folder when we are root.
        make_folder(self.path, 0o711 if is_root() else 0o700)
        require_room(self.path, ROOM_TO_RUN, free)
        make_folder(self.logs)
        make_folder(self.secrets)

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    def secret(self, name: str) -> str:
        """A random secret, made at first use and kept in a file that only its owner can read."""
        file = self.secrets / name
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            value = secrets.token_urlsafe(32)
            write_private(file, value + "\n")
            return value


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    half = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    half.replace(file)
