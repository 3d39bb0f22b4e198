"""What a plan is worth where the truth is known: against lists made by hand and against knowing everything (synthetic).

Planners see calibrated estimates; plans are judged by the true chances that scatter around them. Every method is
brought to the same realised bad rate, by a cut-off of estimated default that is bisected.

python -m benchmarks.matching_value            # 5 seeds × 3 tightness levels
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.harness import ROOT
from benchmarks.matching_hands import Known, Room, by_take_rate, by_value, by_value_per_cost
from benchmarks.report import replace_section
from recsys.limits import Limit
from recsys.problem import Problem
from recsys.ranking import pack
from recsys.value import Terms, expected_value
from scenefit.contracts.errors import Infeasible, NotEligible

PAGE, NAME = ROOT / "docs" / "matching.md", "matching_value"
CUSTOMERS, OFFERS, GROUPS = 20_000, 12, 4
LGD = 0.6
# standard deviation of the true log-odds around what the planner knows
TAKE_ERROR, DEFAULT_ERROR = 0.5, 0.5
# share of free demand that capacities, budget and expected loss leave
TIGHTNESS = {"loose": 0.8, "middle": 0.5, "tight": 0.25}
# least share of each group that is reached, of the share a plan without limits would reach
FLOORS = (0.0, 0.0, 0.35, 0.5)
OURS, ORACLE = "plan", "oracle"
HANDS: dict[str, Callable[[Known, Room], np.ndarray]] = {
    "rank by take-rate and fill": by_take_rate,
    "rank by value and fill": by_value,
    "value per cost, floors first": by_value_per_cost,
}
HALVINGS = 6
# realised bad rates this near count as equal
SAME = 1.005
WIGGLE = 0.01


class World(NamedTuple):
    """What planners believe, what is true, and the totals."""

    believed: Known
    true: Known
    default_believed: np.ndarray
    default_true: np.ndarray
    room: Room


def world(seed: int, tightness: float, customers: int = CUSTOMERS) -> World:
    """Synthetic customers whose need makes them take more and default more, and estimates that are calibrated."""
    r = np.random.default_rng([seed, 6])
    tastes, appeal = r.standard_normal((customers, 4)), 0.6 * r.standard_normal((4, OFFERS))
    group = r.choice(GROUPS, customers, p=[0.5, 0.25, 0.15, 0.1])
    need = r.standard_normal(customers)
    take = tastes @ appeal + r.normal(-3.0, 0.5, OFFERS) + (0.5 * need - 0.4 * group)[:, None]
    default = -3.2 + 0.8 * need + 0.3 * group + 0.5 * r.standard_normal(customers)
    take_true = _share(take + TAKE_ERROR * r.standard_normal(take.shape))
    default_true = _share(default + DEFAULT_ERROR * r.standard_normal(customers))
    amount = r.uniform(3_000, 20_000, OFFERS)
    terms = Terms(amount, amount * r.uniform(0.06, 0.12, OFFERS), r.uniform(5, 40, OFFERS))
    contact = np.tile([0.05, 0.3, 2.0], OFFERS)[:OFFERS]
    rules = r.random((customers, OFFERS)) < 0.6
    take_known, default_known = _expected_share(take, TAKE_ERROR), _expected_share(default, DEFAULT_ERROR)
    believed = known(take_known, default_known, terms, contact, rules, group)
    true = known(take_true, default_true, terms, contact, rules, group)
    return World(believed, true, default_known, default_true, _room(believed, tightness, r))


def known(
    take: np.ndarray, default: np.ndarray, terms: Terms, contact: np.ndarray, rules: np.ndarray, group: np.ndarray
) -> Known:
    """Values, costs and losses that follow from chances; pairs that are expected to lose are left out."""
    found = expected_value(take, terms, default, contact[None, :], LGD)
    cost = contact[None, :] + found.expected_incentive
    return Known(take, found.value, cost, found.expected_loss, rules & (found.value > 0), group)


def _room(believed: Known, tightness: float, r: np.random.Generator) -> Room:
    free = np.where(believed.allowed, believed.value, -np.inf)
    best = free.argmax(axis=1)
    who = np.flatnonzero(believed.allowed.any(axis=1))
    best = best[who]
    capacity = np.ceil(tightness * r.uniform(0.6, 1.4, OFFERS) * np.bincount(best, minlength=OFFERS) + 10)
    reach = np.bincount(believed.group[who], minlength=GROUPS)
    # a floor may not ask for more than the tightness leaves
    floor = np.floor(np.array(FLOORS) * min(1.0, 1.6 * tightness) * reach)
    budget, loss = believed.cost[who, best].sum(), believed.loss[who, best].sum()
    return Room(capacity, tightness * float(budget), tightness * float(loss), floor)


def planned(believed: Known, room: Room) -> np.ndarray:
    """Our plan under the same totals."""
    offers = believed.value.shape[1]
    single, one = np.eye(offers), np.ones((1, 1))
    limits = [Limit(f"capacity {j}", "<=", float(t), single[j : j + 1]) for j, t in enumerate(room.capacity)]
    limits += [Limit("budget", "<=", room.budget, believed.cost), Limit("loss", "<=", room.loss, believed.loss)]
    limits += [Limit(f"reach {g}", ">=", float(t), one, believed.group == g) for g, t in enumerate(room.floor) if t > 0]
    return Problem(believed.value, pack(believed.allowed), limits).solve().assignment


class Judged(NamedTuple):
    """A plan under the true chances: profit, bad rate of its takers, offers made, floors missed."""

    profit: float
    bad_rate: float
    offers: int
    missed: int


def judged(one: World, plan: np.ndarray) -> Judged:
    """What a plan really brings."""
    who = np.flatnonzero(plan >= 0)
    offer = plan[who]
    takes = one.true.chance[who, offer]
    reached = np.bincount(one.true.group[who], minlength=len(one.room.floor))
    bad = float((takes * one.default_true[who]).sum() / max(takes.sum(), 1e-12))
    return Judged(float(one.true.value[who, offer].sum()), bad, len(who), int((reached < one.room.floor).sum()))


Method = Callable[[float], np.ndarray]


def methods(one: World) -> dict[str, Method]:
    """Every method as a plan by the cut-off of default it is given; the oracle cuts by the true one."""

    def believing(make: Callable[[Known, Room], np.ndarray]) -> Method:
        return lambda highest: make(cut_off(one.believed, one.default_believed, highest), one.room)

    found: dict[str, Method] = {name: believing(make) for name, make in HANDS.items()}
    found[OURS] = believing(planned)
    found[ORACLE] = lambda highest: planned(cut_off(one.true, one.default_true, highest), one.room)
    return found


def cut_off(facts: Known, default: np.ndarray, highest: float) -> Known:
    """The same facts, without people whose default is above the highest allowed."""
    return facts._replace(allowed=facts.allowed & (default <= highest)[:, None])


def at_equal_risk(one: World) -> dict[str, Judged]:
    """Every method at the realised bad rate of the method that is lowest without a cut-off."""
    made = methods(one)
    free = {name: judged(one, method(1.0)) for name, method in made.items()}
    target = min(found.bad_rate for found in free.values())
    return {name: _lowered(one, method, free[name], target) for name, method in made.items()}


def _lowered(one: World, method: Method, free: Judged, target: float) -> Judged:
    """The method with the highest cut-off found whose realised bad rate is not above the target.

    Where the floors allow none, the plan with the lowest bad rate: its own stands in the table.
    """
    default = np.sort(one.default_believed)
    low, high = 0.0, 1.0  # quantiles of estimated default
    best = free
    for _ in range(HALVINGS if free.bad_rate > target * SAME else 0):
        middle = (low + high) / 2
        try:
            found = judged(one, method(float(default[int(middle * (len(default) - 1))])))
        except (Infeasible, NotEligible):
            # too strict: whom the floors ask for is cut off
            low = middle
            continue
        if found.bad_rate <= target * SAME:
            low, best = middle, found
        else:
            high = middle
            best = min(best, found, key=lambda plan: plan.bad_rate)
    return best


def changed_offers(one: World, seed: int) -> float:
    """Share of customers, of those offered anything, whose offer changes when inputs wiggle by 1 %."""
    r = np.random.default_rng([seed, 1])
    factor = np.exp(WIGGLE * r.standard_normal(one.believed.value.shape))
    wiggled = one.believed._replace(value=one.believed.value * factor)
    before, after = planned(one.believed, one.room), planned(wiggled, one.room)
    offered = (before >= 0) | (after >= 0)
    return float((before != after)[offered].mean())


def _share(logit: np.ndarray) -> np.ndarray:
    found: np.ndarray = 1 / (1 + np.exp(-logit))
    return found


def _expected_share(logit: np.ndarray, error: float) -> np.ndarray:
    """Mean of the shares around a log-odds known with that error: what a calibrated model says."""
    points, weights = np.polynomial.hermite_e.hermegauss(9)
    total = sum(w * _share(logit + error * x) for x, w in zip(points, weights, strict=True))
    return np.asarray(total / weights.sum())


HEADER = "| seed | limits | method | profit | plan ÷ method | bad rate | offers | floors missed |\n" + 8 * "|---" + "|"


def lines(seed: int, level: str, found: dict[str, Judged]) -> str:
    """A world's methods as rows of a Markdown table."""
    ours = found[OURS].profit
    return "\n".join(
        f"| {seed} | {level} | {name} | {one.profit:,.0f} | {ours / one.profit:.3f} | {one.bad_rate:.4f} "
        f"| {one.offers:,} | {one.missed} |"
        for name, one in found.items()
    )


def summary(level: str, results: list[dict[str, Judged]]) -> str:
    """Plan's profit over every other method's at one tightness: mean, lowest and highest of the seeds."""
    told = []
    for name in results[0]:
        if name != OURS:
            ratios = [one[OURS].profit / one[name].profit for one in results]
            told.append(f"{name} {np.mean(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})")
    return f"- {level}: plan's profit ÷ " + ", ".join(told)


def report(seeds: int, customers: int) -> str:
    """Every seed and tightness as a table, then the sums."""
    results: dict[str, list[dict[str, Judged]]] = {level: [] for level in TIGHTNESS}
    moved: dict[str, list[float]] = {level: [] for level in TIGHTNESS}
    rows = [HEADER]
    for seed in range(seeds):
        for level, tightness in TIGHTNESS.items():
            one = world(seed, tightness, customers)
            results[level].append(at_equal_risk(one))
            moved[level].append(changed_offers(one, seed))
            rows.append(lines(seed, level, results[level][-1]))
            print(f"seed {seed}, {level}: done", file=sys.stderr)
    sums = [
        f"{summary(level, results[level])}; offers changed by a 1 % wiggle: {np.mean(moved[level]):.1%} "
        f"({max(moved[level]):.1%} at most)"
        for level in TIGHTNESS
    ]
    head = f"{seeds} seeds, {customers:,} customers × {OFFERS} offers (synthetic); mean (lowest–highest) of the seeds:"
    return "\n".join([head, "", *sums, "", *rows])


def main() -> None:
    """Print the tables; with --page put them into docs/matching.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matching_value", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    text = report(asked.seeds, asked.customers)
    print(text)
    if asked.page:
        replace_section(PAGE, NAME, text)


if __name__ == "__main__":
    main()
