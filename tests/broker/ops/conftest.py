"""Stacks of stand-in services, in throw-away folders and on ports of their own."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.embedded.ports import next_free
from ops.stack import StackOptions

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="comeback-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def known_ports() -> tuple[int, int]:
    """For the portal and for chargers."""
    portal = next_free(31_200 + os.getpid() % 600, set())  # Where nobody else looks while these are not listened on.
    return portal, next_free(portal + 1, {portal})


@pytest.fixture(scope="module")
def stub_options(folder: Path, known_ports: tuple[int, int]) -> StackOptions:
    spec = importlib.util.spec_from_file_location("stub_stack", HERE / "stub_stack.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make: Callable[[Path, int, int], StackOptions] = module.stub_options
    return make(folder, *known_ports)
