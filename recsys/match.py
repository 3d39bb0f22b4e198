"""Who gets which offer: the most valuable plan under budget, capacity, loss and reach limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.fill import topped_up
from recsys.limits import Limit
from recsys.plan import Plan, upper_bound
from recsys.problem import Problem
from recsys.ranking import unpack

__all__ = ["Plan", "greedy", "match_offers", "upper_bound"]


def match_offers(
    values: np.ndarray,
    eligible: np.ndarray,
    limits: Sequence[Limit],
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
) -> Plan:
    """The most valuable plan with at most `per_customer` offers each, every limit kept.

    Parameters
    ----------
    values : (n, m) value of offering, currency units
    eligible : bits (n, words)
    limits : see `Limit`
    exclusive : (m,) group of each offer, from 0; a customer gets at most one of a group

    Raises
    ------
    ContractError : values are not finite, or shapes do not fit.
    NotEligible : no customer may get any offer.
    Infeasible : names the limits that cannot be met together, and by how much.
    """
    return Problem(values, eligible, limits, per_customer, exclusive).solve()


def greedy(values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit], cost: np.ndarray) -> np.ndarray:
    """What a team does by hand: the best value per cost first, everybody's own best, while limits have room.

    Whoever's best does not fit is tried with the next best, through all products. Keeps "<=" limits only: it is
    spared the reach floors that bind the plan.
    """
    allowed = unpack(eligible, values.shape[1])
    per_cost = np.where(allowed & (values > 0), values / np.maximum(cost, 1e-9), -np.inf)
    return topped_up(np.full(len(values), -1), per_cost, limits, rounds=values.shape[1])
