"""One decision with its trace, in process: best offers for one customer by a plan's prices (synthetic world)."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.figures import Comparison, Part
from benchmarks.harness import Side, compare, python_side
from benchmarks.matching_sides import precisely
from benchmarks.report import Report, markdown
from benchmarks.workspaces import from_root, world

NAME, OURS = "decisions", "decide"
CUSTOMERS, DECISIONS, WARM = 10_000, 2_000, 100
FIRST, ALL = "case, plan and prices are read", "decisions"
GOAL_MS = 5.0


def report(repeats: int | None = None, folder: Path | None = None) -> Report:
    """Half of all decisions, nine in ten and the slowest hundredth, each with the trace of every offer."""
    found = compare(f"{DECISIONS:,} decisions with trace", [side(folder)], repeats or 3)
    return Report(NAME, "one decision with its trace (synthetic world)", (found,), (), (finding(found),))


def side(folder: Path | None) -> Side:
    """Decisions over the run of a workspace; without one, over a world of its own."""
    whole = world(CUSTOMERS) if folder is None else folder
    told = from_root(whole) if folder is None else str(folder)
    return python_side(OURS, "benchmarks.decisions:decided", {"workspace": told})


def decided(workspace: str) -> dict[str, Any]:
    """Milliseconds of decisions for customers drawn at random, the first few not counted."""
    from app import flow
    from app.kept_case import read_case, read_plan
    from recsys.decide import Decider
    from scenefit.runtime.settings import Settings
    from scenefit.runtime.workspace import Workspace

    place, parts = Workspace(Path(workspace)), list[Part]()
    if not (place.root / "latest").is_file():
        flow.run(place, Settings(), backend="local", quiet=True)
    with precisely(FIRST, parts):
        case, (plan, specs) = read_case(place.latest()), read_plan(place.latest())
        decider = Decider(case, plan.shadow_prices, specs)
    drawn = np.random.default_rng(0).choice(case.customers, DECISIONS + WARM)
    at, seconds, offered = pd.Timestamp(case.facts["as_of"]), [], 0
    with precisely(ALL, parts):
        for customer in drawn.tolist():
            start = time.perf_counter()
            decision = decider.decide(customer, at=at)
            seconds.append(time.perf_counter() - start)
            offered += bool(decision.offers)
    told = 1e3 * np.array(seconds[WARM:])
    return {
        "parts": [list(part) for part in parts],
        "offers": len(case.offers),
        "limits": len(specs),
        "traced": len(decision.trace),
        "offered": offered / len(drawn),
        "ms": np.quantile(told, [0.5, 0.9, 0.99]).tolist(),
    }


def finding(found: Comparison) -> str:
    """The middle decision of the middle round against the goal."""
    answers = sorted((measured.answer for measured in found.of(OURS)), key=lambda answer: answer["ms"][0])
    one = answers[len(answers) // 2]
    half, nine, most = one["ms"]
    kept = "kept" if half <= GOAL_MS else "missed"
    return (
        f"one decision over {one['offers']} offers and {one['limits']} limits, with the trace of all {one['traced']}: "
        f"{half:.2f} ms in the middle (mean {_cpu(found):.2f} ms of CPU; goal ≤ {GOAL_MS:g} ms: {kept}), "
        f"{nine:.2f} ms of nine in ten, {most:.2f} ms of 99 in 100; {one['offered']:.0%} of the customers get an offer"
    )


def _cpu(found: Comparison) -> float:
    spread = found.cpu(OURS, ALL)
    return float("nan") if spread is None else 1e3 * spread.median / (DECISIONS + WARM)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--workspace", type=Path, help="a workspace with a finished run, instead of a new one")
    parser.add_argument("--repeats", type=int)
    asked = parser.parse_args()
    print(markdown(report(asked.repeats, asked.workspace), "python -m benchmarks decisions"))


if __name__ == "__main__":
    main()
