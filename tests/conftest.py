"""What tests stand on: one real Kafka and one real PostgreSQL for the whole session, started when first asked for."""

import asyncio
import importlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from go_charge_points import go
from httpx2._transports import default as httpx2_transports
from hypothesis import settings
from memory_folder import keep_in_memory
from side_by_side import CRASHES, ByRunningSystem

from chassis import migrations
from chassis.garbage import collect_rarely, keep_what_lives
from ops.embedded import aot
from ops.embedded.places import cache_dir
from ops.embedded.problems import Problem
from ops.embedded.testing import Infrastructure

# Every HTTP client reads the certificates of all authorities, for 40 ms; tests have thousands of clients, few speak TLS,
# and those bring their own. The clients of the package ask this function of its module.
httpx2_transports.create_ssl_context = cache(httpx2_transports.create_ssl_context)

keep_in_memory()
collect_rarely()

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")

WITH_BROKERS = ("broker", "journey")
KINDS = ("unit", "property", "contracts", "simulation", "component", "broker", "journey")
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is Chromium without the windows, menus and pages of its own: a test there costs far less processor time."""

NEEDS_GO = "component/ocpp_bridge/test_ocpp_go.py"
collect_ignore = [] if go() else [NEEDS_GO]


def pytest_report_header() -> str:
    """Says what of the tests is for this machine, and what is not."""
    return f"Go charge points: {go() or f'go is not installed, tests/{NEEDS_GO} is not collected'}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Quick kinds first: a broken rule is told before a broker is started. Side by side, what takes longest first."""
    here = Path(__file__).parent
    side_by_side = hasattr(config, "workerinput")

    def place(item: pytest.Item) -> tuple[int, bool]:
        part = item.path.relative_to(here).parts[0]
        kind = KINDS.index(part) if part in KINDS else len(KINDS)
        return -kind if side_by_side else kind, item.path != here.parent / CRASHES

    items.sort(key=place)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepares what pays at the end: one process makes the cache with which brokers start faster, of which many will."""
    here = Path(__file__).parent
    if any(item.path.relative_to(here).parts[0] in WITH_BROKERS for item in session.items):
        with suppress(Problem):  # Whatever it is: without the cache they start more slowly, and say what is wrong.
            asyncio.run(aot.train(cache_dir()))
    # Thousands of tests live from here to the end, and are not to be looked through for garbage again and again.
    keep_what_lives()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What shares more than its file does stays together, too."""
    return ByRunningSystem(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def database_server() -> Iterator[Infrastructure]:
    """PostgreSQL, and a Kafka that is started for those who ask for `infrastructure`; for the whole session."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-tests-"))
    parts = Infrastructure(folder)
    try:
        asyncio.run(parts.start_postgres())
        yield parts
    finally:
        asyncio.run(parts.stop())
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def infrastructure(database_server: Infrastructure) -> Infrastructure:
    """Kafka with SCRAM and rights as the contracts give them, and PostgreSQL; both for the whole session."""

    async def start() -> None:
        await database_server.start_kafka()
        await database_server.provision()

    asyncio.run(start())
    return database_server


@pytest.fixture(scope="session")
def plain_infrastructure() -> Iterator[Infrastructure]:
    """A second Kafka, without users and rights, that tests may stop, kill and fill with topics of their own."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-tests-"))
    parts = Infrastructure(folder, secure=False)
    try:
        asyncio.run(parts.start_kafka())
        yield parts
    finally:
        asyncio.run(parts.stop())
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kafka_bootstrap(plain_infrastructure: Infrastructure) -> str:
    """The address of a Kafka that asks nobody who they are; topics are the test's own to make."""
    return plain_infrastructure.kafka.address


@pytest.fixture(scope="session")
def migrated(database_server: Infrastructure) -> Callable[[str], Awaitable[str]]:
    """The name of a database in which a service's migrations have run. They run once; tests get copies."""
    made: dict[str, str] = {}

    async def once(service: str) -> str:
        if service not in made:
            url = await database_server.create_database()
            metadata = importlib.import_module(f"{service}.tables").metadata
            await migrations.run(service, metadata, migrations.directory_of(service), url)
            made[service] = url.rpartition("/")[2]
        return made[service]

    return once


@pytest.fixture
async def new_database(
    database_server: Infrastructure, migrated: Callable[[str], Awaitable[str]]
) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Makes fresh databases, empty or migrated for a service; gives their address as the super-user, and drops them."""
    made: list[str] = []

    async def make(service: str | None = None) -> str:
        made.append(await database_server.create_database(like=await migrated(service) if service else None))
        return made[-1]

    yield make
    for url in made:
        await database_server.drop_database(url)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    pytest.fail(
        "This test needs a Chromium browser and found none. On Debian: apt-get install chromium-headless-shell. "
        "Elsewhere: install Chromium or Chrome so that one of these is on the PATH: " + ", ".join(CHROMIUM)
    )
