"""What more or less budget would bring, and the best plan at a set bad rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.plan_figures import Figures, figures, per_offer
from recsys.problem import Plan, Problem
from recsys.what_if import problem_of, warm
from scenefit.contracts.errors import ContractError, Infeasible

STEPS = 40
CLOSE = 1e-3  # relative gap at which the search for the price of bad debt stops
DEAREST = 1e9  # times the value per taker: beyond this price nothing changes any more


class RatePlan(NamedTuple):
    """The best plan at a set bad rate: `price` is what one more expected defaulter above the cap costs, in currency."""

    plan: Plan
    figures: Figures
    price: float
    solves: int


def frontier(
    case: Case,
    totals: Sequence[float],
    limit: str = "budget",
    plan: Plan | None = None,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
) -> pd.DataFrame:
    """Value, loss and bad rate for each total of one limit, by default the budget; ascending.

    Each point starts from the prices of the last, and a plan that keeps the tighter total stands in wherever the
    looser one finds no better. Columns: total, feasible, the figures of `Figures`, marginal_price (what one more unit
    of the limit would earn there), gap. Totals that no plan can keep have feasible False and NaN.

    Raises
    ------
    ContractError : no totals, one that is not finite, or an unknown limit.
    """
    wanted = np.unique(np.asarray(totals, dtype=np.float64))
    spec = next((spec for spec in case.limits if spec.name == limit), None)
    if spec is None:
        there = ", ".join(spec.name for spec in case.limits)
        raise ContractError(f"frontier: there is no limit {limit!r}; there are {there}")
    if not len(wanted) or not np.isfinite(wanted).all():
        raise ContractError(f"frontier: totals are {list(totals)}; give one or more finite numbers")
    value = case_value(case)
    problem = problem_of(case, value, per_customer, exclusive)
    rows, last = [], plan
    best: Plan | None = None
    for total in wanted if spec.sense == "<=" else wanted[::-1]:
        try:
            found = problem.solve({limit: total}) if last is None else warm(problem, last, {limit: total})
        except Infeasible:
            rows.append({"total": float(total), "feasible": False})
            continue
        last = found
        best = _better(found, best)
        row = figures(case, value, best.assignment)._asdict()
        price = found.shadow_prices[limit]
        rows.append({"total": float(total), "feasible": True, **row, "marginal_price": price, "gap": best.gap})
    names = ["total", "feasible", *Figures._fields, "marginal_price", "gap"]
    return pd.DataFrame(rows, columns=names).sort_values("total", ignore_index=True)


def _better(found: Plan, before: Plan | None) -> Plan:
    """The more valuable one, held against the bound of the looser limit."""
    if before is None or found.value >= before.value:
        return found
    gap = (found.upper_bound - before.value) / max(abs(found.upper_bound), 1e-9)
    return replace(before, upper_bound=found.upper_bound, gap=gap)


def plan_at_bad_rate(
    case: Case,
    cap: float,
    plan: Plan | None = None,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
    close: float = CLOSE,
) -> RatePlan:
    """The most valuable plan whose expected defaulters are at most a share `cap` of its expected takers.

    Raises
    ------
    ContractError : the cap is not a share.
    Infeasible : floors need more bad debt than the cap leaves.

    Notes
    -----
    Σ p·(PD − cap)·x ≤ 0 is linear, but its weights have both signs, so it is not one more limit: it is priced. With θ
    currency units per defaulter above the cap the value of a pair becomes v − θ·p·(PD − cap), all other limits stay.
    The bad rate falls as θ grows: θ is bracketed, then halved, each solve from the last prices. As the right-hand side
    is 0, the bound of every solve bounds the capped plan too; `plan.upper_bound` is the least of them, and `plan.gap`
    the distance that ties, whole customers and the price leave. The shadow prices are those at θ.
    """
    if not 0 < cap <= 1:
        raise ContractError(f"bad rate: the cap is {cap}; it is a share of takers, give more than 0 and at most 1")
    search = _RateSearch(case, cap, per_customer, exclusive)
    free = search.at(0.0, plan)
    low, high = 0.0, search.unit
    while free.over > 0 and search.best is None:
        if search.at(high, free.plan).over > 0:
            if high > DEAREST * search.unit:
                raise Infeasible(
                    f"bad rate: no plan found with at most {cap:.2%} expected defaulters among takers that keeps the "
                    "limits; lower the reach floors or raise the cap"
                )
            low, high = high, 4 * high
    while free.over > 0 and search.gap > close and search.solves < STEPS:
        middle = (low + high) / 2
        if search.at(middle, free.plan).over > 0:
            low = middle
        else:
            high = middle
    assert search.best is not None
    found = replace(search.best.plan, value=search.best.value, upper_bound=search.bound, gap=search.gap)
    return RatePlan(found, figures(case, search.value, found.assignment), search.best.price, search.solves)


class _Point(NamedTuple):
    plan: Plan
    value: float
    over: float
    price: float


class _RateSearch:
    """Solves at prices of bad debt, and what is known so far: the best plan under the cap and the least bound."""

    def __init__(self, case: Case, cap: float, per_customer: int, exclusive: np.ndarray | None) -> None:
        self.case, self.cap, self.per_customer, self.exclusive = case, cap, per_customer, exclusive
        self.value = case_value(case)
        self.bits = worthwhile(case, self.value)
        self.limits = case_limits(case, self.value)
        self.excess = case.p_take.astype(np.float64) * (case.pd_given_take[:, None] - cap)
        self.best: _Point | None = None
        self.bound = np.inf
        self.solves = 0
        self.unit = 1.0

    @property
    def gap(self) -> float:
        """How far the best plan under the cap can be from the best there is."""
        return np.inf if self.best is None else (self.bound - self.best.value) / max(abs(self.bound), 1e-9)

    def at(self, price: float, start: Plan | None) -> _Point:
        """The plan at a price of bad debt, with how far it is over the cap, in defaulters."""
        values = self.value.value - price * self.excess
        problem = Problem(values, self.bits, self.limits, self.per_customer, self.exclusive)
        plan = problem.solve() if start is None else warm(problem, start)
        made = per_offer(self.case, self.value, plan.assignment)
        over = float(made["defaulters"].sum() - self.cap * made["takers"].sum())
        # a hair over from rounding is within
        over = 0.0 if over <= 1e-12 * float(made["takers"].sum()) else over
        point = _Point(plan, float(made["value"].sum()), over, price)
        self.solves += 1
        self.bound = min(self.bound, plan.upper_bound)
        if over <= 0 and (self.best is None or point.value > self.best.value):
            self.best = point
        if price == 0 and len(made):
            self.unit = max(abs(point.value) / max(float(made["takers"].sum()), 1e-9), 1e-6)
        return point
