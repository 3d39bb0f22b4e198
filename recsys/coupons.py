"""Which coupon of a booklet a customer redeems: what they bought of what it covers, and what others buy of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.exact import product
from recsys.interactions import Interactions, microseconds
from scenefit.contracts.errors import ContractError, NotFitted

DAY = 86_400_000_000  # microseconds
HALF_LIVES = (28.0, 84.0)  # days in which a purchase loses half of its weight: a month, a season
STRENGTH = 0.003  # of the ridge on weights of scaled terms; 0.0003 to 0.03 rank alike
BLOCK = 2_000_000  # customer × coupon pairs scored at once


class Mailing(NamedTuple):
    """One booklet: what its coupons cover, the moment it goes out, and rows of the customers who get it.

    covers : (coupons, products) sparse, above 0 where covered; products in the order of the behaviour's items
    """

    covers: sparse.csr_matrix
    start: pd.Timestamp
    mailed: np.ndarray


class Redemptions(NamedTuple):
    """A mailing that has ended: rows of customers (n,) and which coupons each redeemed, (n, coupons) bool."""

    mailing: Mailing
    who: np.ndarray
    redeemed: np.ndarray


class NextCoupon:
    """P(coupon | redeems one of the booklet): conditional logit on own purchases and on those of everybody mailed.

    Own purchases of what a coupon covers count in all and with two half-lives; how often and by how many of the mailed
    it is bought decides among coupons that a customer has no history with.

    McFadden (1974), "Conditional logit analysis of qualitative choice behavior".
    """

    def __init__(self, half_lives: Sequence[float] = HALF_LIVES, strength: float = STRENGTH) -> None:
        self.half_lives = tuple(half_lives)
        self.strength = strength

    def fit(self, behaviour: Interactions, ended: Sequence[Redemptions]) -> Self:
        """Learn from mailings that have ended, each described by purchases before it went out.

        Every customer who redeemed counts once, however many coupons.

        Raises
        ------
        NotFitted : nobody redeemed anything.
        ContractError : shapes of customers, coupons or products differ.
        """
        blocks, chosen = [], []
        for past in ended:
            coupons = past.mailing.covers.shape[0]
            if past.redeemed.shape != (len(past.who), coupons):
                raise ContractError(
                    f"NextCoupon: redemptions {past.redeemed.shape} of {len(past.who):,} customers and {coupons:,} "
                    "coupons; give one row per customer and one column per coupon"
                )
            some = past.redeemed.any(axis=1)
            if some.any():
                blocks.append(self._terms(behaviour, past.mailing, past.who[some]))
                chosen.append(past.redeemed[some] / past.redeemed[some].sum(axis=1, keepdims=True))
        if not blocks:
            raise NotFitted("NextCoupon: nobody redeemed a coupon in the mailings given; give older or more mailings")
        scale = np.concatenate([block.reshape(-1, block.shape[2]) for block in blocks]).std(axis=0)
        scale = np.where(scale > 0, scale, np.inf)
        self.weights_ = _conditional_logit([block / scale for block in blocks], chosen, self.strength) / scale
        return self

    def probabilities(self, behaviour: Interactions, mailing: Mailing, users: np.ndarray) -> np.ndarray:
        """P(coupon | redeems one), (users, coupons), from purchases before the mailing; rows sum to 1.

        Raises
        ------
        NotFitted : fit was not called.
        ContractError : the coupons cover other products than the behaviour knows.
        """
        if not hasattr(self, "weights_"):
            raise NotFitted("NextCoupon: not fitted; call fit first")
        p = np.empty((len(users), mailing.covers.shape[0]))
        step = max(1, BLOCK // max(1, p.shape[1]))
        for begin in range(0, len(users), step):
            part = slice(begin, begin + step)
            p[part] = _softmax(product(self._terms(behaviour, mailing, users[part]), self.weights_))
        return p

    def _terms(self, behaviour: Interactions, mailing: Mailing, users: np.ndarray) -> np.ndarray:
        """Terms of (users, coupons): own purchases, the same fading, none at all, everybody's, number of buyers."""
        covers = mailing.covers.sign().T.tocsr()
        if covers.shape[0] != len(behaviour.items):
            raise ContractError(
                f"NextCoupon: coupons over {covers.shape[0]:,} products, purchases of {len(behaviour.items):,}; "
                "give the columns of `covers` in the order of the behaviour's items"
            )
        bought = behaviour.matrix(mailing.start) @ covers
        own, mailed = bought[users].toarray(), bought[mailing.mailed]
        fading = [(_fading(behaviour, mailing.start, days)[users] @ covers).toarray() for days in self.half_lives]
        popular = np.log1p(np.asarray(mailed.sum(axis=0)).ravel())
        buyers = np.log1p(np.asarray((mailed > 0).sum(axis=0)).ravel())
        blocks = [np.log1p(own), *map(np.log1p, fading), own == 0, popular, buyers]
        terms = np.empty((*own.shape, len(blocks)))
        for number, block in enumerate(blocks):
            terms[..., number] = block
        return terms


def _fading(behaviour: Interactions, moment: pd.Timestamp, half_life: float) -> sparse.csr_matrix:
    """Purchases before a moment (customers, products), each halved for every half-life since."""
    stop = np.searchsorted(behaviour.at, microseconds(moment), "left")
    age = (microseconds(moment) - behaviour.at[:stop]) / DAY
    shape = (len(behaviour.customers), len(behaviour.items))
    return sparse.csr_matrix((0.5 ** (age / half_life), (behaviour.who[:stop], behaviour.what[:stop])), shape=shape)


def _conditional_logit(blocks: list[np.ndarray], chosen: list[np.ndarray], strength: float) -> np.ndarray:
    """Weights that make what was chosen most likely, less a ridge; blocks (n, choices, terms), chosen (n, choices)."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    people = sum(len(block) for block in blocks)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.0, np.zeros(len(weights))
        for block, share in zip(blocks, chosen, strict=True):
            p = _softmax(block @ weights)
            total -= float((share * np.log(np.maximum(p, 1e-300))).sum())
            slope += np.tensordot(p - share, block, axes=((0, 1), (0, 1)))
        return total / people + strength * float(weights @ weights) / 2, slope / people + strength * weights

    # with more threads the last bit of a sum depends on how it was split
    with threadpool_limits(1, "blas"):
        found = minimize(loss, np.zeros(blocks[0].shape[2]), jac=True, method="L-BFGS-B")
    weights: np.ndarray = found.x
    return weights


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
