"""The customers that prices leave torn: solved exactly by HiGHS, as a linear programme and then in whole offers.

At the right prices nearly everybody has one clear best offer. Only the others, the core, are re-opened; what the clear
ones use is taken off the totals (sifting: Bixby et al. 1992, Operations Research 40, 885).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from recsys.limits import TOLERANCE, Limit
from recsys.match_layout import signs

# a programme in whole offers that is not finished by then returns the best plan found: a time limit would differ from
# machine to machine
NODES = 1_000
EXTRA = 120  # torn customers besides the fractional ones that are re-opened in whole offers


class Columns(NamedTuple):
    """Candidate pairs: number of the core customer, customer, offer, worth; shape (columns,).

    `weights` (limits, columns) is what each uses of the limits, floors turned round, float64.
    """

    number: np.ndarray
    who: np.ndarray
    offer: np.ndarray
    worth: np.ndarray
    weights: np.ndarray

    def some(self, kept: np.ndarray) -> Columns:
        """A choice of the pairs, their customers numbered anew."""
        number = np.unique(self.number[kept], return_inverse=True)[1]
        return Columns(number, self.who[kept], self.offer[kept], self.worth[kept], self.weights[:, kept])


class Solved(NamedTuple):
    """Amount of each pair, prices of the limits (≥ 0, floors turned round), how far each limit had to give.

    `bound` is the proven best of a programme in whole offers, the optimum of a linear one; None for no solution.
    """

    amounts: np.ndarray
    prices: np.ndarray
    slack: np.ndarray
    objective: float
    bound: float


def pair_weights(limit: Limit, who: np.ndarray, offer: np.ndarray) -> np.ndarray:
    """What each pair uses of a limit, float64."""
    rows = 0 if limit.weight.shape[0] == 1 else who
    columns = 0 if limit.weight.shape[1] == 1 else offer
    found = np.broadcast_to(np.asarray(limit.weight[rows, columns], np.float64), who.shape)
    return found if limit.where is None else np.where(limit.where[who], found, 0.0)


def used(limits: Sequence[Limit], who: np.ndarray, offer: np.ndarray) -> np.ndarray:
    """What some pairs together use of each limit, float64."""
    return np.array([pair_weights(limit, who, offer).sum() for limit in limits])


def pairs_of(
    values: np.ndarray, limits: Sequence[Limit], number: np.ndarray, who: np.ndarray, offer: np.ndarray
) -> Columns:
    """Candidate pairs with their worth and weights."""
    sign = signs(limits)
    weights = np.array([s * pair_weights(limit, who, offer) for s, limit in zip(sign, limits, strict=True)])
    worth = values[who, offer].astype(np.float64)
    return Columns(number, who, offer, worth, weights.reshape(len(limits), len(who)))


def core_programme(
    columns: Columns,
    room: np.ndarray,
    most: int,
    group: np.ndarray,
    penalty: np.ndarray | None = None,
    whole: float | None = None,
) -> Solved | None:
    """The best amounts of the candidate pairs within the room left of each limit; None when there are none.

    Parameters
    ----------
    room : (limits,) totals less what is used already, as ceilings (floors turned round)
    most : offers per customer; `group` (m,) of which one is served
    penalty : (limits,) cost of a unit by which a limit is passed; None: no limit may be passed
    whole : solve in whole offers, to this absolute gap
    """
    import highspy

    limits = len(room)
    matrix, upper = _rows(columns, room, most, group)
    worth = columns.worth
    if penalty is not None:
        relief = sparse.vstack([-sparse.identity(limits), sparse.csc_matrix((matrix.shape[0] - limits, limits))])
        matrix, worth = sparse.hstack([matrix, relief], format="csc"), np.concatenate([worth, -penalty])
    pairs = len(columns.who)
    most_of = np.concatenate([np.ones(pairs), np.full(len(worth) - pairs, np.inf)])
    solver = _solver(highspy, whole)
    solver.passModel(_model(highspy, worth, most_of, matrix.tocsc(), upper, pairs if whole is not None else 0))
    solver.run()
    info = solver.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    if whole is None and solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    found = solver.getSolution()
    amounts = np.asarray(found.col_value)
    dual = np.zeros(limits) if whole is not None else np.maximum(np.asarray(found.row_dual)[:limits], 0.0)
    objective = float(info.objective_function_value)
    bound = float(info.mip_dual_bound) if whole is not None else objective
    return Solved(amounts[:pairs], dual, amounts[pairs:], objective, bound)


def whole_offers(
    columns: Columns,
    amounts: np.ndarray,
    margin: np.ndarray,
    room: np.ndarray,
    most: int,
    group: np.ndarray,
    close: float,
    everything: bool,
) -> tuple[np.ndarray, float] | None:
    """Which candidate pairs to make, bool, and the proven best of them all (inf where only some were re-opened).

    The customers whom the linear programme left in parts, and some of their neighbours, are solved again in whole
    offers; all of them when `everything`. None when that cannot keep the limits.

    Parameters
    ----------
    amounts : of the linear programme; margin : (core customers,) how nearly torn each is
    """
    parted = np.unique(columns.number[(amounts > 1e-6) & (amounts < 1 - 1e-6)])
    order = np.argsort(margin, kind="stable")
    others = np.random.default_rng(0).permutation(len(order))
    for extra in (EXTRA, 8 * EXTRA, len(order)):
        opened = np.full(len(margin), everything)
        opened[np.concatenate([parted, order[: extra // 2], others[: extra - extra // 2]])] = True
        inside = opened[columns.number]
        made = ~inside & (amounts > 0.5)
        left = room - columns.weights[:, made].sum(axis=1)
        solved = core_programme(columns.some(inside), left, most, group, whole=close)
        if solved is not None:
            made[np.flatnonzero(inside)[solved.amounts > 0.5]] = True
            use = columns.weights[:, made].sum(axis=1)
            # against the totals themselves the plan is added up again afterwards
            if (use <= room + TOLERANCE * np.maximum(1.0, np.abs(room))).all():
                return made, solved.bound if everything else np.inf
        if opened.all():
            break
    return None


def _rows(columns: Columns, room: np.ndarray, most: int, group: np.ndarray) -> tuple[sparse.csc_matrix, np.ndarray]:
    """One row per limit, per customer and, where several offers are allowed, per customer and group."""
    pairs, upper = np.arange(len(columns.who)), [room]
    people = int(columns.number.max(initial=-1)) + 1
    each = sparse.csr_matrix((np.ones(len(pairs)), (columns.number, pairs)), shape=(people, len(pairs)))
    stacked = [sparse.csr_matrix(columns.weights), each]
    upper.append(np.full(people, float(most)))
    if most > 1 and len(pairs):
        _, row = np.unique(columns.number * (int(group.max()) + 1) + group[columns.offer], return_inverse=True)
        sizes = np.bincount(row)
        kept = np.flatnonzero(sizes > 1)
        once = sparse.csr_matrix((np.ones(len(pairs)), (row, pairs)), shape=(len(sizes), len(pairs)))[kept]
        stacked.append(once)
        upper.append(np.ones(len(kept)))
    return sparse.vstack(stacked, format="csc"), np.concatenate(upper)


def _model(
    highspy: Any, worth: np.ndarray, most: np.ndarray, matrix: sparse.csc_matrix, upper: np.ndarray, whole: int
) -> Any:
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_, model.col_lower_, model.col_upper_ = worth, np.zeros(len(worth)), most
    model.row_lower_, model.row_upper_ = np.full(len(upper), -np.inf), upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data
    if whole:
        kinds = [highspy.HighsVarType.kInteger] * whole
        model.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * (len(worth) - whole)
    return model


def _solver(highspy: Any, whole: float | None) -> Any:
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    if whole is None:
        solver.setOptionValue("solver", "simplex")
    else:
        solver.setOptionValue("mip_max_nodes", NODES)
        solver.setOptionValue("mip_rel_gap", 0.0)
        solver.setOptionValue("mip_abs_gap", whole)
    return solver
