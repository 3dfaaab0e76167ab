"""How a benchmark tells its result: a table for people, and a last line of JSON for programs."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """A sample's percentiles, in the unit of the sample."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, sample: Sequence[float]) -> "Distribution":
        """Nearest-rank percentiles. Raises ValueError for an empty sample."""
        if not sample:
            raise ValueError("nothing was measured")
        ordered = sorted(sample)

        def rank(share: float) -> float:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

        return cls(len(ordered), rank(0.50), rank(0.95), rank(0.99), ordered[-1])


def print_latency(name: str, unit: str, rows: dict[str, Distribution], *, figure: str, floor: str) -> None:
    """Prints one line per distribution, and the machine-readable summary of the two p50s."""
    width = max(len(label) for label in rows)
    print(f"\n{name} on {os.cpu_count()} cores, Python {platform.python_version()}, {unit}")
    print(f"{'':{width}}  {'n':>5}  {'p50':>8}  {'p95':>8}  {'p99':>8}  {'worst':>8}")
    for label, row in rows.items():
        print(f"{label:{width}}  {row.count:5}  {row.p50:8.2f}  {row.p95:8.2f}  {row.p99:8.2f}  {row.worst:8.2f}")
    ours, below = rows[figure], rows[floor]
    print(f"ratio to the floor: p50 {ours.p50 / below.p50:.2f}, p99 {ours.p99 / below.p99:.2f}\n")
    print(
        json.dumps(
            {
                "name": name,
                "figure": round(ours.p50, 3),
                "floor": round(below.p50, 3),
                "ratio": round(ours.p50 / below.p50, 3),
                "unit": f"{unit}, p50",
                "p95": round(ours.p95, 3),
                "p99": round(ours.p99, 3),
            }
        )
    )


def print_figure(
    name: str,
    about: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[str]],
    *,
    figure: float,
    floor: float,
    unit: str,
    target: str,
    met: bool,
    remark: str = "",
) -> None:
    """Prints a table of one line for each row, and the machine-readable summary of our figure and its floor."""
    width = max(len(label) for label in rows)
    widths = [max(len(column), *(len(row[n]) for row in rows.values())) for n, column in enumerate(columns)]
    print(f"\n{name} on {os.cpu_count()} cores, Python {platform.python_version()}: {about}")
    for label, cells in {"": columns, **rows}.items():
        print(f"{label:{width}}  " + "  ".join(f"{cell:>{wide}}" for cell, wide in zip(cells, widths, strict=True)))
    print(f"target: {target}: {'met' if met else 'NOT met'}; ratio to the floor {figure / floor:.2f}")
    print(f"{remark}\n")
    summary = {"name": name, "figure": round(figure, 3), "floor": round(floor, 3), "ratio": round(figure / floor, 3)}
    print(json.dumps({**summary, "unit": unit, "target": target, "met": met}))
