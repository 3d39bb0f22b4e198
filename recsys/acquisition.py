"""Which product a customer takes next: learned from what was acquired, never from what is owned.

Ownership tells what the past sold, acquisition what is wanted now, and nobody acquires what they own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from scenefit.contracts.errors import ContractError, NotFitted


class Holder(NamedTuple):
    """Customers at the start of a period: what each holds, what is remembered of them, how numerical profiles look.

    held : (n, products) bool, at the start of the period
    before : (n, products), holdings at the end of the latest earlier period seen; NaN for customers not seen
    acquired_before : (n, products), acquisitions within that period; NaN likewise
    profile : (n, features), NaN for missing
    """

    held: np.ndarray
    before: np.ndarray
    acquired_before: np.ndarray
    profile: np.ndarray


class Seen(NamedTuple):
    """A period as it ended: customer numbers (m,) ascending, what each held then and acquired in it (m, products)."""

    customers: np.ndarray
    held: np.ndarray
    acquired: np.ndarray


def remembered(customers: np.ndarray, held: np.ndarray, earlier: Sequence[Seen], profile: np.ndarray) -> Holder:
    """Customers with what the latest of the earlier periods that saw them tells; `earlier` oldest first.

    Parameters
    ----------
    customers, held : numbers (n,), holdings at the start of the period (n, products)
    """
    before, acquired = (np.full(held.shape, np.nan) for _ in range(2))
    for period in earlier:
        place = np.searchsorted(period.customers, customers).clip(max=len(period.customers) - 1)
        known = period.customers[place] == customers
        before[known] = period.held[place[known]]
        acquired[known] = period.acquired[place[known]]
    return Holder(held.astype(bool), before, acquired, profile)


class NextProduct:
    """P(product | acquires one): boosted trees over acquisitions, what is owned masked out.

    One row per acquisition, weighted so that every customer counts once. Beside the holdings the trees see what a
    customer has given up since last seen: a product that comes and goes comes again.

    Parameters
    ----------
    rare : products acquired less often keep their share of all acquisitions and get no trees
    columns : share of the features looked at per split
    categories : columns of the profile that are codes without order
    """

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def __init__(
        self,
        rounds: int = 150,
        rate: float = 0.06,
        columns: float = 0.4,
        rare: int = 20,
        categories: tuple[int, ...] = (),
        seed: int = 0,
    ) -> None:
        self.rounds = rounds
        self.rate = rate
        self.columns = columns
        self.rare = rare
        self.categories = categories
        self.seed = seed

    def fit(self, customers: Holder, acquired: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Learn from what customers acquired in the period, (n, products) bool.

        `weights` (n,) says how much each row counts; all alike when not given.

        Raises
        ------
        ContractError : shapes differ, or somebody acquired what they held already.
        NotFitted : no two products were acquired often enough.
        """
        acquired = self._checked(customers, acquired)
        who, what = np.nonzero(acquired)
        counts = np.bincount(what, minlength=acquired.shape[1])
        often = np.flatnonzero(counts >= self.rare)
        if len(often) < 2:
            raise NotFitted(
                f"NextProduct: {len(often)} products were acquired {self.rare} times or more, at least 2 are needed; "
                "give a longer history or lower `rare`"
            )
        worth = (np.ones(len(acquired)) if weights is None else weights)[who] / acquired.sum(axis=1)[who]
        share = np.bincount(what, worth, minlength=len(counts))
        self.share_ = (share + 1 / len(share)) / (share.sum() + 1)
        kept = np.isin(what, often)
        design = _design(customers)
        self.width_ = design.shape[1]
        self.told_ = _telling(design)
        self.trees_ = self._trees(customers.profile.shape[1])
        with _one_thread():
            self.trees_.fit(design[np.ix_(who[kept], self.told_)], what[kept], sample_weight=worth[kept])
        return self

    def probabilities(self, customers: Holder) -> np.ndarray:
        """P(product | acquires one), (n, products): 0 for what is owned, rows sum to 1.

        A customer who owns everything gets zeros: there is nothing left to acquire.
        """
        if not hasattr(self, "trees_"):
            raise NotFitted("NextProduct: not fitted; call fit first")
        products = len(self.share_)
        if customers.held.shape[1] != products:
            raise ContractError(
                f"NextProduct: holdings of {customers.held.shape[1]} products, fitted on {products}; "
                "give the same products in the same order"
            )
        design = _design(customers)
        if design.shape[1] != self.width_:
            raise ContractError(
                f"NextProduct: {customers.profile.shape[1]} profile columns make {design.shape[1]} features, "
                f"fitted on {self.width_}; give the same columns in the same order"
            )
        p = np.tile(self.share_, (len(design), 1))
        common = self.trees_.classes_
        with _one_thread():
            p[:, common] = self.trees_.predict_proba(design[:, self.told_]) * self.share_[common].sum()
        p[customers.held] = 0
        total = p.sum(axis=1, keepdims=True)
        return np.divide(p, total, out=np.zeros_like(p), where=total > 0)

    def _checked(self, customers: Holder, acquired: np.ndarray) -> np.ndarray:
        acquired = np.asarray(acquired, dtype=bool)
        if acquired.shape != customers.held.shape:
            raise ContractError(
                f"NextProduct: acquisitions {acquired.shape}, holdings {customers.held.shape}; shapes must agree"
            )
        both = np.argwhere(acquired & customers.held)
        if len(both):
            raise ContractError(
                f"NextProduct: {len(both):,} acquisitions of what was held already, the first by customer "
                f"{both[0, 0]} of product {both[0, 1]}; holdings must be those of before the period"
            )
        return acquired

    def _trees(self, profile: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        coded = np.isin(self.told_, self.width_ - profile + np.array(self.categories, dtype=int))
        return HistGradientBoostingClassifier(
            max_iter=self.rounds, learning_rate=self.rate, max_leaf_nodes=15, min_samples_leaf=30,
            l2_regularization=1.0, max_features=self.columns, early_stopping=False, random_state=self.seed,
            categorical_features=coded,
        )  # fmt: skip


def map_at(scores: np.ndarray, held: np.ndarray, acquired: np.ndarray, k: int = 7) -> np.ndarray:
    """Average precision at k of each acquirer over min(acquired, k), what is held masked; shape (acquirers,).

    Ties go to the lower product.
    """
    some = acquired.any(axis=1)
    ranked = np.where(held[some], -np.inf, scores[some])
    wanted = acquired[some]
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    hit = np.take_along_axis(wanted, order, axis=1)
    precision = hit.cumsum(axis=1) / np.arange(1, hit.shape[1] + 1)
    average: np.ndarray = (precision * hit).sum(axis=1) / np.minimum(wanted.sum(axis=1), k)
    return average


def _design(customers: Holder) -> np.ndarray:
    """Holdings and how many, what was given up and how much, sizes of the earlier period, profile."""
    held, before = customers.held, customers.before
    given_up = np.where(np.isnan(before), np.nan, (before > 0) & ~held)
    return np.hstack([
        held, held.sum(axis=1)[:, None], given_up, before.sum(axis=1)[:, None],
        customers.acquired_before.sum(axis=1)[:, None], np.nansum(given_up, axis=1)[:, None], customers.profile,
    ]).astype(np.float64)  # fmt: skip


def _telling(design: np.ndarray) -> np.ndarray:
    """Features that differ between rows: a constant one would only be drawn in the place of another."""
    first = design[:1]
    return np.flatnonzero(((design != first) & ~(np.isnan(design) & np.isnan(first))).any(axis=0))


def _one_thread() -> AbstractContextManager[object]:
    from threadpoolctl import threadpool_limits

    # threads that wait for shared cores cost these small trees more than they bring
    return threadpool_limits(1, "openmp")
