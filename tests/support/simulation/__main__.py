"""`python -m simulation`: try to break the restarts, replay a seed, or show that defects are found."""

import argparse
import sys
import time
from random import SystemRandom

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulation.runner import Failure, play, run, shrink
from simulation.scenario import Scenario, generate

BASE = 1
MUTANT_SEEDS = 2000
_console = Console(highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """0 when every invariant held, 1 when one did not, 2 when a mutant was not found."""
    options = _parser().parse_args(arguments)
    if options.scenario is not None:
        with open(options.scenario, encoding="utf-8") as file:  # noqa: PTH123
            return _replay(Scenario.from_json(file.read()), options.mutant, shrinking=False)
    if options.seed is not None and options.seeds is None:
        return _replay(generate(options.seed), options.mutant, shrinking=not options.whole)
    if options.mutants:
        return _mutants(options.seeds or MUTANT_SEEDS, options.mutant, options.workers)
    first = options.seed if options.seed is not None else SystemRandom().randrange(10**6, 10**9)
    return _many(range(first, first + (options.seeds or MUTANT_SEEDS)), options.mutant, options.workers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, help="how many seeds to run")
    parser.add_argument("--seed", type=int, help="the first of them; without --seeds: replay this one, with its trace")
    parser.add_argument("--whole", action="store_true", help="replay without shrinking")
    parser.add_argument("--mutant", help="with this deliberate defect put in")
    parser.add_argument("--mutants", action="store_true", help="show that each deliberate defect is found")
    parser.add_argument("--workers", type=int, help="processes (default: one for each core)")
    parser.add_argument("--scenario", help="a file with a scenario as JSON, to replay instead of a seed")
    return parser


def command(seed: int, mutant: str | None = None) -> str:
    """What replays a seed."""
    return f"make simulate SEED={seed}" + (f" MUTANT={mutant}" if mutant is not None else "")


def _many(seeds: range, mutant: str | None, workers: int | None) -> int:
    began = time.monotonic()
    _console.print(f"{len(seeds)} seeds from {seeds.start} on")
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        bar = progress.add_task("", total=len(seeds))
        failures = run(seeds, mutant=mutant, workers=workers, progress=lambda done: progress.advance(bar, done))
    took = time.monotonic() - began
    if not failures:
        _console.print(f"every invariant held in {len(seeds)} seeds, in {took:.1f} s")
        return 0
    failure = failures[0]
    _console.print(f"[red]seed {failure.scenario.seed}: {failure.invariant}[/red]: {failure.why}")
    _console.print(f"replay it: [bold]{command(failure.scenario.seed, mutant)}[/bold]")
    return 1


def _replay(scenario: Scenario, mutant: str | None, *, shrinking: bool) -> int:
    failures = play(scenario, mutant=mutant)
    if failures and shrinking:
        whole = len(scenario.events)
        smallest = shrink(failures[0], mutant=mutant)
        scenario = smallest.scenario
        print(f"shrunk from {whole} events to {len(scenario.events)}; --whole replays all of it\n")
    print(scenario, end="\n\n")
    again = play(scenario, mutant=mutant, tell=print)
    print()
    _tell(again)
    if failures and not again:
        print("it failed before and does not now: something here is left to chance")
    return 1 if failures else 0


def _tell(failures: list[Failure]) -> None:
    for failure in failures:
        _console.print(f"[red]{failure.invariant}[/red]: {failure.why}")
    if not failures:
        print("every invariant holds")


def _mutants(seeds: int, only: str | None, workers: int | None) -> int:
    from simulation.install import install

    install()
    from simulation.mutants import MUTANTS

    missed = 0
    for name, mutant in MUTANTS.items():
        if only is not None and name not in only.split(","):
            continue
        found = run(range(BASE, BASE + seeds), mutant=name, workers=workers)
        if found:
            failure = found[0]
            _console.print(f"[green]found[/green]  {name:28} seed {failure.scenario.seed:5}  {failure.invariant}")
        else:
            missed += 1
            _console.print(f"[red]MISSED[/red] {name:28} {mutant.about}")
    return 2 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
