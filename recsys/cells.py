"""The plan in cells: customers of one segment and value band together, solved exactly by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.highs import solution
from recsys.limits import Limit, broadcast_weights

VARIABLES = 20_000  # HiGHS solves this many cell variables in about a second
BANDS = 12
WHOLE = 1_000  # up to here the programme is solved in whole offers as well
TOLERANCE = 1e-6  # of HiGHS


class Cells(NamedTuple):
    """Means over the eligible members of each cell.

    `value` (cells, m), `eligible` (cells, m) and `people` (cells,) counts, `weights` one (cells, m) per limit.
    """

    value: np.ndarray
    eligible: np.ndarray
    people: np.ndarray
    weights: list[np.ndarray]


class CellPlan(NamedTuple):
    """Customers per (cell, product), fractional, and the price of each limit.

    `conflict` says, where the limits cannot be met by means of cells, how far they would have to move; the amounts are
    those of the smallest move then.
    """

    amounts: np.ndarray
    prices: np.ndarray
    conflict: str


def banded(values: np.ndarray, allowed: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Cells cut into bands of similar best value, as many as the size of the linear programme permits; from 0.

    Few customers are a cell each: then the linear programme is exact.
    """
    n, m = values.shape
    if values.size <= VARIABLES:
        return np.arange(n)
    used, compact = np.unique(cells, return_inverse=True)
    bands = int(np.clip(VARIABLES // (len(used) * m), 1, BANDS))
    best = np.where(allowed, values, -np.inf).max(axis=1)
    order = np.lexsort((best, compact))
    sizes = np.bincount(compact)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    band = rank * bands // np.maximum(sizes[compact], 1)
    return np.unique(compact * bands + band, return_inverse=True)[1]


def cell_plan(values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit], groups: np.ndarray) -> CellPlan:
    """The most valuable plan by cell, and the price of each limit."""
    n = len(values)
    members = sparse.csr_matrix((np.ones(n), (groups, np.arange(n))), shape=(int(groups.max()) + 1, n))
    eligible = members @ allowed.astype(float)
    safe = np.maximum(eligible, 1)
    cells = Cells(
        members @ np.where(allowed, values, 0) / safe,
        eligible,
        members @ allowed.any(axis=1).astype(float),
        [_mean_weight(limit, members, allowed, safe) for limit in limits],
    )
    shape = cells.value.shape
    solved = solution(cells.value.ravel(), cells.eligible.ravel(), _rows(cells), cells.people, limits)
    if solved is not None:
        return CellPlan(solved.amounts.reshape(shape), solved.prices, "")
    amounts, conflict = _smallest_move(cells, limits)
    return CellPlan(amounts.reshape(shape), np.zeros(len(limits)), conflict)


def whole_plan(values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit]) -> np.ndarray | None:
    """Offer index per customer or −1 of the best plan in whole offers; None when there is none, or too many pairs."""
    if values.size > WHOLE:
        return None
    n, m = values.shape
    weights = [np.broadcast_to(broadcast_weights(limit), (n, m)) for limit in limits]
    cells = Cells(np.where(allowed, values, 0.0), allowed.astype(float), np.ones(n), weights)
    solved = solution(cells.value.ravel(), cells.eligible.ravel(), _rows(cells), cells.people, limits, whole=True)
    if solved is None:
        return None
    chosen = solved.amounts.reshape(n, m) > 0
    return np.where(chosen.any(axis=1), chosen.argmax(axis=1), -1)


def whole_quota(x: np.ndarray) -> np.ndarray:
    """Whole customers per (cell, product): largest remainders, never more than the cell's total."""
    floor = np.floor(x + TOLERANCE)
    spare = np.round(x.sum(axis=1) - floor.sum(axis=1)).astype(int)
    order = np.argsort(-(x - floor), axis=1, kind="stable")
    ranks = np.argsort(order, axis=1, kind="stable")
    return (floor + (ranks < spare[:, None])).astype(np.int64)


def _mean_weight(limit: Limit, members: sparse.csr_matrix, allowed: np.ndarray, safe: np.ndarray) -> np.ndarray:
    if limit.where is None and limit.weight.shape[0] == 1:
        return np.broadcast_to(limit.weight, safe.shape)
    inside = allowed if limit.where is None else allowed & limit.where[:, None]
    return members @ (inside * limit.weight) / safe


def _smallest_move(cells: Cells, limits: Sequence[Limit]) -> tuple[np.ndarray, str]:
    """Amounts of the plan that breaks the limits least (smallest sum of moves), and the sentence that says how far."""
    signs = np.array([-1.0 if limit.sense == "<=" else 1.0 for limit in limits])
    relief = sparse.vstack([sparse.csr_matrix((len(cells.people), len(limits))), sparse.diags(signs)])
    matrix = sparse.hstack([_rows(cells), relief], format="csr")
    cost = np.concatenate([np.zeros(cells.value.size), -np.ones(len(limits))])
    upper = np.concatenate([cells.eligible.ravel(), np.full(len(limits), np.inf)])
    relaxed = solution(cost, upper, matrix, cells.people, limits)
    size = cells.value.size
    amounts, moves = (np.zeros(size), np.zeros(len(limits))) if relaxed is None else np.split(relaxed.amounts, [size])
    missing = [
        f"{limit.name!r} ({limit.sense} {limit.total:,.6g}) would have to move by {amount:,.6g}"
        for limit, amount in zip(limits, moves, strict=True)
        if amount > TOLERANCE
    ]
    return amounts, f"match: the limits cannot be met together: {'; '.join(missing[:5])}. Loosen one of them"


def _rows(cells: Cells) -> sparse.csr_matrix:
    """One row per cell (at most one offer each), then one per limit."""
    count, m = cells.value.shape
    one_each = sparse.kron(sparse.identity(count), np.ones((1, m)), format="csr")
    ties = [sparse.csr_matrix(weights.reshape(1, -1)) for weights in cells.weights]
    return sparse.vstack([one_each, *ties], format="csr")
