"""Time and memory of `scenefit run` from 10,000 to 200,000 customers, step by step.

Every round starts from raw tables alone: features are computed anew.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.figures import WHOLE, Comparison, spread
from benchmarks.harness import CACHE, Side, compare
from benchmarks.report import Report, Table, megabytes, seconds
from benchmarks.workspaces import fresh, scenefit_command, world

SMALL, MIDDLE, LARGE = 10_000, 50_000, 200_000
GOAL = 1.2  # times linear, from 50 k to 200 k


def report(repeats: int | None = None) -> Report:
    """Runs of 10 k and 50 k customers in turns, then one of 200 k."""
    # `same` has one side per comparison here: equal manifests mean equal bytes in every round
    small = compare(label(SMALL), [side(SMALL)], 1, manifest) if repeats == 1 else None
    return _report(small, repeats or 3)


def label(customers: int) -> str:
    """How a size is called."""
    return f"{customers // 1000} k customers"


def side(customers: int) -> Side:
    """`scenefit run` over a fresh workspace of that size."""
    origin = world(customers)
    folder = CACHE / "run" / str(customers)
    command = scenefit_command("run", "--workspace", str(folder), "--backend", "local", "--json")
    return Side(label(customers), command, partial(fresh, folder, origin))


def manifest(answer: dict[str, Any]) -> object:
    """What a run found, without its times."""
    return answer["manifest"]
