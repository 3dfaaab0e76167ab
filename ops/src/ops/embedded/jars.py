"""Kafka's jars: downloaded once for all stacks of a user, and used only when they are byte for byte the pinned ones."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ops.embedded.places import make_folder, require_room
from ops.embedded.problems import Problem
from ops.embedded.progress import FAILED, Reporter

KAFKA = "4.1.2"
PINS = "kafka.pins.json"

_AT_ONCE = 4
_TIMEOUT_S = 30
_ROOM = 256 * 1024 * 1024


@dataclass(frozen=True)
class Pin:
    """What one jar must be: `coordinate` is group:artifact:version."""

    coordinate: str
    sha256: str
    size: int

    @property
    def file(self) -> Path:
        """Where it lies in a cache."""
        group, artifact, version = self.coordinate.split(":")
        return Path(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def pins() -> list[Pin]:
    """Every jar of the broker, in class path order."""
    data = json.loads(resources.files("ops.embedded").joinpath(PINS).read_text())
    return [Pin(coordinate, pin["sha256"], pin["size"]) for coordinate, pin in data.items()]


def is_intact(file: Path, pin: Pin) -> bool:
    """Whether a file is there and is what its pin says."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == pin.sha256
    except FileNotFoundError:
        return False


Fetch = Callable[[Pin, Path, Callable[[int], None]], Path]
"""Download a jar into a folder, telling how many bytes came; gives the file."""


def fetch_with_jgo(pin: Pin, into: Path, came: Callable[[int], None]) -> Path:
    """Download one jar from Maven's central repository; no POM is read, so nothing else can come with it."""
    from jgo.maven import MavenContext, PythonResolver

    @contextlib.contextmanager
    def progress(_name: str, _total: int) -> Iterator[Callable[[int], None]]:
        yield came

    context = MavenContext(repo_cache=into, timeout=_TIMEOUT_S, resolver=PythonResolver(progress_callback=progress))
    group, artifact, version = pin.coordinate.split(":")
    return Path(context.project(group, artifact).at_version(version).artifact().resolve())


def provide(
    cache: Path,
    reporter: Reporter,
    *,
    wanted: list[Pin] | None = None,
    fetch: Fetch = fetch_with_jgo,
    given_up: threading.Event | None = None,
) -> list[Path]:
    """The jars in a cache folder, downloading those that are missing or damaged.

    Every file is hashed each time (0.05 s for all). Only a verified file enters the cache, in one rename, so several
    stacks may do this at once. It blocks for as long as the network needs: call it in a thread, and set `given_up` to
    end it.

    Raises:
        Problem: no network, a full disk, or a jar that is not the pinned one.
    """
    wanted = pins() if wanted is None else wanted
    missing = [pin for pin in wanted if not is_intact(cache / pin.file, pin)]
    if missing:
        make_folder(cache)
        require_room(cache, _ROOM)
        parts = cache / f".part-{os.getpid()}-{threading.get_ident()}"
        try:
            _download(missing, cache, parts, reporter, fetch, given_up or threading.Event())
        finally:
            shutil.rmtree(parts, ignore_errors=True)
    return [cache / pin.file for pin in wanted]


def _download(
    missing: list[Pin], cache: Path, parts: Path, reporter: Reporter, fetch: Fetch, given_up: threading.Event
) -> None:
    total = sum(pin.size for pin in missing)
    received = dict.fromkeys((pin.coordinate for pin in missing), 0)
    step = f"Download Kafka {KAFKA}"
    outcome = FAILED

    def one(pin: Pin) -> None:
        def came(count: int) -> None:
            if given_up.is_set():
                raise Problem("The download was given up")
            received[pin.coordinate] += count
            reporter.downloaded(step, sum(received.values()), total, pin.file.name)

        try:
            got = fetch(pin, parts, came)
        except OSError as error:  # Those of the HTTP client are OSErrors too.
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Problem(f"The disk of {cache} is full", todo="Make room, or set COMEBACK_CACHE_DIR") from error
            raise Problem(
                f"{pin.file.name} could not be downloaded ({type(error).__name__}); is there a network?",
                todo=f"Connect to the network, or copy {cache} from a machine where Comeback has run",
            ) from error
        except RuntimeError as error:
            raise Problem(f"{pin.file.name} could not be downloaded: {error}") from error
        if not is_intact(got, pin):
            raise Problem(
                f"{pin.file.name} is not the file that Comeback was tested with (sha256 differs), so it is not used",
                todo="Start again; when it happens again, ask whoever runs the network or mirror you download through",
            )
        (cache / pin.file).parent.mkdir(parents=True, exist_ok=True)
        got.replace(cache / pin.file)

    reporter.began(step)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            downloads = [pool.submit(one, pin) for pin in missing]
            try:
                for download in downloads:
                    download.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        outcome = f"{len(missing)} jars, {total / 2**20:.0f} MiB, every sha256 as pinned"
    finally:
        reporter.ended(step, outcome)
