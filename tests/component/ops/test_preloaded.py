"""Programs of ours are forked from a process that has imported what they share, and live and end as any other does."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chassis.testing import eventually
from ops.embedded.preloaded import Preloaded, launch_of
from ops.embedded.problems import Problem
from ops.embedded.processes import Process, Program, execute

SAYS = """
import json, os, signal, sys
descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd")) if sys.platform == "linux" else [0, 1, 2, 3]
print(json.dumps({
    "argv": sys.argv[1:], "environment": dict(os.environ), "imported": "wave" in sys.modules, "name": __name__,
    "group": os.getpgid(0), "folder": os.getcwd(), "open": descriptors[:-1],
}), flush=True)
if "fails" in sys.argv:
    raise SystemExit("No space left on device")
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pause()
"""


@pytest.fixture
def nursery(tmp_path, monkeypatch) -> Iterator[Preloaded]:
    (tmp_path / "thing.py").write_text(SAYS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_THE_STARTER", "its own")
    made = Preloaded(("wave",))
    yield made
    made.close()


def thing(tmp_path: Path, *arguments: str, **more) -> Program:
    argv = (sys.executable, "-m", "thing", *arguments)
    return Program("Thing", argv, tmp_path / "thing.log", env={"A": "1"}, **more)


def said(tmp_path: Path) -> dict[str, object]:
    log = tmp_path / "thing.log"
    lines = log.read_text().splitlines() if log.exists() else []
    assert lines
    return json.loads(lines[-1])


async def test_a_forked_program_has_what_it_was_given_and_nothing_else(tmp_path, nursery):
    folder = tmp_path / "folder"
    folder.mkdir()
    neighbour = Process(thing(tmp_path), nursery.launch)
    neighbour.start()
    await eventually(lambda: said(tmp_path))
    process = Process(thing(tmp_path, "one", "two", cwd=folder), nursery.launch)
    process.start()

    def told_by_the_second() -> dict[str, object]:
        told = said(tmp_path)
        assert told["group"] == process.pid
        return told

    told = await eventually(told_by_the_second)
    await asyncio.gather(neighbour.kill(), process.kill())
    assert told == {
        "argv": ["one", "two"],
        "environment": {"A": "1"},
        "imported": True,
        "name": "__main__",
        "group": process.pid,
        "folder": str(folder),
        "open": [0, 1, 2],
    }


async def test_it_ends_as_it_is_asked_to_and_starts_again(tmp_path, nursery):
    process = Process(thing(tmp_path), nursery.launch)
    process.start()
    first = process.pid
    await eventually(lambda: said(tmp_path))
    await process.stop()
    assert process.ending() == "ended by SIGTERM"
    process.start()
    assert (process.running, process.pid != first) == (True, True)
    process.kill_now()
    assert process.ending() == "ended by SIGKILL"


async def test_one_that_does_not_listen_is_killed(tmp_path, nursery):
    process = Process(thing(tmp_path, "deaf", stop_s=0.2), nursery.launch)
    process.start()
    await eventually(lambda: said(tmp_path))
    await process.stop()
    assert process.ending() == "ended by SIGKILL"


async def test_one_that_ends_before_it_is_ready_is_a_problem_with_its_last_word(tmp_path, nursery):
    process = Process(thing(tmp_path, "fails"), nursery.launch)
    process.start()

    async def never() -> str | None:
        return "it is not"

    with pytest.raises(Problem, match=r"Thing stopped before it was ready \(exit code 1\): the disk is full"):
        await process.ready(never, 60)


async def test_a_module_that_is_not_there_is_told_in_the_log(tmp_path, nursery):
    program = Program("Nothing", (sys.executable, "-m", "no_such_module"), tmp_path / "nothing.log")
    process = Process(program, nursery.launch)
    process.start()
    await process.gone()
    assert process.ending() == "exit code 1"
    assert "No module named no_such_module" in program.log.read_text()


async def test_when_the_process_that_forks_is_killed_its_programs_end_and_the_next_start_works(tmp_path, nursery):
    process = Process(thing(tmp_path), nursery.launch)
    process.start()
    await eventually(lambda: said(tmp_path))
    assert process.pid is not None
    forks = psutil.Process(process.pid).parent()
    assert forks is not None
    forks.kill()
    if sys.platform != "linux":  # Elsewhere no kernel tells a child that its parent died.
        os.kill(process.pid, signal.SIGTERM)
    await asyncio.wait_for(process.gone(), 60)
    assert process.ending() == "ended by SIGTERM"
    process.start()
    assert process.running
    await process.stop()


async def test_nothing_outlives_whoever_started_it(tmp_path):
    (tmp_path / "thing.py").write_text(SAYS)
    code = (
        "import signal, sys; from pathlib import Path; from ops.embedded.processes import Process, Program;"
        "from ops.embedded.preloaded import Preloaded;"
        f"p = Process(Program('Thing', (sys.executable, '-m', 'thing'), Path({str(tmp_path / 'thing.log')!r})),"
        " Preloaded(()).launch); p.start(); signal.pause()"
    )
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=tmp_path)
    await eventually(lambda: said(tmp_path), within=60)
    started = psutil.Process(starter.pid).children(recursive=True)
    assert len(started) == 2
    starter.kill()
    await starter.wait()
    if sys.platform == "linux":

        def gone() -> None:
            assert [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []

        await eventually(gone, within=60)


async def test_what_cannot_be_imported_before_is_a_problem_of_every_start(tmp_path):
    nursery = Preloaded(("no_such_module",))
    process = Process(thing(tmp_path), nursery.launch)
    for _ in range(2):
        with pytest.raises(Problem, match=r"Thing cannot be started: the process .* has ended, and has said why"):
            process.start()
    nursery.close()


async def test_only_modules_that_run_as_we_do_are_forked(tmp_path):
    assert await launch_of(Program("Kafka", ("java", "-m", "kafka"), tmp_path / "log")) is execute
    assert await launch_of(Program("Stub", (sys.executable, "stub.py"), tmp_path / "log")) is execute
