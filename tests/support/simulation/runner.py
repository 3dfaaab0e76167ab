"""Runs seeds: one, or very many on all cores; a failing one is shrunk, and told so that it can be replayed."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

from chassis.garbage import keep_what_lives
from simulation.scenario import Scenario, generate

CHUNK = 25
"""Seeds that a worker takes at once."""
COLLECT_EVERY = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """A scenario that violates an invariant."""

    scenario: Scenario
    invariant: str
    why: str


def play(scenario: Scenario, *, mutant: str | None = None, tell: Callable[[str], None] | None = None) -> list[Failure]:
    """Runs one scenario in this process, which is good for nothing else afterwards; all that it violates."""
    from simulation.install import install

    install()
    from simulation.invariants import violations
    from simulation.mutants import MUTANTS
    from simulation.world import World

    undo = MUTANTS[mutant].apply() if mutant is not None else None
    world = World(scenario, tell=tell)
    if mutant is not None:
        MUTANTS[mutant].prepare(world)
    try:
        world.run()
        return [Failure(scenario, found.invariant, found.why) for found in violations(world)]
    finally:
        world.end()
        if undo is not None:
            undo()


def play_seeds(seeds: Sequence[int], mutant: str | None = None) -> list[Failure]:
    """Runs seeds one after the other, in a worker; stops at the first that fails."""
    gc.disable()
    for number, seed in enumerate(seeds):
        found = play(generate(seed), mutant=mutant)
        if found:
            return found[:1]
        if number == 0:
            keep_what_lives()  # What the first has loaded stays, and is not to be looked through again.
        if number % COLLECT_EVERY == COLLECT_EVERY - 1:
            gc.collect()
    gc.collect()
    return []


def run(
    seeds: Sequence[int],
    *,
    mutant: str | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    first_only: bool = True,
) -> list[Failure]:
    """Runs seeds on all cores. Returns the failures; with `first_only` it stops at the first one."""
    failures: list[Failure] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=context) as pool:
        chunks: Iterator[Sequence[int]] = (seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK))
        under_way: dict[Future[list[Failure]], int] = {}
        while True:
            while len(under_way) < 2 * (workers or os.cpu_count() or 1) and (chunk := next(chunks, None)) is not None:
                under_way[pool.submit(play_seeds, chunk, mutant)] = len(chunk)
            if not under_way:
                return failures
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                progress(under_way.pop(future))
                failures += future.result()
            if failures and first_only:
                for future in under_way:
                    future.cancel()
                return failures


def shrink(failure: Failure, *, mutant: str | None = None, at_most: int = 300) -> Failure:
    """The same failure with as few events as possible, and as little else that is odd."""
    smallest = failure
    tries = 0

    def still_fails(scenario: Scenario) -> bool:
        nonlocal smallest, tries
        tries += 1
        for found in play(scenario, mutant=mutant):
            if found.invariant == failure.invariant:
                smallest = found
                return True
        return False

    size = max(1, len(smallest.scenario.events) // 2)
    while size >= 1 and tries < at_most:
        at = 0
        while at < len(smallest.scenario.events) and tries < at_most:
            if not still_fails(smallest.scenario.without(*range(at, at + size))):
                at += size
        size //= 2
    for simpler in simplifications():
        if tries < at_most:
            still_fails(simpler(smallest.scenario))
    return smallest


def simplifications() -> list[Callable[[Scenario], Scenario]]:
    """Ways to make a scenario more ordinary."""
    from dataclasses import replace

    return [
        lambda one: replace(one, personality="healthy"),
        lambda one: replace(one, charging=False),
        lambda one: replace(one, connectors=1),
        lambda one: replace(one, bridges=1),
        lambda one: replace(one, batch=1),
        lambda one: replace(one, protocol="ocpp1.6"),
    ]
