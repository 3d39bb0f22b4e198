"""The plan in cells: customers of one segment and value band together, solved exactly by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.limits import Limit
from scenefit.contracts.errors import Infeasible

VARIABLES = 20_000  # HiGHS solves this many cell variables in about a second
BANDS = 12
TOLERANCE = 1e-6


class Cells(NamedTuple):
    """Means over the eligible members of each cell.

    `value` (cells, m), `eligible` (cells, m) and `people` (cells,) counts, `weights` one (cells, m) per limit.
    """

    value: np.ndarray
    eligible: np.ndarray
    people: np.ndarray
    weights: list[np.ndarray]


def banded(values: np.ndarray, allowed: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Cells cut into bands of similar best value, as many as the size of the linear programme permits; from 0."""
    used, compact = np.unique(cells, return_inverse=True)
    bands = int(np.clip(VARIABLES // (len(used) * values.shape[1]), 1, BANDS))
    best = np.where(allowed, values, -np.inf).max(axis=1)
    order = np.lexsort((best, compact))
    sizes = np.bincount(compact)
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    band = rank * bands // np.maximum(sizes[compact], 1)
    return np.unique(compact * bands + band, return_inverse=True)[1]


def cell_plan(
    values: np.ndarray, allowed: np.ndarray, limits: Sequence[Limit], groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Customers per (cell, product), fractional, and the price of each limit.

    Raises
    ------
    Infeasible : names the limits that cannot be met together, and by how much.
    """
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
    solved = _solve(cells, limits)
    if solved is None:
        raise Infeasible(_conflict(cells, limits))
    x, prices = solved
    return x.reshape(cells.value.shape), prices


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


def _solve(cells: Cells, limits: Sequence[Limit]) -> tuple[np.ndarray, np.ndarray] | None:
    """Amounts and prices of the most valuable plan; None when the limits cannot be met."""
    return _highs(cells.value.ravel(), cells.eligible.ravel(), _rows(cells), cells.people, limits)


def _conflict(cells: Cells, limits: Sequence[Limit]) -> str:
    """The sentence for limits that cannot be met: how far each would have to move (smallest sum of moves)."""
    signs = np.array([-1.0 if limit.sense == "<=" else 1.0 for limit in limits])
    relief = sparse.vstack([sparse.csr_matrix((len(cells.people), len(limits))), sparse.diags(signs)])
    matrix = sparse.hstack([_rows(cells), relief], format="csr")
    cost = np.concatenate([np.zeros(cells.value.size), -np.ones(len(limits))])
    upper = np.concatenate([cells.eligible.ravel(), np.full(len(limits), np.inf)])
    relaxed = _highs(cost, upper, matrix, cells.people, limits)
    moves = np.zeros(len(limits)) if relaxed is None else relaxed[0][cells.value.size :]
    missing = [
        f"{limit.name!r} ({limit.sense} {limit.total:,.6g}) would have to move by {amount:,.6g}"
        for limit, amount in zip(limits, moves, strict=True)
        if amount > TOLERANCE
    ]
    return f"match: the limits cannot be met together: {'; '.join(missing[:5])}. Loosen one of them"


def _rows(cells: Cells) -> sparse.csr_matrix:
    """One row per cell (at most one offer each), then one per limit."""
    count, m = cells.value.shape
    one_each = sparse.kron(sparse.identity(count), np.ones((1, m)), format="csr")
    ties = [sparse.csr_matrix(weights.reshape(1, -1)) for weights in cells.weights]
    return sparse.vstack([one_each, *ties], format="csr")


def _highs(
    cost: np.ndarray, upper: np.ndarray, matrix: sparse.csr_matrix, people: np.ndarray, limits: Sequence[Limit]
) -> tuple[np.ndarray, np.ndarray] | None:
    import highspy

    totals = np.array([limit.total for limit in limits])
    at_most = np.array([limit.sense == "<=" for limit in limits], dtype=bool)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_, model.col_lower_, model.col_upper_ = cost, np.zeros(matrix.shape[1]), upper
    model.row_lower_ = np.concatenate([np.full(len(people), -np.inf), np.where(at_most, -np.inf, totals)])
    model.row_upper_ = np.concatenate([people, np.where(at_most, totals, np.inf)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    solution = solver.getSolution()
    dual = np.asarray(solution.row_dual)[len(people) :]
    return np.asarray(solution.col_value), np.where(at_most, np.maximum(dual, 0), np.minimum(dual, 0))
