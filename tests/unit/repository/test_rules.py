"""The tree's own rules: what may not stand in any file, and what every service has."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/pyproject.toml"))
EACH_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)

# Forbidden words are put together from parts, so that this file passes its own tests.
REGISTRIES = (
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("npm", "js.org"),
    ("npm", "js.com"),
    ("yarn", "pkg.com"),
    ("maven", ".org"),
    ("maven", ".apache.org"),
    ("rubygems", ".org"),
    ("crates", ".io"),
    ("golang", ".org"),
    ("anaconda", ".org"),
)
UNFINISHED = (("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("raise Not", "ImplementedError"))
SKIPS = (("pytest", ".skip("), ("mark", ".skip"), ("importor", "skip"), ("Skip", "Test"))
MACHINE_FOLDERS = ("work", "root", r"home/\w+", "Users")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"], check=True, capture_output=True
    )
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def lines(path: Path) -> tuple[str, ...]:
    """The file's lines; none for a file that is not text."""
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError:
        return ()


def found(pattern: str, within: Iterable[Path]) -> list[str]:
    searched = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in within
        for number, line in enumerate(lines(path), 1)
        if searched.search(line)
    ]


def any_of(words: Iterable[tuple[str, str]]) -> str:
    return "|".join(re.escape("".join(parts)) for parts in words)


def python_files(folder: str = "") -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / folder)]


def test_the_rules_look_at_the_whole_tree() -> None:
    assert {ROOT / "pyproject.toml", Path(__file__)} <= set(files())
    assert len(SERVICES) == 6


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert found(any_of(REGISTRIES), files()) == []


def test_no_file_names_a_folder_of_some_machine() -> None:
    assert found(rf"(?<![\w.~}}-])/(?:{'|'.join(MACHINE_FOLDERS)})/", files()) == []


def test_nothing_is_left_for_later() -> None:
    assert found(rf"\b(?:{any_of(UNFINISHED)})\b", files()) == []


def test_no_test_is_skipped() -> None:
    """A test may be of one operating system only; it may not depend on what is installed or running."""
    assert found(rf"(?:{any_of(SKIPS)})(?!if\(sys\.platform)", python_files("tests")) == []


VIRTUAL_TIME = ROOT / "tests" / "support" / "simulation"


def test_no_test_sleeps() -> None:
    """Letting others run, `sleep(0)`, is no sleep. Programs that tests start as processes may; they are text here.

    Nor is virtual time a sleep, and a charger that comes back when it was told to waits for that long.
    """
    sleeps = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files("tests")
        if VIRTUAL_TIME not in path.parents
        if any("sleep" in line for line in lines(path))
        for node in ast.walk(ast.parse("\n".join(lines(path))))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "sleep"
        if not lines(path)[node.lineno - 1].endswith("# as it was told")
        if [ast.unparse(argument) for argument in node.args] != ["0"]
    ]
    assert sleeps == []


def test_tests_are_no_packages() -> None:
    assert [
        str(path.relative_to(ROOT))
        for path in python_files("tests")
        if path.name == "__init__.py" and "support" not in path.parts
    ] == []


def test_every_module_that_holds_something_opens_with_what_it_is_for() -> None:
    opening = {
        path: next((line for line in lines(path) if line and line[0] != "#"), "")
        for path in python_files()
        if "".join(lines(path)).strip()
    }
    silent = [path for path, line in opening.items() if not re.match(r'r?"""\S', line)]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    allowed = re.compile(
        r"""
        (?P<name> [a-z0-9][a-z0-9._-]*) == (?P<version> [^\s;]+) (?P<marker> \s;\s[a-zA-Z0-9_'.<>=!()\s]+)? \s \\
        | \s{4} --hash=sha256:[0-9a-f]{64} (\s \\)?
        """,
        re.VERBOSE,
    )
    lock = lines(ROOT / "requirements.lock")
    assert lock
    assert [line for line in lock if not allowed.fullmatch(line)] == []


def test_every_locked_package_has_a_hash() -> None:
    lock = lines(ROOT / "requirements.lock")
    pairs = zip(lock, [*lock[1:], ""], strict=True)
    assert [line for line, following in pairs if "==" in line and "--hash=" not in line + following] == []


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert "## [Unreleased]" in lines(ROOT / "CHANGELOG.md")


@EACH_SERVICE
def test_a_service_is_named_as_its_folder(service: Path) -> None:
    described = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))
    assert described["project"]["name"] == service.name
    assert [path.name for path in (service / "src").iterdir()] == [service.name.replace("-", "_")]


@EACH_SERVICE
@pytest.mark.parametrize("part", ["README.md", "src/{}/__main__.py", "src/{}/py.typed", "src/{}/migrations/versions"])
def test_a_service_has_a_readme_a_way_to_start_and_migrations(service: Path, part: str) -> None:
    path = service / part.format(service.name.replace("-", "_"))
    assert path.exists(), f"{path.relative_to(ROOT)} is missing"


def test_the_readme_of_a_part_is_one_screen() -> None:
    readmes = [path for path in files() if path.name == "README.md" and path.parent != ROOT]
    assert [str(path.relative_to(ROOT)) for path in readmes if not 3 <= len(lines(path)) <= 80] == []
