"""Who will take at all: P(take | offered), learned from past campaigns."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from recsys.exact import product
from recsys.offers import Standard
from scenefit.contracts.errors import NotFitted


class Offered(NamedTuple):
    """Offers made: who (profile then), which kind of campaign on which channel, which product, how well it fits.

    Shapes (n, features), (n, kinds) one-hot, (n,) product index or −1 for no single product, (n,) log of
    P(product | takes one) over the product's share of all takes; 0 where no single product is offered.
    """

    profile: np.ndarray
    kind: np.ndarray
    product: np.ndarray
    fit: np.ndarray


class Response:
    """Calibrated P(take | offered): logistic regression on profile, campaign kind, product and product fit.

    Products enter with a shrunken intercept each, so that a product offered rarely stays near the average.
    """

    def __init__(self, products: int, c: float = 0.1, max_iter: int = 200):
        self.products = products
        self.c = c
        self.max_iter = max_iter

    def fit(self, offered: Offered, took: np.ndarray) -> Self:
        """Learn from offers made and whether each was taken.

        Raises
        ------
        NotFitted : nobody took, or everybody: nothing can be told apart.
        """
        from sklearn.linear_model import LogisticRegression

        took = np.asarray(took, dtype=bool)
        if not took.any() or took.all():
            raise NotFitted(
                f"Response: {int(took.sum()):,} of {len(took):,} offers were taken; "
                "both outcomes are needed to learn from"
            )
        self.standard_ = Standard().fit(offered.profile)
        model = LogisticRegression(C=self.c, max_iter=self.max_iter, tol=1e-4).fit(self._design(offered), took)
        self.coef_ = model.coef_[0]
        self.intercept_ = float(model.intercept_[0])
        return self

    def probabilities(self, offered: Offered) -> np.ndarray:
        """P(take | offered), shape (n,)."""
        if not hasattr(self, "coef_"):
            raise NotFitted("Response: not fitted; call fit first")
        return _sigmoid(product(self._design(offered), self.coef_) + self.intercept_)

    def matrix(self, profile: np.ndarray, kind: np.ndarray, fit: np.ndarray) -> np.ndarray:
        """P(take | offered) of every product, shape (n, products).

        `profile` (n, features), `kind` (n, kinds) of the campaign in which each would be contacted, `fit`
        (n, products).
        """
        n = len(profile)
        # the terms of customer and kind are common to all products
        design = self._design(Offered(profile, kind, np.full(n, -1), np.zeros(n)))
        common = product(design, self.coef_) + self.intercept_
        by_product = self.coef_[-self.products - 1 : -1]
        return _sigmoid(common[:, None] + by_product[None, :] + fit * self.coef_[-1])

    def _design(self, offered: Offered) -> np.ndarray:
        which = np.zeros((len(offered.product), self.products))
        rows = np.flatnonzero(offered.product >= 0)
        which[rows, offered.product[rows]] = 1
        return np.hstack([self.standard_.transform(offered.profile), offered.kind, which, offered.fit[:, None]])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
