"""`python -m bench NAME`: runs one benchmark."""

import argparse
import asyncio
import importlib
import sys

import uvloop

NAMES = {
    "abuse": "bench.abuse",
    "restart-latency": "bench.restart_latency",
    "restart-throughput": "bench.restart_throughput",
    "open-attempts": "bench.open_attempts",
    "portal": "bench.portal",
    "storm": "bench.storm",
    "connections": "bench.connections",
    "heartbeats": "bench.heartbeats",
    "fan-in": "bench.fan_in",
}


def main() -> int:
    """Runs the benchmark named on the command line; its exit code is 0 when it could measure."""
    parser = argparse.ArgumentParser(prog="make bench NAME=…", description="Measures Comeback beside its floor.")
    parser.add_argument("name", choices=sorted(NAMES), help="what to measure")
    parser.add_argument("--rounds", type=int, help="how many measurements, where there are such")
    parser.add_argument("--chargers", type=int, help="how many chargers are connected")
    parser.add_argument("--only", help="of several kinds only those with this in their name, as --only bombs")
    args = parser.parse_args()
    chosen = {name: value for name, value in vars(args).items() if name != "name" and value is not None}
    benchmark = importlib.import_module(NAMES[args.name])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(benchmark.measure(**chosen)))


if __name__ == "__main__":
    sys.exit(main())
