"""Processes are kept running, with patience, and stopped in reverse order."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from chassis.testing import eventually
from ops.embedded.problems import Problem
from ops.embedded.processes import Process, Program
from ops.embedded.progress import Reporter
from ops.embedded.supervise import Backoff, Supervisor

EAGER = Backoff(first_s=0.05, longest_s=0.1, deaths_to_complain=2)
RUNS = "import signal; print('up', flush=True); signal.pause()"
NOTES_ITS_END = (
    "import signal, sys\n"
    "def end(*_):\n"
    "    print(sys.argv[1], file=open('order', 'a'))\n"
    "    raise SystemExit\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "print('up', flush=True)\n"
    "signal.pause()\n"
)


class Told(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def thing(tmp_path: Path, code: str, name: str = "thing") -> tuple[str, Process]:
    return name, Process(Program(name, (sys.executable, "-c", code, name), tmp_path / f"{name}.log", cwd=tmp_path))


def up(process: Process):
    async def check() -> str | None:
        return None if "up" in process.program.log.read_text()[process.log_offset :] else "not up"

    return check


async def test_a_process_that_dies_is_started_again_and_it_is_said_in_one_line(tmp_path):
    told, changes = Told(), []
    supervisor = Supervisor(told, backoff=EAGER, changed=lambda: changes.append(1))
    name, process = thing(tmp_path, RUNS)
    await supervisor.start(name, process, up(process), 60)
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def again() -> None:
        assert process.running
        assert process.pid != first

    await eventually(again, within=60)
    assert told.notes == [
        f"thing stopped (ended by SIGKILL) and is started again in 0.05 s. Log: {tmp_path / 'thing.log'}"
    ]
    await eventually(lambda: changed_twice(changes))
    await supervisor.stop()
    assert not process.running


async def test_a_process_that_was_stopped_on_purpose_stays_down(tmp_path):
    told = Told()
    supervisor = Supervisor(told, backoff=EAGER)
    name, process = thing(tmp_path, RUNS)
    await supervisor.start(name, process, up(process), 60)
    await process.kill()
    await asyncio.wait_for(process.gone(), 60)
    assert told.notes == []
    process.start()
    await process.ready(up(process), 60)
    await supervisor.stop()


async def test_a_process_that_keeps_dying_at_its_start_is_a_problem_with_its_last_word(tmp_path):
    supervisor = Supervisor(Reporter(), backoff=EAGER)
    name, process = thing(tmp_path, "raise ValueError('wrong setting')")
    with pytest.raises(Problem) as caught:
        await supervisor.start(name, process, up(process), 60)
    assert caught.value.what == (
        "thing keeps stopping at its start (exit code 1); its last word was: ValueError: wrong setting"
    )
    assert caught.value.where == tmp_path / "thing.log"
    await supervisor.stop()


async def test_a_process_that_dies_in_a_row_is_quoted(tmp_path):
    told = Told()
    supervisor = Supervisor(told, backoff=EAGER)
    told_to_die = tmp_path / "told-to-die"
    os.mkfifo(told_to_die)
    code = f"print('up', flush=True); open({str(told_to_die)!r}).read(); raise ValueError('lost')"
    name, process = thing(tmp_path, code)
    await supervisor.start(name, process, up(process), 60)

    def quoted() -> None:
        with contextlib.suppress(OSError):  # nobody listens while it is being started again
            os.close(os.open(told_to_die, os.O_WRONLY | os.O_NONBLOCK))
        assert any("thing has stopped 2 times in a row; its last word was: ValueError: lost" in n for n in told.notes)

    await eventually(quoted, within=60)
    await supervisor.stop()


async def test_the_last_layer_is_stopped_first(tmp_path):
    supervisor = Supervisor(Reporter(), backoff=EAGER)
    for name in ("database", "service"):
        _, process = thing(tmp_path, NOTES_ITS_END, name)
        await supervisor.start(name, process, up(process), 60)
        supervisor.layer()
    await supervisor.stop()
    assert (tmp_path / "order").read_text().split() == ["service", "database"]


def test_patience_grows_to_a_limit():
    backoff = Backoff(first_s=0.5, longest_s=4)
    assert [backoff.pause(deaths) for deaths in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 4.0, 4.0]


def changed_twice(changes: list[int]) -> None:
    assert len(changes) >= 2
