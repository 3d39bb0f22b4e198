"""Who gets which offer: the most valuable plan under budget, capacity, loss and reach limits.

This version plans in cells (segment × value band × product) with HiGHS and fills each cell by value; the prices of the
limits are then refined on every customer and a second plan follows them (docs/adr/0002). Few customers are planned one
by one, in whole offers. The best plan is returned, and `gap` says how far at most it is from the optimum, by a bound
that holds for every customer separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.cells import banded, cell_plan, whole_plan, whole_quota
from recsys.fill import fill_cells
from recsys.limits import Limit, broadcast_weights, broken, check_limits, check_reach, usage, verify
from recsys.prices import refined
from recsys.ranking import unpack
from recsys.repair import repaired, topped_up
from scenefit.contracts.errors import ContractError, Infeasible, NotEligible


@dataclass(frozen=True)
class Plan:
    """A plan: offer index per customer or −1, its value, and how far at most the best plan is from it.

    `gap` is (upper_bound − value) / |upper_bound|. `usage` and `shadow_prices` are by limit name; a shadow price is
    what one more unit of the limit would earn: not negative for a ceiling, not positive for a floor.
    """

    assignment: np.ndarray
    value: float
    upper_bound: float
    gap: float
    usage: dict[str, float]
    shadow_prices: dict[str, float]


def match_offers(
    values: np.ndarray,
    eligible: np.ndarray,
    limits: Sequence[Limit],
    per_customer: int = 1,
    cells: np.ndarray | None = None,
) -> Plan:
    """The most valuable plan with at most one offer per customer, every limit kept.

    Parameters
    ----------
    values : (n, m) value of offering, currency units
    eligible : bits (n, words)
    limits : see `Limit`
    per_customer : 1 in this version
    cells : (n,) cell of each customer, from 0; customers of one cell are planned together

    Raises
    ------
    ContractError : values are not finite, or shapes do not fit.
    NotEligible : no customer may get any offer.
    Infeasible : names the limits that cannot be met together, and by how much.
    """
    allowed = _checked(values, eligible, limits, per_customer, cells)
    groups = banded(values, allowed, np.zeros(len(values), np.int64) if cells is None else cells)
    by_cell = cell_plan(values, allowed, limits, groups)
    if by_cell.conflict and len(by_cell.amounts) == len(values):
        raise Infeasible(by_cell.conflict)
    reduced = _reduced(values, allowed, limits, by_cell.prices)
    plans = [repaired(fill_cells(reduced, groups, whole_quota(by_cell.amounts)), values, reduced, limits)]
    prices = refined(values, allowed, limits, by_cell.prices)
    reduced = _reduced(values, allowed, limits, prices)
    by_price = np.where(reduced.max(axis=1) > 0, reduced.argmax(axis=1), -1)
    plans.append(repaired(by_price, values, reduced, limits))
    whole = whole_plan(values, allowed, limits)
    if whole is not None:
        plans.append(whole)
    assignment = _best(plans, values, limits, by_cell.conflict)
    value, bound = _worth(assignment, values), upper_bound(values, allowed, limits, prices)
    return Plan(
        assignment=assignment,
        value=value,
        upper_bound=bound,
        gap=(bound - value) / max(abs(bound), 1e-9),
        usage={limit.name: usage(limit, assignment) for limit in limits},
        shadow_prices={limit.name: float(price) for limit, price in zip(limits, prices, strict=True)},
    )


def upper_bound(values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit], prices: np.ndarray) -> float:
    """No plan that keeps the limits is worth more: the Lagrangian bound at these prices, in float64.

    Σ_i max(0, max_j (v_ij − Σ_l price_l · w_lij)) + Σ_l price_l · total_l, with prices ≥ 0 for "<=" and ≤ 0 for ">=".
    """
    best = _reduced(values, allowed, limits, prices).max(axis=1, initial=-np.inf)
    best = np.maximum(best, 0.0)
    return float(best.sum() + sum(p * limit.total for p, limit in zip(prices, limits, strict=True)))


def greedy(values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit], cost: np.ndarray) -> np.ndarray:
    """What a team does by hand: the best value per cost first, everybody's own best, while limits have room.

    Whoever's best does not fit is tried with the next best, through all products. Keeps "<=" limits only: it is
    spared the reach floors that bind the plan.
    """
    allowed = unpack(eligible, values.shape[1])
    per_cost = np.where(allowed & (values > 0), values / np.maximum(cost, 1e-9), -np.inf)
    return topped_up(np.full(len(values), -1), per_cost, limits, rounds=values.shape[1])


def _checked(
    values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit], per_customer: int, cells: np.ndarray | None
) -> np.ndarray:
    """The (n, m) mask of eligible pairs, once everything fits together."""
    if per_customer != 1:
        raise ContractError(f"match: per_customer is {per_customer}; this version plans one offer per customer")
    if values.ndim != 2:
        raise ContractError(f"match: values have shape {values.shape}; they must be (customers, products)")
    n, m = values.shape
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ContractError(
            f"match: the value of offer {j} for customer {i} is {values[i, j]}; every value must be finite"
        )
    if len(eligible) != n or (cells is not None and np.shape(cells) != (n,)):
        shape = "none" if cells is None else np.shape(cells)
        raise ContractError(
            f"match: {n:,} customers, {len(eligible):,} rows of eligibility, cells {shape}; give one each"
        )
    check_limits(limits, n, m)
    allowed = unpack(eligible, m)
    if not allowed.any():
        raise NotEligible(f"match: none of {n:,} customers may get any of {m} offers; loosen the eligibility rules")
    check_reach(limits, allowed)
    return allowed


def _reduced(values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit], prices: np.ndarray) -> np.ndarray:
    """Value of each pair after paying for the limits it uses; −inf where not eligible."""
    paid = np.zeros(values.shape)
    for limit, price in zip(limits, prices, strict=True):
        if price:
            paid += price * broadcast_weights(limit)
    return np.where(allowed, values - paid, -np.inf)


def _best(plans: Sequence[np.ndarray], values: np.ndarray, limits: Sequence[Limit], conflict: str) -> np.ndarray:
    """The most valuable of the plans that keep all limits.

    Raises
    ------
    Infeasible : none does.
    """
    sound = [plan for plan in plans if not broken(plan, limits)]
    if sound:
        return max(sound, key=lambda plan: _worth(plan, values))
    if not conflict:
        verify(plans[-1], limits)
    raise Infeasible(conflict)


def _worth(plan: np.ndarray, values: np.ndarray) -> float:
    chosen = plan >= 0
    return float(values[chosen, plan[chosen]].sum())
