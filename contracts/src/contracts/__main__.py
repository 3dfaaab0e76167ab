"""`python -m contracts`: writes the generated files, or refuses a change that would break a reader or a writer."""

import argparse
import sys
from pathlib import Path

from contracts import generated, topics
from contracts.check import Report, check
from contracts.compat import Rollout
from contracts.revision import GitError

REFUSED = 2
_HOME = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, or 2 when the check refuses."""
    chosen = _parser().parse_args(arguments)
    root: Path = chosen.root
    if not (root / "pyproject.toml").is_file():
        return _refuse(f"{root} is not the contracts folder of a checkout; name it with --root.")
    if chosen.command == "generate":
        touched = generated.write(root, generated.generate(topics.ALL))
        _say("".join(f"{path}\n" for path in touched) or "Nothing to write: all generated files are as they should be.")
        return 0
    try:
        return _tell(check(root, topics.ALL, chosen.against))
    except (GitError, ValueError) as error:
        return _refuse(f"Can't compare: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m contracts", description=__doc__)
    parser.add_argument("--root", type=Path, default=_HOME, help="the contracts folder (default: of this checkout)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", help="write schemas/, topics.json and asyncapi.json from the models and topics")
    checking = commands.add_parser("check", help="refuse what is not generated, not readable or not compatible")
    checking.add_argument(
        "--against", metavar="REV", help="the git revision to compare with (default: origin/main, main or HEAD)"
    )
    return parser


def _tell(report: Report) -> int:
    _say(report.compared)
    for allowed in report.allowed:
        _say(f"  allowed: {allowed}")
    if report.refused:
        for refused in report.refused:
            _say(f"  REFUSED: {refused}")
        ahead = f" Should {report.revision} be ahead of this branch, bring the branch up to date first."
        _say(f"{len(report.refused)} refused.{ahead if report.revision else ''}")
        return REFUSED
    _say(f"Contracts are sound. {_order({allowed.rollout for allowed in report.allowed})}")
    return 0


def _order(rollouts: set[Rollout]) -> str:
    orders = sorted(rollouts - {Rollout.ANY_ORDER})
    if not rollouts:
        return "Nothing changed."
    if not orders:
        return f"Release {Rollout.ANY_ORDER}."
    if len(orders) > 1:
        return "Release in two steps: some changes want consumers first, others producers first."
    return f"Release {orders[0]}."


def _say(words: str) -> None:
    sys.stdout.write(words.rstrip("\n") + "\n")


def _refuse(words: str) -> int:
    sys.stderr.write(words + "\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
