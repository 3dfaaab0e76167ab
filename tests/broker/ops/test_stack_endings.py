"""However a stack ends, nothing that it started outlives it, and the next one works."""

import asyncio
import dataclasses
import http.client
import signal
import sys
from pathlib import Path

import psutil
import pytest

from chassis.testing import eventually
from ops.embedded.services import SERVICES
from ops.stack import Problem, Stack, down, find

pytestmark = pytest.mark.timeout(480)


async def started(folder: Path, ports: tuple[int, int]) -> tuple[asyncio.subprocess.Process, list[psutil.Process]]:
    """A supervisor in a process of its own, and all that it started, once it is up."""
    argv = (sys.executable, str(Path(__file__).with_name("stub_stack.py")), str(folder), *map(str, ports))
    supervisor = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert supervisor.stdout is not None
    async for line in supervisor.stdout:
        if line.strip() == b"UP":
            break
    children = psutil.Process(supervisor.pid).children(recursive=True)
    assert len(children) >= len(SERVICES) + 2
    return supervisor, children


def all_gone(processes: list[psutil.Process]) -> None:
    assert [each for each in processes if runs(each)] == []


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_nothing_outlives_a_supervisor_that_is_asked_to_stop(folder, known_ports, ending):
    supervisor, children = await started(folder, known_ports)
    supervisor.send_signal(ending)
    await asyncio.wait_for(supervisor.communicate(), 120)
    assert supervisor.returncode == 0
    await eventually(lambda: all_gone(children))


async def test_nothing_outlives_a_killed_supervisor_and_the_next_start_works(folder, known_ports):
    supervisor, children = await started(folder, known_ports)
    supervisor.kill()
    await supervisor.communicate()
    assert find(folder) is None
    next_one, next_children = await started(folder, known_ports)
    await eventually(lambda: all_gone(children), within=120)
    assert await asyncio.to_thread(down, folder)
    await asyncio.wait_for(next_one.communicate(), 120)
    await eventually(lambda: all_gone(next_children))
    assert not await asyncio.to_thread(down, folder)


async def test_a_failing_service_stops_what_was_started_and_names_its_log(folder, stub_options):
    fails = {"fleet": {"STUB_FAILS": "no such setting"}}
    stack = Stack(dataclasses.replace(stub_options, service_env=fails))
    with pytest.raises(Problem, match=r"fleet keeps stopping at its start .*: RuntimeError: no such setting") as caught:
        await stack.start()
    assert caught.value.where == folder / "logs" / "fleet.log"
    assert [process for process in stack.processes.values() if process.running] == []
    assert not (folder / "stack.json").exists()


async def test_a_broker_that_cannot_start_is_told_with_the_telling_line_of_its_log(folder, stub_options):
    async with Stack(dataclasses.replace(stub_options, services=(), ports={})) as stack:
        assert stack.kafka is not None
        await stack.kafka.stop()
        settings = folder / "kafka" / "server.properties"
        settings.write_text(settings.read_text().replace("node.id=1", "node.id=7"))
        with pytest.raises(
            Problem, match=r"Kafka stopped before it was ready \(exit code 1\); its last word"
        ) as caught:
            await stack.kafka.start()
    assert caught.value.where == folder / "logs" / "kafka.log"


async def test_a_stack_that_is_given_up_while_it_starts_leaves_nothing(stub_options):
    stack = Stack(stub_options)
    starting = asyncio.create_task(stack.start())

    def kafka_runs() -> None:
        assert "kafka" in stack.processes
        assert stack.processes["kafka"].running

    await eventually(kafka_runs, within=120)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert [process for process in stack.processes.values() if process.running] == []
    connection = http.client.HTTPConnection("127.0.0.1", stack.ports["kafka"], timeout=1)
    with pytest.raises(ConnectionRefusedError):
        connection.connect()
