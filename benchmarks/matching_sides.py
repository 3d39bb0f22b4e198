"""Our side of the matching benchmark: a plan, re-plans and the frontier, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Part
from benchmarks.matching_problems import BUDGET, kept, limits_of, made, read, recounted

PLAN = "plan"
COLD, MORE, LESS, FRONTIER = "cold plan", "budget +10 %", "budget −10 %", "frontier of 20 budgets"
POINTS = 20
# customers of the problem that loads the compiled loops; as many as take the way of large problems would cost more
WARM = 2_000


@contextmanager
def precisely(name: str, parts: list[Part]) -> Iterator[None]:
    """Append wall and CPU seconds of the block, all threads, to `parts`."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    parts.append(Part(name, time.perf_counter() - wall, time.process_time() - cpu))


def planned(customers: int) -> dict[str, Any]:
    """One plan from nothing: its certificate, a recount of it, and the memory it took over its inputs."""
    from recsys.problem import Problem
    from recsys.ranking import pack

    parts: list[Part] = []
    with precisely("first use", parts):
        _first_use()
    problem = read(kept(customers))
    eligible, limits = pack(problem.eligible), limits_of(problem)
    before = megabytes("VmRSS")
    forget_peak()
    with precisely(PLAN, parts):
        plan = Problem(problem.values, eligible, limits).solve()
    peak = megabytes("VmHWM")
    counted = recounted(problem, plan.assignment)
    return {
        "parts": [list(part) for part in parts],
        "value": counted.value,
        "bound": plan.upper_bound,
        "gap": (plan.upper_bound - counted.value) / abs(plan.upper_bound),
        "broken": counted.broken,
        "inputs_mb": before,
        "over_inputs_mb": peak - before,
        "offered": int((plan.assignment >= 0).sum()),
    }


def replanned(customers: int, points: int = 0) -> dict[str, Any]:
    """A cold plan, then others from its prices: the budget a tenth up and down, and `points` of half to 1.5 ×.

    Every re-plan keeps its limits by a recount and carries its own certificate.
    """
    from recsys.problem import Problem
    from recsys.ranking import pack

    _first_use()
    problem = read(kept(customers))
    eligible, limits = pack(problem.eligible), limits_of(problem)
    names = [limit.name for limit in limits]
    parts: list[Part] = []
    with precisely(COLD, parts):
        whole = Problem(problem.values, eligible, limits)
        plan = whole.solve()
    prices = np.array([plan.shadow_prices[name] for name in names])
    answers = {COLD: (1.0, plan)}
    for name, factor in ((MORE, 1.1), (LESS, 0.9)):
        with precisely(name, parts):
            answers[name] = (factor, whole.solve(totals={BUDGET: factor * problem.budget}, start=prices))
    frontier = []
    with precisely(FRONTIER, parts):
        for factor in np.linspace(1.5, 0.5, points):
            point = whole.solve(totals={BUDGET: factor * problem.budget}, start=prices)
            prices = np.array([point.shadow_prices[name] for name in names])
            frontier.append((factor, point))
    every = [*answers.values(), *frontier]
    broken = [
        recounted(problem._replace(budget=factor * problem.budget), one.assignment).broken for factor, one in every
    ]
    return {
        "parts": [list(part) for part in parts],
        "gaps": [one.gap for _, one in every],
        "broken": sum(broken),
        "bounds": {name: one.upper_bound for name, (_, one) in answers.items()},
        "frontier": [[factor, one.value] for factor, one in frontier],
    }


def cold(customers: int, factor: float) -> dict[str, Any]:
    """A plan from nothing under another budget: what the plan from known prices has to equal."""
    from recsys.problem import Problem
    from recsys.ranking import pack

    problem = read(kept(customers))
    whole = Problem(problem.values, pack(problem.eligible), limits_of(problem))
    plan = whole.solve(totals={BUDGET: factor * problem.budget})
    return {"bound": plan.upper_bound}


def _first_use() -> None:
    """Load the compiled loops and HiGHS by planning few customers."""
    from recsys.problem import Problem
    from recsys.ranking import pack

    few = made(WARM)
    Problem(few.values, pack(few.eligible), limits_of(few)).solve()


def megabytes(name: str) -> float:
    """A line of this process' memory: VmRSS now, VmHWM the most since it was last forgotten."""
    for line in Path("/proc/self/status").read_text("utf8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def forget_peak() -> None:
    """Let the peak begin at what is held now: making the inputs is no part of the plan."""
    Path("/proc/self/clear_refs").write_text("5", "utf8")
