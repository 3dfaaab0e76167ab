"""The whole system as a user starts it: `comeback up` in a process of its own, on free ports, once for all journeys."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from running_system import DELICATE, PASSWORD, System

from ops.embedded.ports import next_free
from ops.embedded.state import StackState, find

UP_WITHIN_S = 480.0
JOURNEY_WITHIN_S = 900
"""The first one waits until everything is up, on a machine that is busy with other tests."""

GROUPS = (("harbour", "business"), ("depot", "basic"))
PEOPLE = (
    ("harbour-super", "harbour", "super_administrator"),
    ("harbour-admin", "harbour", "administrator"),
    ("harbour-user", "harbour", "user"),
    ("depot-admin", "depot", "super_administrator"),
)
IMPATIENT = ("--longest-pause", "0.5")
"""Tests kill the same service many times."""
SETTINGS = {
    "OCPP_BRIDGE_QUIET_AFTER_BOOT_S_BY_MODEL": f'{{"{DELICATE}": 60}}',
    "PORTAL_TAKE_BACK_S": "60",
    "RESTART_ORCHESTRATOR_ANSWER_WINDOW_S": "4",
    "RESTART_ORCHESTRATOR_DROP_WINDOW_S": "6",
    # A killed bridge has to be up again within it, also on a busy machine.
    "RESTART_ORCHESTRATOR_BOOT_WINDOW_S": "25",
    "RESTART_ORCHESTRATOR_GRACE_WINDOW_S": "1",
    "RESTART_ORCHESTRATOR_LEARN_EVERY_S": "1",
    "RESTART_ORCHESTRATOR_LEARN_SETTLED_S": "2",
}


def _wait_until_up(process: subprocess.Popen[bytes], data_dir: Path, output: Path) -> StackState:
    give_up = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < give_up:
        state = find(data_dir)
        if state is not None and state.up:
            return state
        if process.poll() is not None:
            break
        select_nothing_for_a_moment()
    pytest.fail(f"comeback up did not come up:\n{output.read_text()}")


def select_nothing_for_a_moment() -> None:
    """Gives the processor away between two looks at a file that another process writes."""
    signal.sigtimedwait([], 0.1)


async def _heard(system: System, people: tuple[tuple[str, str, str], ...]) -> None:
    """Returns when the orchestrator knows who may restart what."""
    for user, group, role in people:
        member = "select from restart_orchestrator.memberships where (group_id, user_id, role) = ($1, $2, $3)"
        await system.orchestrator_heard(member, group, user, role)
    for group in GROUPS:
        await system.orchestrator_heard(
            "select from restart_orchestrator.plans where (group_id, plan) = ($1, $2)", *group
        )


def _seed(system: System) -> None:
    with system.operator() as operator:
        for group, plan in GROUPS:
            operator.put(f"/api/v1/groups/{group}", {"name": group.capitalize()})
            operator.put_once_known(f"/api/v1/groups/{group}/plan", {"plan": plan})
        for user, group, role in PEOPLE:
            operator.post("/api/v1/users", {"user_id": user, "name": user, "password": PASSWORD})
            operator.put(f"/api/v1/groups/{group}/members/{user}", {"role": role})
    asyncio.run(_heard(system, PEOPLE))


@contextmanager
def up() -> Iterator[System]:
    """`comeback up`, with short windows."""
    data_dir = Path(tempfile.mkdtemp(prefix="comeback-journey-"))
    data_dir.chmod(0o711)
    output = data_dir / "up.log"
    failpoints = data_dir / "failpoints"
    failpoints.mkdir()
    settings = SETTINGS | {"FAILPOINTS_DIR": str(failpoints)}
    ports: set[int] = set()
    for _ in range(2):
        ports.add(next_free(30_000, ports))
    portal, bridge = sorted(ports)
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--portal-port", str(portal), "--bridge-port", str(bridge), *IMPATIENT],
            env=os.environ | {"COMEBACK_DATA_DIR": str(data_dir)} | settings,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        running = System(data_dir, _wait_until_up(process, data_dir, output), settings)
        _seed(running)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)
        shutil.rmtree(data_dir, ignore_errors=True)


class Shared:
    """The running system of all journeys: started when the first asks, stopped when the last is over."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._system: System | None = None
        self._failure: BaseException | None = None

    def system(self) -> System:
        """Where it did not come up it is not tried again: each journey would wait for as long."""
        if self._failure is not None:
            raise self._failure
        if self._system is None:
            try:
                self._system = self._stack.enter_context(up())
            except BaseException as failure:
                self._failure = failure
                raise
        return self._system

    def stop(self) -> None:
        self._system = None
        self._stack.close()


SHARED = Shared()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(JOURNEY_WITHIN_S))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Not at the end of all tests: a system that nobody uses takes a tenth of a processor from those that follow."""
    if nextitem is None or not nextitem.path.is_relative_to(Path(__file__).parent):
        SHARED.stop()


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """Stopped also when the tests are interrupted."""
    yield SHARED
    SHARED.stop()


@pytest.fixture
def system(shared: Shared) -> System:
    return shared.system()
