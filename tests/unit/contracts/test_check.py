"""`python -m contracts` in a git repository of its own, whose main branch holds other contracts than today's."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import contracts
from contracts import generated, topics
from contracts.__main__ import main

HOME = Path(contracts.__file__).parents[2]
MOVED = "schemas/restart.attempts.v1/restart.attempt-moved.v1.json"
EXAMPLE = "examples/restart.attempts.v1/restart.attempt-moved.v1/minimal.json"

Edit = Callable[[dict[str, Any]], object]


class Checkout:
    """A folder with a copy of the contracts' files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "contracts"
        for kind in ("schemas", "examples"):
            shutil.copytree(HOME / kind, self.root / kind)
        for name in ("pyproject.toml", "topics.json", "asyncapi.json"):
            shutil.copy(HOME / name, self.root / name)

    def git(self, *arguments: str) -> None:
        nobody = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "n@example.org"}
        nobody |= {"GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "n@example.org"}
        subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, env=os.environ | nobody)

    def commit(self) -> None:
        """Makes what the folder holds the main branch."""
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", ".")
        self.git("commit", "--quiet", "--no-gpg-sign", "--message=contracts")

    def edit(self, path: str, edit: Edit) -> None:
        content = json.loads((self.root / path).read_text())
        edit(content)
        (self.root / path).write_text(json.dumps(content))

    def check(self, *arguments: str) -> int:
        return main(["--root", str(self.root), "check", *arguments])

    def generate(self) -> int:
        return main(["--root", str(self.root), "generate"])


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """What the models say, which takes longest, and is the same in every test."""
    return generated.generate(topics.ALL)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[str, str]) -> Checkout:
    monkeypatch.setattr(generated, "generate", lambda _: dict(texts))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Checkout(tmp_path)


def main_had(checkout: Checkout, path: str, edit: Edit) -> None:
    """The main branch differs from today's contracts by this edit."""
    today = (checkout.root / path).read_text()
    checkout.edit(path, edit)
    checkout.commit()
    (checkout.root / path).write_text(today)


def test_unchanged_contracts_are_sound(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.commit()
    assert checkout.check() == 0
    assert capsys.readouterr().out == "Compared with main.\nContracts are sound. Nothing changed.\n"


def test_outside_a_repository_there_is_nothing_to_compare_with(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.check() == 0
    assert "Nothing to compare with:" in capsys.readouterr().out


def test_before_the_first_commit_there_is_nothing_to_compare_with(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.git("init", "--quiet", "--initial-branch=main")
    assert checkout.check() == 0
    assert "Nothing to compare with: there is no origin/main, main or commit here." in capsys.readouterr().out


def test_a_revision_without_contracts_is_nothing_to_compare_with(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.git("init", "--quiet", "--initial-branch=main")
    checkout.git("commit", "--quiet", "--no-gpg-sign", "--allow-empty", "--message=empty")
    assert checkout.check() == 0
    assert "Nothing to compare with: main has no contracts yet." in capsys.readouterr().out


def test_a_named_revision_that_does_not_exist_is_refused(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.commit()
    assert checkout.check("--against", "v9") == 2
    assert "there is no revision 'v9'" in capsys.readouterr().err


def test_the_remote_main_branch_is_preferred(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.commit()
    checkout.git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert checkout.check() == 0
    assert "Compared with origin/main." in capsys.readouterr().out


def test_a_field_that_main_has_and_today_lacks_is_refused(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    main_had(checkout, MOVED, lambda schema: schema["properties"].update(colour={"type": "string", "default": ""}))
    assert checkout.check() == 2
    out = capsys.readouterr().out
    assert "REFUSED: restart.attempts.v1 restart.attempt-moved.v1: the field `colour` is gone; readers still" in out
    assert "1 refused. Should main be ahead of this branch" in out


def test_a_word_that_main_lacks_is_refused_deep_inside(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    main_had(checkout, MOVED, lambda schema: schema["$defs"]["Cause"]["enum"].remove("blip"))
    assert checkout.check() == 2
    assert 'the closed enum `verdict.cause` has the new value "blip"' in capsys.readouterr().out


def test_another_number_of_partitions_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    main_had(checkout, "topics.json", lambda topics: topics["fleet.chargers.v1"].update(partitions=6))
    assert checkout.check() == 2
    assert "fleet.chargers.v1: its number of partitions was 6 and is now 12" in capsys.readouterr().out


def test_a_topic_that_operators_could_not_read_stays_so(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    main_had(checkout, "topics.json", lambda topics: topics["fleet.chargers.v1"].update(confidential=True))
    assert checkout.check() == 2
    assert "fleet.chargers.v1: it was confidential and is not any more." in capsys.readouterr().out


def test_a_field_that_main_lacks_passes_in_any_order(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    main_had(checkout, MOVED, lambda schema: schema["properties"].pop("note"))
    assert checkout.check() == 0
    out = capsys.readouterr().out
    assert "allowed: restart.attempts.v1 restart.attempt-moved.v1: the optional field `note` is new." in out
    assert "Contracts are sound. Release in any order." in out


def test_a_message_that_main_lacks_passes_with_consumers_first(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    main_had(checkout, "topics.json", lambda topics: topics["restart.requests.v1"]["messages"].pop())
    assert checkout.check() == 0
    assert "Contracts are sound. Release consumers first, then producers." in capsys.readouterr().out


def test_opposite_orders_are_two_steps(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    def other(topics: dict[str, Any]) -> None:
        topics["restart.requests.v1"]["messages"].pop()
        topics["fleet.chargers.v1"]["writer"] = "portal"

    main_had(checkout, "topics.json", other)
    assert checkout.check() == 0
    assert "Release in two steps" in capsys.readouterr().out


def test_a_message_that_main_deprecated_may_be_gone(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    gone, example = "schemas/fleet.chargers.v1/fleet.old.v1.json", "examples/fleet.chargers.v1/fleet.old.v1/full.json"
    (checkout.root / gone).write_text('{"type": "object", "deprecated": true}')
    (checkout.root / example).parent.mkdir()
    (checkout.root / example).write_text("{}")
    main_had(checkout, "topics.json", lambda topics: topics["fleet.chargers.v1"]["messages"].append("fleet.old.v1"))
    (checkout.root / gone).unlink()
    (checkout.root / example).unlink()
    assert checkout.check() == 0
    assert "Release producers first, then consumers." in capsys.readouterr().out


def test_an_edited_example_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.commit()
    checkout.edit(EXAMPLE, lambda example: example["data"].update(version=2))
    assert checkout.check() == 2
    assert f"{EXAMPLE}: the example was edited." in capsys.readouterr().out


def test_a_removed_example_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.commit()
    (checkout.root / EXAMPLE).unlink()
    assert checkout.check() == 2
    assert f"{EXAMPLE}: the example is gone." in capsys.readouterr().out


def test_an_added_example_passes(checkout: Checkout) -> None:
    checkout.commit()
    shutil.copy(checkout.root / EXAMPLE, (checkout.root / EXAMPLE).with_name("another.json"))
    assert checkout.check() == 0


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            lambda example: example["data"].pop("version"),
            "it can't be read: restart.attempt-moved.v1: version: Field required",
        ),
        (lambda example: example["data"].pop("version"), "it is not as the schema says: $: 'version' is a required"),
        (lambda example: example.pop("key"), "it is no example: it must have the fields data, headers, key"),
        (lambda example: example.update(key=5), "it is no example:"),
        (
            lambda example: example["headers"].update(ce_type="restart.attempt-moved.v2"),
            "it can't be read: restart.attempts.v1 carries no",
        ),
    ],
)
def test_an_example_that_cannot_be_read_is_refused(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], edit: Edit, words: str
) -> None:
    checkout.edit(EXAMPLE, edit)
    assert checkout.check() == 2
    assert f"contracts/{EXAMPLE}: {words}" in capsys.readouterr().out


def test_an_example_of_another_message_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkout.root / "examples/restart.requests.v1"
    shutil.copy(folder / "restart.cancel-restart.v1/full.json", folder / "restart.request-restart.v1/odd.json")
    assert checkout.check() == 2
    assert "it is a restart.cancel-restart.v1, but lies among the examples of restart.request-restart.v1" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("path", ["examples/fleet.chargers.v1/fleet.nothing.v1/full.json", "examples/stray/full.json"])
def test_an_example_of_no_message_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str], path: str) -> None:
    (checkout.root / path).parent.mkdir(parents=True)
    (checkout.root / path).write_text("{}")
    assert checkout.check() == 2
    assert f"contracts/{path}: it belongs to no message." in capsys.readouterr().out


def test_a_message_left_with_one_example_is_refused(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkout.root / "examples/auth.groups.v1/auth.group-defined.v1"
    (folder / "full.json").unlink()
    assert checkout.check() == 2
    out = capsys.readouterr().out
    assert "auth.groups.v1 auth.group-defined.v1: it has 1 of 2 examples." in out
    assert out.endswith("1 refused.\n")


def test_generated_files_that_are_out_of_date_are_refused_and_then_repaired(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.edit(MOVED, lambda schema: schema["properties"].pop("note"))
    (checkout.root / "asyncapi.json").unlink()
    (checkout.root / "schemas/fleet.chargers.v1/fleet.old.v1.json").write_text("{}")
    assert checkout.check() == 2
    out = capsys.readouterr().out
    assert f"contracts/{MOVED}: it is not what the models say. Run `python -m contracts generate`" in out
    assert "contracts/asyncapi.json: it is missing." in out
    assert "contracts/schemas/fleet.chargers.v1/fleet.old.v1.json: it belongs to no message." in out

    assert checkout.generate() == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(
        [MOVED, "asyncapi.json", "schemas/fleet.chargers.v1/fleet.old.v1.json"]
    )
    assert checkout.check() == 0


def test_generating_twice_writes_nothing_more(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkout.generate() == 0
    assert "Nothing to write" in capsys.readouterr().out


def test_a_folder_without_contracts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path), "generate"]) == 2
    assert "is not the contracts folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
