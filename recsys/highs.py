"""Plans as linear or integer programmes, solved by HiGHS on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from recsys.limits import Limit

# an integer programme that is not finished by then returns the best plan found: a time limit would differ from
# machine to machine
NODES = 2_000


class Solution(NamedTuple):
    """Amounts of the variables and the price of each limit: what one more unit of it would earn."""

    amounts: np.ndarray
    prices: np.ndarray


def solution(
    cost: np.ndarray,
    upper: np.ndarray,
    rows: sparse.csr_matrix,
    people: np.ndarray,
    limits: Sequence[Limit],
    whole: bool = False,
) -> Solution | None:
    """The amounts 0 … `upper` that maximise `cost`; None when the limits cannot be met.

    `rows` holds one row per cell (at most `people` offers), then one per limit. `whole` asks for whole numbers; prices
    are zero then.
    """
    import highspy

    totals = np.array([limit.total for limit in limits])
    at_most = np.array([limit.sense == "<=" for limit in limits], dtype=bool)
    solver = _solver(highspy)
    solver.passModel(_model(highspy, cost, upper, rows, people, totals, at_most, whole))
    solver.run()
    known = solver.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if not known or not (whole or solver.getModelStatus() == highspy.HighsModelStatus.kOptimal):
        return None
    found = solver.getSolution()
    if whole:
        return Solution(np.rint(found.col_value), np.zeros(len(limits)))
    dual = np.asarray(found.row_dual)[len(people) :]
    return Solution(np.asarray(found.col_value), np.where(at_most, np.maximum(dual, 0), np.minimum(dual, 0)))


def _model(
    highspy: Any,
    cost: np.ndarray,
    upper: np.ndarray,
    rows: sparse.csr_matrix,
    people: np.ndarray,
    totals: np.ndarray,
    at_most: np.ndarray,
    whole: bool,
) -> Any:
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_, model.col_lower_, model.col_upper_ = cost, np.zeros(rows.shape[1]), upper
    model.row_lower_ = np.concatenate([np.full(len(people), -np.inf), np.where(at_most, -np.inf, totals)])
    model.row_upper_ = np.concatenate([people, np.where(at_most, totals, np.inf)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_ = rows.indptr, rows.indices
    model.a_matrix_.value_ = rows.data
    if whole:
        model.integrality_ = [highspy.HighsVarType.kInteger] * rows.shape[1]
    return model


def _solver(highspy: Any) -> Any:
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_max_nodes", NODES)
    solver.setOptionValue("mip_rel_gap", 0.0)
    return solver
