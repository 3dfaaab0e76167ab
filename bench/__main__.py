"""`python -m bench NAME`: runs one benchmark."""

import argparse
import asyncio
import importlib
import sys

import uvloop

NAMES = {"restart-latency": "bench.restart_latency"}


def main() -> int:
    """Runs the benchmark named on the command line; its exit code is 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="make bench NAME=…", description="Measures Comeback beside its floor.")
    parser.add_argument("name", choices=sorted(NAMES), help="what to measure")
    parser.add_argument("--rounds", type=int, default=300, help="how many measurements (default: 300)")
    parser.add_argument("--chargers", type=int, default=100, help="how many chargers are connected (default: 100)")
    args = parser.parse_args()
    benchmark = importlib.import_module(NAMES[args.name])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(benchmark.measure(rounds=args.rounds, chargers=args.chargers)))


if __name__ == "__main__":
    sys.exit(main())
