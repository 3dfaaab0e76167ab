"""Child processes are waited for, whatever happens to the task that runs them."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from chassis.testing import eventually
from ops.embedded.processes import Program, run


async def test_a_program_whose_run_is_cancelled_twice_is_ended_and_waited_for(tmp_path: Path):
    said = tmp_path / "said"
    script = f"import pathlib, time, os; pathlib.Path({str(said)!r}).write_text(str(os.getpid())); time.sleep(600)"
    program = Program("A long program", (sys.executable, "-c", script), tmp_path / "log")
    running = asyncio.create_task(run(program, "failed"))

    def it_runs() -> int:
        assert said.exists()
        assert said.read_text()
        return int(said.read_text())

    pid = await eventually(it_runs, within=20)
    running.cancel()
    asyncio.get_running_loop().call_soon(running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(pid)
