"""Certified plans of a million customers against HiGHS and OR-Tools PDLP, and re-plans (synthetic problems)."""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

from benchmarks import matching_shards
from benchmarks.environments import environment
from benchmarks.figures import Comparison
from benchmarks.harness import Side, compare, python_side
from benchmarks.matching_problems import OFFERS, kept
from benchmarks.matching_sides import COLD, FRONTIER, LESS, MORE, PLAN, POINTS
from benchmarks.report import Report, Table
from scenefit.contracts.errors import ScenefitError

OURS = "ours"
IPM, IPM_VERTEX, PDLP = "HiGHS IPM", "HiGHS IPM with crossover", "OR-Tools PDLP"
ORTOOLS = ("ortools==9.14.6206", "numpy==2.4.6", "scipy==1.17.1")
PRECISION, SECONDS = 1e-4, 900.0
GOAL_GAP, GOAL_SECONDS, GOAL_MB = 1e-6, 10.0, 1.5 * 1024
GOAL_HIGHS, GOAL_PDLP, GOAL_SAME, GOAL_AGAIN = 8.0, 80.0, 1e-8, 0.4


class Sizes(NamedTuple):
    """Customers of each part; a fiftieth of them tries everything quickly."""

    whole: int = 1_000_000
    exact: int = 20_000
    first_order: int = 100_000
    again: int = 1_000_000
    # twenty budgets one after the other: more customers would cost minutes and say the same
    curve: int = 100_000
    shards: int = 10
    each: int = 1_000_000


def report(repeats: int | None = None, sizes: Sizes | None = None) -> Report:
    """The plan, both peers and the re-plans; each part says whether its goal is kept."""
    sizes = Sizes() if sizes is None else sizes
    for customers in sorted(set(sizes._replace(shards=sizes.each))):
        kept(customers)
    rounds = repeats or 3
    whole = compare(_named("a plan from nothing", sizes.whole), [ours(sizes.whole)], rounds)
    exact = compare(
        _named("the same optimum", sizes.exact),
        [ours(sizes.exact), highs(sizes.exact, crossover=False), highs(sizes.exact, crossover=True)],
        rounds,
    )
    first = compare(
        _named("a first-order method", sizes.first_order), [ours(sizes.first_order), pdlp(sizes.first_order)], rounds
    )
    # below some 8,000 customers everybody is in the exact programme, and known prices have nothing to save
    points = {sizes.curve: POINTS, sizes.again: 0}
    again = {
        customers: (
            compare(_named("plans from known prices", customers), [replans(customers, points[customers])], rounds),
            compare(
                _named("the same budgets from nothing", customers),
                [_cold(MORE, customers, 1.1), _cold(LESS, customers, 0.9)],
                1,
            ),
        )
        for customers in sorted(points)
    }
    shards = matching_shards.compared(sizes.shards, sizes.each, 1)
    return Report(
        "matching",
        "the best plan under 36 limits (synthetic problems)",
        (whole, exact, first, *(one for pair in again.values() for one in pair), shards),
        (answers_table(exact), answers_table(first), frontier_table(again[sizes.curve][0])),
        (
            whole_finding(whole),
            exact_finding(exact),
            pdlp_finding(first),
            *(said for found, colds in again.values() for said in again_findings(found, colds)),
            matching_shards.finding(shards),
        ),
    )


def ours(customers: int) -> Side:
    """Our plan of a kept problem."""
    return python_side(OURS, "benchmarks.matching_sides:planned", {"customers": customers})


def replans(customers: int, points: int) -> Side:
    """A cold plan and those that start from its prices, a frontier of so many budgets among them."""
    return python_side(OURS, "benchmarks.matching_sides:replanned", {"customers": customers, "points": points})


def highs(customers: int, crossover: bool) -> Side:
    """HiGHS' interior point on the whole linear programme, one thread."""
    how = "crossover" if crossover else "interior"
    return _peer(IPM_VERTEX if crossover else IPM, sys.executable, "highs", customers, how)


def pdlp(customers: int) -> Side:
    """OR-Tools' PDLP on the whole linear programme, in its own environment, one thread."""
    return _peer(PDLP, str(environment("ortools", ORTOOLS)), "pdlp", customers, str(PRECISION))


def _peer(name: str, python: str, solver: str, customers: int, how: str) -> Side:
    code = "from benchmarks.matching_peers import main; main()"
    return Side(name, (python, "-c", code, solver, str(kept(customers)), str(SECONDS), how), None, 2 * SECONDS)


def _cold(name: str, customers: int, factor: float) -> Side:
    return python_side(name, "benchmarks.matching_sides:cold", {"customers": customers, "factor": factor})


def whole_finding(found: Comparison) -> str:
    """Gap, recount, CPU-seconds and memory of the plan from nothing.

    Raises
    ------
    ScenefitError : a plan breaks a limit; its figures mean nothing then.
    """
    answers = [measured.answer for measured in found.of(OURS)]
    broken = sum(answer["broken"] for answer in answers)
    if broken:
        raise ScenefitError(f"matching: the recount finds {broken} broken limits or rules in {found.name}; no figures")
    gap, memory = max(a["gap"] for a in answers), max(a["over_inputs_mb"] for a in answers)
    cpu = found.cpu(OURS, PLAN)
    seconds = float("nan") if cpu is None else cpu.median
    return (
        f"{found.name}: certified gap {gap:.1e} (goal ≤ {GOAL_GAP:g}: {_kept(gap <= GOAL_GAP)}), no limit broken by an "
        f"independent recount, {seconds:.1f} CPU-s (goal ≤ {GOAL_SECONDS:g}: {_kept(seconds <= GOAL_SECONDS)}), "
        f"{memory:,.0f} MB over {answers[0]['inputs_mb']:,.0f} MB of inputs and libraries "
        f"(goal ≤ {GOAL_MB:,.0f}: {_kept(memory <= GOAL_MB)})"
    )


def exact_finding(found: Comparison) -> str:
    """How many times our CPU-seconds HiGHS takes, and whether both know the same optimum."""
    told = []
    bound = found.of(OURS)[0].answer["bound"]
    for side in (IPM, IPM_VERTEX):
        answer = found.of(side)[0].answer
        if answer["status"] != "Optimal":
            told.append(f"{side} ended with {answer['status']!r}")
            continue
        apart = abs(bound - answer["value"]) / abs(bound)
        told.append(
            f"{side} takes {_ratio(found, side, GOAL_HIGHS)} our CPU without its model building, optimum "
            f"{apart:.1e} from our bound (goal ≤ {GOAL_SAME:g}: {_kept(apart <= GOAL_SAME)})"
        )
    return f"{found.name}: " + "; ".join(told)


def pdlp_finding(found: Comparison) -> str:
    """How many times our CPU-seconds the first-order method takes, and how far its answer is off."""
    bound, answer = found.of(OURS)[0].answer["bound"], found.of(PDLP)[0].answer
    return (
        f"{found.name}: {PDLP} (relative precision {PRECISION:g}, at most {SECONDS:,.0f} s, "
        f"ended {answer['status']!r}) "
        f"takes {_ratio(found, PDLP, GOAL_PDLP)} our CPU; its value is {answer['value'] / bound - 1:+.1e} off the "
        f"optimum, its limits are broken by up to {answer['violation']:.1e} of their totals"
    )


def again_findings(found: Comparison, colds: Comparison) -> tuple[str, ...]:
    """What a re-plan and the frontier cost beside a plan from nothing, and that they find the same optimum.

    Raises
    ------
    ScenefitError : a plan breaks a limit.
    """
    answers = [measured.answer for measured in found.of(OURS)]
    if any(answer["broken"] for answer in answers):
        raise ScenefitError(f"matching: the recount finds broken limits in {found.name}; no figures")
    told = []
    for name in (MORE, LESS):
        shares = [_cpu(found, name, k) / _cpu(found, COLD, k) for k in range(len(answers))]
        share = sorted(shares)[len(shares) // 2]
        bound, cold_bound = answers[0]["bounds"][name], colds.of(name)[0].answer["bound"]
        told.append(
            f"{found.name}, {name}: {share:.2f} × the CPU of a plan from nothing (goal ≤ {GOAL_AGAIN:g}: "
            f"{_kept(share <= GOAL_AGAIN)}); bounds of both ways {abs(bound / cold_bound - 1):.1e} apart"
        )
    gap = max(max(answer["gaps"]) for answer in answers)
    if answers[0]["frontier"]:
        frontier = sorted(_cpu(found, FRONTIER, k) / _cpu(found, COLD, k) for k in range(len(answers)))
        middle = frontier[len(frontier) // 2]
        told.append(
            f"{found.name}, {FRONTIER}: {middle:.1f} × the CPU of one plan from nothing, "
            f"{middle / POINTS:.2f} × for each point"
        )
    told.append(f"{found.name}: largest certified gap of all re-plans {gap:.1e}, no limit broken")
    return tuple(told)


def answers_table(found: Comparison) -> Table:
    """What every side found: value, bound or status, violation."""
    rows = []
    for side in found.sides:
        answer = found.of(side)[0].answer
        if side == OURS:
            rows.append((side, "whole offers", f"{answer['value']:,.2f}", f"{answer['bound']:,.4f}", "0"))
        else:
            rows.append((side, answer["status"], f"{answer['value']:,.4f}", "", f"{answer['violation']:.1e}"))
    header = ("side", "answer", "value", "upper bound", "largest violation, share of total")
    return Table(f"{found.name}: what was found", header, tuple(rows))


def frontier_table(found: Comparison) -> Table:
    """Value of the plan at budgets from half to one and a half times."""
    points = found.of(OURS)[0].answer["frontier"]
    rows = tuple((f"{factor:.2f}", f"{value:,.0f}") for factor, value in reversed(points[:: max(1, POINTS // 10)]))
    return Table("the frontier, every other point", ("budget ×", "value of the plan"), rows)


def _ratio(found: Comparison, side: str, goal: float) -> str:
    ratio = found.ratio(side, OURS, PLAN, "cpu")
    if ratio is None:
        return "an unknown multiple of"
    spread = "" if ratio.low == ratio.high else f" ({ratio.low:.1f}–{ratio.high:.1f})"
    return f"{ratio.median:.1f} ×{spread} (goal ≥ {goal:g}: {_kept(ratio.median >= goal)})"


def _cpu(found: Comparison, part: str, round_: int) -> float:
    measured = found.of(OURS)[round_].part(part)
    return math.nan if measured is None or measured.cpu is None else measured.cpu


def _named(what: str, customers: int) -> str:
    return f"{what}, {customers:,} × {OFFERS}"


def _kept(kept_: bool) -> str:
    return "kept" if kept_ else "missed"
