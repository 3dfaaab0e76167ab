"""Children start in groups of their own, stop when asked, and never outlive whoever started them."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from chassis.testing import eventually
from ops.embedded.problems import Problem
from ops.embedded.processes import Identity, Process, Program, end_leftover, run

SLEEPS = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def program(tmp_path: Path, code: str, **more) -> Program:
    return Program("Thing", (sys.executable, "-c", code), tmp_path / "thing.log", **more)


def said(tmp_path: Path):
    async def check() -> str | None:
        return None if "up" in (tmp_path / "thing.log").read_text() else "it has not said that it is up"

    return check


async def test_a_process_logs_stops_and_starts_again(tmp_path):
    process = Process(program(tmp_path, SLEEPS))
    process.start()
    await process.ready(said(tmp_path), 60)
    first = process.pid
    assert first is not None
    assert os.getpgid(first) == first
    await process.stop()
    assert (process.running, process.wanted) == (False, False)
    assert process.ending() == "ended by SIGTERM"
    process.start()
    assert process.pid != first
    assert process.log_offset > 0
    await process.kill()
    assert process.ending() == "ended by SIGKILL"


async def test_a_process_that_does_not_listen_is_killed(tmp_path):
    process = Process(program(tmp_path, DEAF, stop_s=0.2))
    process.start()
    await process.ready(said(tmp_path), 60)
    await process.stop()
    assert process.ending() == "ended by SIGKILL"


async def test_a_process_that_ends_before_it_is_ready_is_a_problem_with_its_last_word(tmp_path):
    process = Process(program(tmp_path, "raise SystemExit('No space left on device')"))
    process.start()
    with pytest.raises(Problem, match=r"Thing stopped before it was ready \(exit code 1\): the disk is full"):
        await process.ready(said(tmp_path), 60)


async def test_a_process_that_is_never_ready_is_a_problem_that_says_why(tmp_path):
    process = Process(program(tmp_path, "import signal; signal.pause()"))
    process.start()
    with pytest.raises(Problem, match="Thing is not ready after 0 s: it has not said that it is up"):
        await process.ready(said(tmp_path), 0.2)
    await process.kill()


async def test_a_program_that_is_not_there_is_a_problem(tmp_path):
    process = Process(Program("Thing", (str(tmp_path / "none"),), tmp_path / "thing.log"))
    with pytest.raises(Problem, match="Thing cannot be started"):
        process.start()
    assert not process.running


async def test_a_run_that_fails_is_a_problem_and_one_that_works_is_not(tmp_path):
    await run(program(tmp_path, "print('fine')"), "failed")
    with pytest.raises(Problem, match=r"Thing failed \(exit code 3\)"):
        await run(program(tmp_path, "raise SystemExit(3)"), "failed")


async def test_a_run_that_is_cancelled_leaves_nothing_behind(tmp_path):
    running = asyncio.create_task(run(program(tmp_path, SLEEPS), "failed"))
    (child,) = await eventually(lambda: children_saying_up(tmp_path), within=60)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not child.is_running()


if sys.platform == "linux":  # Elsewhere no kernel tells a child that its parent died.

    async def test_a_killed_parent_takes_its_children_along(tmp_path):
        code = (
            "import signal, sys; from pathlib import Path; from ops.embedded.processes import Process, Program;"
            f"p = Process(Program('Thing', (sys.executable, '-c', {SLEEPS!r}), Path({str(tmp_path / 'thing.log')!r})));"
            "p.start(); signal.pause()"
        )
        parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        (child,) = await eventually(lambda: children_saying_up(tmp_path, parent.pid), within=60)
        parent.kill()
        await parent.wait()
        await eventually(lambda: ensure(ended(child)), within=60)


async def test_what_an_earlier_run_left_behind_is_ended(tmp_path):
    process = Process(program(tmp_path, DEAF))
    process.start()
    await process.ready(said(tmp_path), 60)
    assert process.pid is not None
    identity = Identity.of(process.pid)
    assert identity is not None
    assert identity.runs(sys.executable)
    assert await end_leftover(identity, 0.6)
    await process.gone()
    assert process.ending() == "ended by SIGKILL"
    assert not await end_leftover(identity, 0.6)


async def test_another_process_with_the_same_number_is_left_alone():
    mine = Identity.of(os.getpid())
    assert mine is not None
    assert not await end_leftover(Identity(mine.pid, mine.created - 100), 0.3)


def children_saying_up(tmp_path: Path, parent: int | None = None) -> list[psutil.Process]:
    log = tmp_path / "thing.log"
    ensure(log.exists() and "up" in log.read_text())
    return [child for child in psutil.Process(parent).children() if runs(child, SLEEPS)]


def runs(child: psutil.Process, code: str) -> bool:
    """Other tests of the session may have a broker and a database of theirs among our children, and some just ended."""
    try:
        return code in child.cmdline()
    except psutil.Error:
        return False


def ended(child: psutil.Process) -> bool:
    try:
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ensure(held: bool) -> None:
    assert held
