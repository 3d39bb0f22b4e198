"""Time and memory of `scenefit run` from 10,000 to 200,000 customers, step by step.

Every round starts from raw tables alone: features are computed anew.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

from benchmarks.figures import Measurement
from benchmarks.harness import CACHE, Side, check_same, compare
from benchmarks.report import Report, Table
from benchmarks.workspaces import fresh, from_root, scenefit_command, world

SMALL, MIDDLE, LARGE = 10_000, 50_000, 200_000
GOAL = 1.2  # times linear, from the middle to the large size
OUTSIDE = "start, load, end"


def report(repeats: int | None = None) -> Report:
    """Runs of 10 k and 50 k customers in turns, then one of 200 k."""
    rounds = compare("scenefit run", [side(SMALL), side(MIDDLE)], repeats or 3)
    once = compare("scenefit run, one large", [side(LARGE)], 1)
    for name in rounds.sides:
        # equal manifests: every round found the same
        check_same(rounds.of(name), lambda answer: answer["manifest"])
    measured = {size: [*rounds.of(label(size)), *once.of(label(size))] for size in (SMALL, MIDDLE, LARGE)}
    return Report(
        "run",
        "what a run costs as customers grow (synthetic worlds)",
        (rounds, once),
        (step_table(measured),),
        (
            *growth(measured[MIDDLE], measured[LARGE], LARGE / MIDDLE),
            steeper(measured[MIDDLE], measured[LARGE], LARGE / MIDDLE),
            planned(measured),
        ),
    )


def label(customers: int) -> str:
    """How a size is called.

    >>> label(10_000)
    '10 k'
    """
    return f"{customers // 1000} k"


def side(customers: int) -> Side:
    """`scenefit run` over a fresh workspace of that size."""
    folder, origin = CACHE / "run" / label(customers).replace(" ", ""), world(customers)
    command = scenefit_command("run", "--workspace", from_root(folder), "--backend", "local", "--json")
    return Side(label(customers), command, partial(fresh, folder, origin))


def step_seconds(measured: list[Measurement]) -> dict[str, float]:
    """Median wall seconds of every step of a run, and what lies outside of them."""
    steps: list[dict[str, float]] = []
    for one in measured:
        seconds = one.answer["timings"]["seconds"]
        steps.append(seconds | {OUTSIDE: one.wall - sum(seconds.values())})
    return {name: statistics.median(step[name] for step in steps) for name in steps[0]}


def step_table(measured: dict[int, list[Measurement]]) -> Table:
    """Seconds of each step by size, the longest first, and how the largest size compares with the one before."""
    by_size = {size: step_seconds(found) for size, found in measured.items()}
    *_, middle, large = by_size
    rows = []
    for name in sorted(by_size[large], key=lambda step: -by_size[large][step]):
        cells = [f"{by_size[size][name]:.2f}" for size in by_size]
        grown = by_size[large][name] / max(by_size[middle][name], 1e-9)
        rows.append((name, *cells, f"{grown:.1f}", f"{grown / (large / middle):.2f}"))
    header = ("step, wall s", *map(label, by_size), f"{label(large)} ÷ {label(middle)}", "× linear")
    return Table("Seconds by step (median)", header, tuple(rows))


def growth(middle: list[Measurement], large: list[Measurement], factor: float) -> tuple[str, ...]:
    """How cost grows from one size to `factor` times as many customers."""
    sentences = []
    for name, unit in (("wall", "s wall"), ("cpu", "s CPU"), ("peak", "MB peak memory")):
        before, after = (statistics.median(getattr(m, name) for m in found) for found in (middle, large))
        linear = after / before / factor
        goal = "" if name == "peak" else f"; goal ≤ {GOAL} ×: {'kept' if linear <= GOAL else 'missed'}"
        sentences.append(
            f"{factor:g} × the customers: {before:,.0f} → {after:,.0f} {unit}, {after / before:.2f} × "
            f"({linear:.2f} × linear{goal})"
        )
    return tuple(sentences)


def steeper(middle: list[Measurement], large: list[Measurement], factor: float) -> str:
    """Which steps grow faster than the goal for the whole allows."""
    before, after = step_seconds(middle), step_seconds(large)
    found = [
        f"{name} ({after[name] - before[name]:+.1f} s)" for name in after if after[name] > GOAL * factor * before[name]
    ]
    return f"Steps that grow faster than {GOAL} × linear: {', '.join(found) or 'none'}"


def planned(measured: dict[int, list[Measurement]]) -> str:
    """Who gets an offer, by size: the work is real."""
    parts = []
    for size, found in measured.items():
        parts.append(f"{label(size)}: {_people(found[0].answer):,}")
    return f"People with an offer in the plan: {', '.join(parts)}"


def _people(answer: dict[str, Any]) -> int:
    return int(answer["manifest"]["metrics"]["plan"]["offered"])
