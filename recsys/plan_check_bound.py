"""The most any plan could be worth by the prices of the limits, worked out anew on every customer in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:  # types alone
    from recsys.case import Case, LimitSpec
    from recsys.plan_check_sums import Counts

# eligible pairs up to which a bound that the prices do not prove is searched for in whole offers
SEARCHED = 3_000
NODES = 5_000
CLOSE = 1e-9
BLOCK = 50_000  # customers at once: a million × 60 in float64 would take several GiB


def bound_by_prices(
    case: Case,
    specs: Sequence[LimitSpec],
    counts: Sequence[Counts],
    prices: Sequence[float],
    per_customer: int,
    exclusive: np.ndarray | None,
) -> float:
    """No plan that keeps the limits is worth more (weak duality, for any prices of the right sign).

    Σ_i (best offers after paying the prices, at most K, one of a group, none below 0) + Σ_l price_l · total_l.
    """
    parts = [price * spec.total for price, spec in zip(prices, specs, strict=True)]
    for first in range(0, len(case.customers), BLOCK):
        rows = slice(first, first + BLOCK)
        left = _left(case, specs, counts, prices, rows)
        parts.append(math.fsum(_best(left, per_customer, exclusive).tolist()))
    return math.fsum(parts)


def _left(
    case: Case, specs: Sequence[LimitSpec], counts: Sequence[Counts], prices: Sequence[float], rows: slice
) -> np.ndarray:
    """What each offer is worth after paying for the limits it uses; −inf where it may not be made."""
    p = case.p_take[rows].astype(np.float64)
    lost = case.pd_given_take[rows].astype(np.float64)[:, None] * (case.lgd * np.asarray(case.terms.amount, float))
    cost = p * np.asarray(case.terms.incentive, float) + np.asarray(case.contact_cost, float)
    value = np.maximum(p - case.p_unoffered, 0.0) * (np.asarray(case.terms.margin, float) - lost) - cost
    left = value.copy()
    each = {"offers": np.ones((1, 1)), "cost": cost, "loss": p * lost, "takers": p}
    for spec, counted, price in zip(specs, counts, prices, strict=True):
        if price:
            left -= price * each[spec.of] * counted.people[rows][:, None] * counted.offers[None, :]
    left[(case.reason[rows] != 0) | (value <= 0)] = -np.inf
    return left


def _best(left: np.ndarray, per_customer: int, exclusive: np.ndarray | None) -> np.ndarray:
    """Worth of each customer's best offers: the best of each group, then the best K of those, none below 0."""
    if exclusive is not None and per_customer > 1:
        group = np.asarray(exclusive)
        alone = [left[:, group == -1]]
        best_of = [left[:, group == name].max(axis=1, keepdims=True) for name in np.unique(group[group != -1])]
        left = np.concatenate(alone + best_of, axis=1)
    if per_customer == 1:
        return np.maximum(left.max(axis=1, initial=-np.inf), 0.0)
    return np.maximum(-np.sort(-left, axis=1)[:, :per_customer], 0.0).sum(axis=1)


def bound_by_search(
    case: Case,
    specs: Sequence[LimitSpec],
    counts: Sequence[Counts],
    per_customer: int,
    exclusive: np.ndarray | None,
) -> float:
    """No plan in whole offers is worth more, by branch and bound over all eligible pairs; inf where there are many."""
    every = slice(0, len(case.customers))
    value = _left(case, (), (), (), every)
    who, offer = np.nonzero(value > -np.inf)
    if not 0 < len(who) <= SEARCHED:
        return math.inf
    p = case.p_take[who, offer].astype(np.float64)
    lost = p * case.pd_given_take[who].astype(np.float64) * case.lgd * np.asarray(case.terms.amount, float)[offer]
    cost = p * np.asarray(case.terms.incentive, float)[offer] + np.asarray(case.contact_cost, float)[offer]
    each = {"offers": np.ones(len(who)), "cost": cost, "loss": lost, "takers": p}
    weights = [each[s.of] * c.people[who] * c.offers[offer] for s, c in zip(specs, counts, strict=True)]
    pairs = np.arange(len(who))
    rows = [sparse.csr_matrix((np.ones(len(who)), (who, pairs)), shape=(len(case.customers), len(who)))]
    high = [np.full(len(case.customers), float(per_customer))]
    if exclusive is not None and per_customer > 1:
        names, group = np.unique(np.asarray(exclusive), return_inverse=True)
        inside = names[group[offer]] != -1
        place = who[inside] * len(names) + group[offer][inside]
        shape = (len(case.customers) * len(names), len(who))
        rows.append(sparse.csr_matrix((np.ones(len(place)), (place, pairs[inside])), shape=shape))
        high.append(np.ones(shape[0]))
    if specs:
        rows.append(sparse.csr_matrix(np.array(weights)))
        high.append(np.array([s.total if s.sense == "<=" else np.inf for s in specs]))
    upper = np.concatenate(high)
    lower = np.full(len(upper), -np.inf)
    if specs:
        lower[-len(specs) :] = [s.total if s.sense == ">=" else -np.inf for s in specs]
    return _most(value[who, offer], sparse.vstack(rows, format="csr"), lower, upper)


def _most(value: np.ndarray, rows: sparse.csr_matrix, lower: np.ndarray, upper: np.ndarray) -> float:
    """What whole choices can be worth at most under lower <= rows · choice <= upper; +inf where not found out."""
    import highspy

    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_, model.col_lower_, model.col_upper_ = value, np.zeros(len(value)), np.ones(len(value))
    model.row_lower_, model.row_upper_ = lower, upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
    model.integrality_ = [highspy.HighsVarType.kInteger] * len(value)
    search = highspy.Highs()
    search.silent()
    search.setOptionValue("threads", 1)
    search.setOptionValue("mip_rel_gap", CLOSE)
    search.setOptionValue("mip_max_nodes", NODES)
    search.passModel(model)
    search.run()
    return float(search.getInfo().mip_dual_bound)
