"""The `comeback-simulator` command as a process."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process

from simulator.testing import LittleServer

STARTED_WITHIN_S = 60.0
"""A process of its own needs seconds to begin, more where others begin as well."""


async def launch(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


async def finish(process: Process) -> tuple[int, str, str]:
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def said(process: Process, *words: str) -> str:
    """What the process has printed when it has said all of these."""
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(STARTED_WITHIN_S):
        while not all(word in text for word in words):
            line = await process.stdout.readline()
            assert line, text
            text += line.decode()
    return text


async def test_a_fleet_file_runs_prints_and_stops_at_sigterm(server: LittleServer, tmp_path):
    fleet = tmp_path / "fleet.csv"
    fleet.write_text("id,password,protocol,personality,charging\nA-1,secret,ocpp1.6,blip,1\nA-2,,ocpp2.0.1,,\n")
    process = await launch("--fleet", str(fleet), "--url", server.url, "--speed", "50", "--frames")
    await server.received("StartTransaction", within=STARTED_WITHIN_S)
    await said(process, "A-1: boot Accepted, interval 300 s (socket 1)", 'A-2: > [2,"', "A-2: boot Accepted")
    process.send_signal(signal.SIGTERM)
    status, out, err = await finish(process)
    assert (status, err) == (0, "")
    assert "2 chargers, 2 registered at the end, 2 sockets opened, 2 boots accepted" in out
    assert all(socket.close_code == 1000 for socket in server.sockets)


async def test_numbered_chargers_tell_of_a_reset_and_stop_at_sigint(server: LittleServer):
    process = await launch("--url", server.url, "--count", "3", "--id", "N-{n}", "--speed", "50")
    await server.received("BootNotification", 3, within=STARTED_WITHIN_S)
    await server.call("Reset", {"type": "Hard"})
    await server.received("BootNotification", 4, within=STARTED_WITHIN_S)
    process.send_signal(signal.SIGINT)
    status, out, _ = await finish(process)
    assert status == 0
    assert "was told to reset: Hard" in out
    assert "1 Resets received, 1 real restarts" in out
    assert {socket.identity for socket in server.sockets} == {"N-1", "N-2", "N-3"}


async def test_the_console_is_obeyed(server: LittleServer):
    process = await launch("--url", server.url, "--speed", "50", "--console", "--quiet")
    await server.received("BootNotification", within=STARTED_WITHIN_S)
    assert process.stdin is not None
    process.stdin.write(b"SIM-1 start 1\n")
    await server.received("StartTransaction", within=STARTED_WITHIN_S)
    await said(process, "SIM-1 start 1: done")
    process.terminate()
    status, _, err = await finish(process)
    assert (status, err) == (0, "")


async def test_a_duration_ends_the_run(server: LittleServer):
    process = await launch("--url", server.url, "--duration", "0.5", "--quiet")
    status, out, err = await finish(process)
    assert (status, err) == (0, "")
    assert out.startswith("1 chargers")


async def test_the_list_of_personalities_is_readable_by_people_and_programs():
    _, text, _ = await finish(await launch("--list"))
    _, data, _ = await finish(await launch("--list", "--json"))
    rows = json.loads(data)
    assert {"name", "about", "family", "verdict"} == rows[0].keys()
    for row in rows:
        assert all(row[told] in text for told in ("name", "about", "verdict"))


async def test_a_mistake_is_told_in_one_sentence():
    status, _, err = await finish(await launch("--count", "2", "--id", "same", "--url", "ws://127.0.0.1:1"))
    assert status == 2
    assert err.splitlines()[-1].endswith("--count above 1 needs {n} in --id, or all chargers have the same identity")
