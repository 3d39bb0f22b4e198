"""What a ranking of customers and offers would have earned within a budget: the figure a marketer pays for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError


class BudgetValue(NamedTuple):
    """Realised value (CNY) of contacts in the order of scores until the budget is spent.

    perfect : value when contacted in the order of realised value ÷ cost instead (all worthwhile ones that fit)
    share : value ÷ perfect; NaN where even the perfect order earns nothing
    """

    value: float
    spent: float
    contacted: float
    perfect: float
    share: float


def value_at_budget(scores: np.ndarray, realised: np.ndarray, cost: np.ndarray, budget: float) -> BudgetValue:
    """Realised value of the best scored contacts that a budget pays for.

    Parameters
    ----------
    scores : shape (contacts,), higher is contacted earlier
    realised : CNY each contact earned before its cost (0 where nothing was taken)
    cost : CNY of each contact, above 0
    budget : CNY

    Raises
    ------
    ContractError : shapes differ, a value is missing, or a cost is not positive.

    Notes
    -----
    Equal scores are contacted in one go, each in the same part when the money ends among them: order within a tie
    earns neither luck nor penalty. The last contact may be a part as well, so that a figure does not jump with it.

    >>> value_at_budget(np.array([3.0, 2.0, 1.0]), np.array([0.0, 9.0, 5.0]), np.ones(3), 2).value
    7.0
    """
    scores, realised, cost = (np.asarray(part, np.float64) for part in (scores, realised, cost))
    if not scores.shape == realised.shape == cost.shape or scores.ndim != 1:
        raise ContractError(
            f"value_at_budget: scores {scores.shape}, realised {realised.shape}, cost {cost.shape}; give one each"
        )
    if np.isnan(scores).any() or not np.isfinite(realised).all() or not (cost > 0).all() or not budget >= 0:
        raise ContractError(
            f"value_at_budget: a score or value is missing, a cost is not above 0, or the budget {budget} is negative"
        )
    value, spent, contacted = _bought(scores, realised, cost, budget)
    # contacts that cost more than they earned are left out by who knows the outcome
    worth = realised > cost
    perfect, _, _ = _bought(realised[worth] / cost[worth], realised[worth], cost[worth], budget)
    return BudgetValue(value, spent, contacted, perfect, value / perfect if perfect > 0 else float("nan"))


def _bought(scores: np.ndarray, realised: np.ndarray, cost: np.ndarray, budget: float) -> tuple[float, float, float]:
    """Value net of cost, money spent and contacts made, going down the scores tie by tie."""
    if not len(scores):
        return 0.0, 0.0, 0.0
    _, tie = np.unique(-scores, return_inverse=True)
    price, gain, size = np.bincount(tie, cost), np.bincount(tie, realised - cost), np.bincount(tie)
    part = np.clip((budget - (np.cumsum(price) - price)) / price, 0, 1)
    return float((part * gain).sum()), float((part * price).sum()), float((part * size).sum())
