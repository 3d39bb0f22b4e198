"""Whether limits can be met together, and the least slack one of them needs: everybody's choices, a few at a time.

A linear programme over all customers would have a column per pair. Instead a small one mixes whole choices of groups
of customers, and everybody's best choice at its prices is added until the answer is proven (Dantzig & Wolfe 1960,
Operations Research 8, 101). A proof of infeasibility holds for every customer separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from recsys.limits import Limit
from recsys.problem import Problem
from recsys.ranking import unpack

TOLERANCE = 1e-7  # of a limit's total
ROUNDS = 400
GROUPS = 64  # groups of customers that mix on their own; more are counted with the last
ROWS = 50_000
HARD = 1e4  # price of the slack of limits that are to be kept


class Verdict(NamedTuple):
    """`met`: all can be kept; `slack` of the soft one in its units; `needed`: what a proof that not rests on."""

    met: bool
    slack: float
    needed: tuple[int, ...]


class Choices:
    """What groups of customers can use of the limits; choices found for one question serve all later ones.

    `usage[k]` (limits,) belongs to group `group[k]`; the first choices are to offer nobody anything.
    """

    def __init__(self, problem: Problem, limits: Sequence[Limit]) -> None:
        self.problem = problem
        self.limits = list(limits)
        self.sign = np.array([1.0 if limit.sense == "<=" else -1.0 for limit in limits])
        self.total = np.array([limit.total for limit in limits])
        self.scale = np.maximum(1.0, np.abs(self.total))
        self.people = _groups(limits, len(problem.values))
        count = int(self.people.max(initial=0)) + 1
        self.usage = [np.zeros(len(limits)) for _ in range(count)]
        self.group = list(range(count))

    def respond(self, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Everybody's choice of least price: what each group uses (groups, limits) and pays (groups,)."""
        count = int(self.people.max(initial=0)) + 1
        used = np.zeros((count, len(self.limits)))
        n, m = self.problem.values.shape
        for first in range(0, n, ROWS):
            rows = np.arange(first, min(first + ROWS, n))
            price = np.zeros((len(rows), m))
            for limit, at in zip(self.limits, prices * self.sign, strict=True):
                if at:
                    price += at * _weights(limit, rows)
            allowed = unpack(self.problem.eligible[rows], m)
            who, offer = _cheapest(np.where(allowed, price, np.inf), self.problem.per_customer, self.problem.group)
            for number, limit in enumerate(self.limits):
                each = np.broadcast_to(_weights(limit, rows), (len(rows), m))[who, offer]
                used[:, number] += np.bincount(self.people[rows[who]], weights=each, minlength=count)
        return used, used @ (prices * self.sign)


def smallest_slack(choices: Choices, kept: Sequence[int], soft: int | None = None) -> Verdict:
    """Whether the limits `kept` can be met; with `soft`, by how little one of them has to give for the others to be."""
    kept = list(kept)
    if not kept:
        return Verdict(True, 0.0, ())
    price = np.ones(len(kept)) if soft is None else np.where(np.array(kept) == soft, 1.0, HARD)
    best = -np.inf
    for _ in range(ROUNDS):
        slack, dual, share = _master(choices, kept, price)
        cost = float(price @ slack)
        if soft is None and cost <= TOLERANCE:
            return Verdict(True, 0.0, ())
        prices = np.zeros(len(choices.limits))
        prices[kept] = dual / choices.scale[kept]
        used, paid = choices.respond(prices)
        best = max(best, float(paid.sum() - (prices * choices.sign) @ choices.total))
        if soft is None and best > TOLERANCE:
            return Verdict(False, 0.0, tuple(n for n, at in zip(kept, dual, strict=True) if at > 1e-12))
        better = np.flatnonzero(paid < share - TOLERANCE / 10)
        if not len(better) or cost - best <= TOLERANCE:
            break
        choices.usage += list(used[better])
        choices.group += better.tolist()
    at = kept.index(soft) if soft is not None else 0
    return Verdict(True, float(slack[at] * choices.scale[kept[at]]), ())


def _master(choices: Choices, kept: list[int], price: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mix of known choices of least slack: slacks and prices (kept,) relative to totals, price of each group."""
    from scipy import sparse
    from scipy.optimize import linprog

    group = np.array(choices.group)
    usage = (np.array(choices.usage)[:, kept] * choices.sign[kept] / choices.scale[kept]).T
    count = int(group.max()) + 1
    size = len(group)
    one = sparse.csr_matrix((np.ones(size), (group, np.arange(size))), shape=(count, size))
    found: Any = linprog(
        np.concatenate([np.zeros(size), price]),
        A_ub=sparse.hstack([sparse.csr_matrix(usage), -sparse.identity(len(kept))], format="csr"),
        b_ub=choices.sign[kept] * choices.total[kept] / choices.scale[kept],
        A_eq=sparse.hstack([one, sparse.csr_matrix((count, len(kept)))], format="csr"),
        b_eq=np.ones(count),
        method="highs",
    )
    return found.x[size:], np.maximum(-found.ineqlin.marginals, 0.0), found.eqlin.marginals


def _groups(limits: Sequence[Limit], n: int) -> np.ndarray:
    """Group of each customer from 0: who counts towards the same limits mixes together."""
    group = np.zeros(n, np.int64)
    for limit in limits:
        if limit.where is not None:
            group = np.unique(group * 2 + limit.where, return_inverse=True)[1]
    return np.minimum(group, GROUPS - 1)


def _weights(limit: Limit, rows: np.ndarray) -> np.ndarray:
    """Weights of some customers, broadcasting to (rows, m)."""
    weight = limit.weight if limit.weight.shape[0] == 1 else limit.weight[rows]
    return weight if limit.where is None else weight * limit.where[rows][:, None]


def _cheapest(price: np.ndarray, most: int, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and offers of the up to `most` offers of least price below 0, one of a group."""
    if most == 1:
        offer = price.argmin(axis=1)
        who = np.flatnonzero(price[np.arange(len(price)), offer] < 0)
        return who, offer[who]
    best = np.full(price.shape, np.inf)
    for name in np.unique(group):
        columns = np.flatnonzero(group == name)
        offer = columns[price[:, columns].argmin(axis=1)]
        rows = np.arange(len(price))
        best[rows, offer] = price[rows, offer]
    order = np.argsort(best, axis=1, kind="stable")[:, :most]
    who, place = np.nonzero(np.take_along_axis(best, order, axis=1) < 0)
    return who, order[who, place]
