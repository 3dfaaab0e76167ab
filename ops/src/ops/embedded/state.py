"""What is running, written down for the other commands: `stack.json` in the data folder."""

import dataclasses
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.cluster import KafkaAccess
from ops.embedded.lock import FolderLock
from ops.embedded.places import DataDir, write_private
from ops.embedded.problems import Problem
from ops.embedded.processes import Identity

_DOWN_S = 60.0


@dataclass(frozen=True)
class RunningProcess:
    """A process of a stack: `url` is its HTTP address when it has one."""

    name: str
    pid: int
    created: float
    log: str
    url: str | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.created)


@dataclass(frozen=True)
class StackState:
    """A stack that is up, or was when its supervisor last wrote.

    Attributes:
        pid: of the supervisor.
        portal_url: for people, and the base of the public API.
        bridge_url: where chargers connect; the identity of a charger is appended.
        kafka: for the operator: reads every topic.
        database_url: for the operator: a member of every service's role.
        kafka_embedded, postgres_embedded: whether they are ours, or were given.
        up: whether all had become ready when this was written; False while starting.
    """

    pid: int
    data_dir: str
    portal_url: str | None
    bridge_url: str | None
    kafka: KafkaAccess
    database_url: str
    kafka_embedded: bool
    postgres_embedded: bool
    up: bool
    ports: dict[str, int]
    processes: tuple[RunningProcess, ...]

    def write(self, data: DataDir) -> None:
        """Put it where other commands look; it holds the operator's passwords, so only its owner can read it."""
        write_private(data.state, json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, data: DataDir) -> "StackState | None":
        """What was last written, whether or not it still runs."""
        try:
            raw = json.loads(data.state.read_text())
            kafka = KafkaAccess(**raw.pop("kafka"))
            processes = tuple(RunningProcess(**each) for each in raw.pop("processes"))
            return cls(**raw, kafka=kafka, processes=processes)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def find(data_dir: Path) -> StackState | None:
    """The stack that runs in a data folder now; None when none does."""
    data = DataDir(data_dir)
    holder = FolderLock(data.lock).holder()
    state = StackState.read(data)
    return state if state and holder == state.pid else None


def down(data_dir: Path, within_s: float = _DOWN_S) -> bool:
    """Stop the stack that runs in a data folder, and return when it is gone; False when none ran.

    Raises:
        Problem: it did not stop in time, or belongs to someone else.
    """
    data = DataDir(data_dir)
    lock = FolderLock(data.lock)
    # Who holds the lock is the supervisor: the lock ends with its process, so the number cannot be another's.
    pid = lock.holder()
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        raise Problem(f"The stack in {data.path} (process {pid}) belongs to another user") from error
    deadline = time.monotonic() + within_s
    while lock.holder() == pid:
        if time.monotonic() > deadline:
            raise Problem(f"The stack in {data.path} (process {pid}) did not stop in {within_s:.0f} s", where=data.logs)
        time.sleep(0.1)
    return True
