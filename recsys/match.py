"""Who gets which offer: the most valuable plan under budget, capacity, loss and reach limits.

This version plans in cells (segment × value band × product) with HiGHS and fills each cell by value; the prices of the
limits are then refined on every customer and a second plan follows them (docs/adr/0002). The better one is returned,
and `gap` says how far at most it is from the optimum, by a bound that holds for every customer separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.cells import banded, cell_plan, whole_quota
from recsys.fill import fill_cells, take_back, top_up
from recsys.limits import Limit, broadcast_weights
from recsys.prices import refined
from recsys.ranking import unpack
from scenefit.contracts.errors import ContractError, Infeasible, NotEligible

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Plan:
    """A plan: offer index per customer or −1, its value, and how far at most the best plan is from it.

    `usage` and `shadow_prices` are by limit name; a shadow price is what one more unit of the limit would earn.
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
    n, m = values.shape
    allowed = unpack(eligible, m)
    _sound(values, limits, n, m, per_customer)
    if not allowed.any():
        raise NotEligible(f"match: none of {n:,} customers may get any of {m} offers; loosen the eligibility rules")
    groups = banded(values, allowed, np.zeros(n, np.int64) if cells is None else cells)
    totals, prices = cell_plan(values, allowed, limits, groups)
    by_cell = _repaired(fill_cells(_reduced(values, allowed, limits, prices), groups, whole_quota(totals)), values,
                        _reduced(values, allowed, limits, prices), limits)  # fmt: skip
    prices = refined(values, allowed, limits, prices)
    reduced = _reduced(values, allowed, limits, prices)
    by_price = _repaired(np.where(reduced.max(axis=1) > 0, reduced.argmax(axis=1), -1), values, reduced, limits)
    assignment = _better(by_cell, by_price, values, limits)
    value = _worth(assignment, values)
    bound = upper_bound(values, allowed, limits, prices)
    usage = {limit.name: _usage(limit, assignment) for limit in limits}
    return Plan(
        assignment=assignment,
        value=value,
        upper_bound=bound,
        gap=(bound - value) / max(abs(bound), 1e-9),
        usage=usage,
        shadow_prices={limit.name: float(price) for limit, price in zip(limits, prices, strict=True)},
    )


def upper_bound(values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit], prices: np.ndarray) -> float:
    """No plan that keeps the limits is worth more: the Lagrangian bound at these prices, in float64.

    Σ_i max(0, max_j (v_ij − Σ_l price_l · w_lij)) + Σ_l price_l · total_l, with prices ≥ 0 for "<=" and ≤ 0 for ">=".
    """
    best = _reduced(values, allowed, limits, prices).max(axis=1, initial=-np.inf)
    best = np.maximum(best, 0.0)
    return float(best.sum() + sum(p * limit.total for p, limit in zip(prices, limits, strict=True)))


def _reduced(values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit], prices: np.ndarray) -> np.ndarray:
    """Value of each pair after paying for the limits it uses; −inf where not eligible."""
    return np.where(allowed, values - _priced(limits, prices, values.shape), -np.inf)


def _repaired(assignment: np.ndarray, values: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """The plan made to keep every limit, then filled up."""
    plan = _floors_raised(assignment, reduced, limits)
    plan = _within_limits(plan, reduced, limits)
    return _topped_up(plan, np.where(np.isfinite(reduced) & (values > 0), reduced, -np.inf), limits)


def _better(first: np.ndarray, second: np.ndarray, values: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """The more valuable of two plans that keep all limits.

    Raises
    ------
    Infeasible : neither does.
    """
    sound = [plan for plan in (first, second) if not _broken(plan, limits)]
    if not sound:
        verify(second, limits)
    return max(sound, key=lambda plan: _worth(plan, values))


def _worth(plan: np.ndarray, values: np.ndarray) -> float:
    chosen = plan >= 0
    return float(values[chosen, plan[chosen]].sum())


def _sound(values: np.ndarray, limits: Sequence[Limit], n: int, m: int, per_customer: int) -> None:
    if per_customer != 1:
        raise ContractError(f"match: per_customer is {per_customer}; this version plans one offer per customer")
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ContractError(
            f"match: the value of offer {j} for customer {i} is {values[i, j]}; every value must be finite"
        )
    for limit in limits:
        if limit.weight.shape not in ((n, 1), (1, m), (n, m), (1, 1)):
            raise ContractError(
                f"match: limit {limit.name!r} has weights of shape {limit.weight.shape}; "
                f"use ({n}, 1), (1, {m}) or ({n}, {m})"
            )
        if not np.isfinite(limit.weight).all() or (limit.weight < 0).any():
            raise ContractError(f"match: limit {limit.name!r} has weights that are negative or not finite")


def _priced(limits: Sequence[Limit], prices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    total = np.zeros(shape)
    for limit, price in zip(limits, prices, strict=True):
        if price:
            total += price * broadcast_weights(limit)
    return total


def _weights_of(limit: Limit, assignment: np.ndarray) -> np.ndarray:
    """Weight of each customer's offer in one limit, 0 without an offer."""
    n = len(assignment)
    rows = np.zeros(n, int) if limit.weight.shape[0] == 1 else np.arange(n)
    columns = np.zeros(n, int) if limit.weight.shape[1] == 1 else np.maximum(assignment, 0)
    weights = np.where(assignment >= 0, limit.weight[rows, columns], 0.0)
    return weights if limit.where is None else np.where(limit.where, weights, 0.0)


def _usage(limit: Limit, assignment: np.ndarray) -> float:
    return float(_weights_of(limit, assignment).sum())


def _floors_raised(assignment: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """Add the best unserved customers where rounding left a reach floor short."""
    plan = assignment.copy()
    best = reduced.argmax(axis=1)
    for limit in limits:
        if limit.sense != ">=":
            continue
        short = limit.total - _usage(limit, plan)
        if short <= TOLERANCE * max(1.0, limit.total):
            continue
        weights = _weights_of(limit, np.where(np.isfinite(reduced.max(axis=1)), best, -1))
        spare = np.flatnonzero((plan < 0) & (weights > 0))
        order = spare[np.argsort(-reduced[spare, best[spare]], kind="stable")]
        needed = np.searchsorted(np.cumsum(weights[order]), short - TOLERANCE, "left") + 1
        plan[order[:needed]] = best[order[:needed]]
    return plan


def _within_limits(assignment: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """Take back the least valuable offers where means hid that a limit is passed; tight floors are spared."""
    plan = assignment.copy()
    for limit in limits:
        if limit.sense != "<=":
            continue
        weights = _weights_of(limit, plan)
        excess = weights.sum() - limit.total
        if excess <= TOLERANCE * max(1.0, limit.total):
            continue
        users = np.flatnonzero(weights > 0)
        worth = reduced[users, plan[users]] / weights[users]
        order = users[np.argsort(worth, kind="stable")]
        floors = [floor for floor in limits if floor.sense == ">="]
        holds = np.array([_weights_of(floor, plan)[order] for floor in floors]).reshape(len(floors), len(order))
        slack = np.array([_usage(floor, plan) - floor.total for floor in floors])
        plan[order[take_back(weights[order], excess, holds, slack)]] = -1
    return plan


def _topped_up(assignment: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit], rounds: int = 4) -> np.ndarray:
    """Offers to unserved customers, best first, as long as every limit has room."""
    plan = assignment.copy()
    ceilings = [limit for limit in limits if limit.sense == "<="]
    worth = reduced.copy()
    for _ in range(rounds):
        best = worth.argmax(axis=1)
        gain = worth[np.arange(len(best)), best]
        open_ = (plan < 0) & (gain > 0)
        if not open_.any():
            break
        candidate = np.where(open_, best, -1)
        weights = np.array([_weights_of(limit, candidate) for limit in ceilings]).reshape(len(ceilings), len(plan))
        room = np.array([limit.total - _usage(limit, plan) for limit in ceilings])
        users = np.flatnonzero(open_)
        accepted = top_up(users[np.argsort(-gain[users], kind="stable")], weights, room)
        plan[accepted] = best[accepted]
        worth[users, best[users]] = -np.inf
    return plan


def verify(assignment: np.ndarray, limits: Sequence[Limit]) -> None:
    """Add every limit up again from the plan alone.

    Raises
    ------
    Infeasible : a limit is broken.
    """
    broken = _broken(assignment, limits)
    if broken:
        limit, used = broken[0]
        raise Infeasible(
            f"match: {limit.name!r} comes to {used:,.6g}, must be {limit.sense} {limit.total:,.6g}; "
            "the limits are too tight for whole customers. Loosen this one or the budget"
        )


def _broken(assignment: np.ndarray, limits: Sequence[Limit]) -> list[tuple[Limit, float]]:
    found = []
    for limit in limits:
        used, room = _usage(limit, assignment), TOLERANCE * max(1.0, abs(limit.total))
        if (used > limit.total + room) if limit.sense == "<=" else (used < limit.total - room):
            found.append((limit, used))
    return found


def greedy(values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit], cost: np.ndarray) -> np.ndarray:
    """What a team does by hand: everybody's most valuable offer, best value per cost first, while limits have room.

    Keeps "<=" limits only; the yardstick that a plan must beat.
    """
    allowed = unpack(eligible, values.shape[1])
    per_cost = np.where(allowed & (values > 0), values / np.maximum(cost, 1e-9), -np.inf)
    ceilings = [limit for limit in limits if limit.sense == "<="]
    return _topped_up(np.full(len(values), -1), per_cost, ceilings)
