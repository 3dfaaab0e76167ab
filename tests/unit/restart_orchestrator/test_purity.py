"""What decides reads no clock, throws no dice and does no I/O: it imports nothing that could."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import restart_orchestrator

SOURCE = Path(restart_orchestrator.__file__).parent
DECIDE = {"attempt", "dispatching", "durations", "escalation", "evidence", "health", "inputs", "lateness", "moments"}
DECIDE |= {"moving", "probing", "seen", "states", "telling", "watching", "windows", "withdrawal"}
TREES = {name: ast.parse((SOURCE / f"{name}.py").read_text()) for name in sorted(DECIDE)}
HARMLESS = {"collections.abc", "dataclasses", "datetime", "enum", "math", "typing", "uuid"}
READS_THE_WORLD = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input"}


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def called(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_whatever_says_that_it_is_pure_is_looked_at():
    assert {path.stem for path in SOURCE.glob("*.py") if path.read_text().startswith('"""PURE: ')} <= DECIDE


@pytest.mark.parametrize("name", TREES)
def test_what_decides_stands_on_words_and_on_what_decides(name):
    ours = {f"restart_orchestrator.{each}" for each in DECIDE}
    strange = {each for each in imported(TREES[name]) if not each.startswith("contracts.")} - HARMLESS - ours
    assert strange == set()


@pytest.mark.parametrize("name", TREES)
def test_what_decides_is_told_the_time_and_given_its_names(name):
    assert set(called(TREES[name])) & READS_THE_WORLD == set()
