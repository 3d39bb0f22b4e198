"""The product that is missing from a customer's holdings: learned by hiding each one in turn.

Where only one moment is known, acquisitions are not: what is owned beside the rest has to stand in for them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.acquisition import Holder, NextProduct
from scenefit.contracts.errors import ContractError


class Hidden(NamedTuple):
    """Customers with one product hidden: whose row, which product, what is left (n, products) bool."""

    who: np.ndarray
    product: np.ndarray
    left: np.ndarray


def hide_each(holdings: np.ndarray) -> Hidden:
    """Every product of every customer hidden in turn.

    >>> hide_each(np.array([[True, False, True]])).left.astype(int).tolist()
    [[0, 0, 1], [1, 0, 0]]
    """
    who, product = np.nonzero(holdings)
    return Hidden(who, product, _without(holdings, who, product))


def hide_one(holdings: np.ndarray, rng: np.random.Generator) -> Hidden:
    """One product of each customer hidden at random; customers who own nothing are left out."""
    who = np.flatnonzero(holdings.any(axis=1))
    drawn = np.where(holdings[who], rng.random((len(who), holdings.shape[1])), -1.0)
    product = drawn.argmax(axis=1)
    return Hidden(who, product, _without(holdings, who, product))


def missing_product(
    holdings: np.ndarray, profile: np.ndarray, categories: tuple[int, ...] = (), seed: int = 0
) -> NextProduct:
    """The model of what is missing, learned from holdings (n, products) bool and profile (n, features).

    Every customer counts once, however many products they own.

    Raises
    ------
    ContractError : shapes differ.
    """
    if len(holdings) != len(profile):
        raise ContractError(
            f"missing_product: holdings of {len(holdings):,} customers, profiles of {len(profile):,}; give one row each"
        )
    each = hide_each(holdings)
    wanted = np.zeros(each.left.shape, dtype=bool)
    wanted[np.arange(len(wanted)), each.product] = True
    weights = 1 / holdings.sum(axis=1)[each.who]
    return NextProduct(categories=categories, seed=seed).fit(
        left_over(each.left, profile[each.who]), wanted, weights=weights
    )


def left_over(left: np.ndarray, profile: np.ndarray) -> Holder:
    """Customers of whom only one moment is known."""
    unknown = np.full(left.shape, np.nan)
    return Holder(left.astype(bool), unknown, unknown, profile)


def reciprocal_ranks(scores: np.ndarray, hidden: Hidden) -> np.ndarray:
    """1 / rank of each hidden product among those not held, in the middle of what it is tied with; shape (n,)."""
    ranked = np.where(hidden.left, -np.inf, scores)
    own = ranked[np.arange(len(ranked)), hidden.product][:, None]
    return 1 / (1 + (ranked > own).sum(axis=1) + ((ranked == own).sum(axis=1) - 1) / 2)


def _without(holdings: np.ndarray, who: np.ndarray, product: np.ndarray) -> np.ndarray:
    left = holdings[who].astype(bool)
    left[np.arange(len(who)), product] = False
    return left
