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
        design = self._design(offered)
        model = LogisticRegression(C=self.c, max_iter=self.max_iter, tol=1e-4).fit(design, took)
        self.coef_ = model.coef_[0]
        self.intercept_ = float(model.intercept_[0])
        self.covariance_ = covariance(design, product(design, self.coef_) + self.intercept_, self.c)
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

    def error_of_logit(self, offered: Offered) -> np.ndarray:
        """Standard error of the log-odds of P(take | offered), shape (n,).

        Raises
        ------
        NotFitted : nothing was learned, or the model was kept without its covariance.
        """
        self._check_covariance()
        design = _with_intercept(self._design(offered))
        return np.sqrt((product(design, self.covariance_) * design).sum(axis=1))

    def error_matrix(self, profile: np.ndarray, kind: np.ndarray, fit: np.ndarray) -> np.ndarray:
        """Standard error of the log-odds of every product, shape (n, products); arguments and errors as `matrix`."""
        self._check_covariance()
        n, last = len(profile), len(self.coef_) - 1
        design = _with_intercept(self._design(Offered(profile, kind, np.full(n, -1), np.zeros(n))))
        shared = product(design, self.covariance_)
        own, cov = slice(last - self.products, last), self.covariance_
        # (x + e_j + f e_last)' V (x + e_j + f e_last), term by term: no wide design per product
        variance = (shared * design).sum(axis=1)[:, None] + 2 * shared[:, own] + np.diag(cov)[own][None, :]
        variance += 2 * fit * (shared[:, [last]] + cov[own, last][None, :]) + fit**2 * cov[last, last]
        return np.sqrt(np.maximum(variance, 0.0))

    def _check_covariance(self) -> None:
        if not hasattr(self, "covariance_"):
            raise NotFitted("Response: not fitted, or kept without the covariance of its coefficients; call fit first")

    def _design(self, offered: Offered) -> np.ndarray:
        which = np.zeros((len(offered.product), self.products))
        rows = np.flatnonzero(offered.product >= 0)
        which[rows, offered.product[rows]] = 1
        return np.hstack([self.standard_.transform(offered.profile), offered.kind, which, offered.fit[:, None]])


def covariance(design: np.ndarray, logits: np.ndarray, c: float) -> np.ndarray:
    """Covariance of the coefficients of a ridge logistic regression, the intercept last and free of the penalty.

    Notes
    -----
    Laplace approximation: inverse of X'WX + I/C with W = p (1 - p) at the fit, C as in scikit-learn. Equal bytes on any
    number of threads.
    """
    from threadpoolctl import threadpool_limits

    p = _sigmoid(logits)
    wide = _with_intercept(design) * np.sqrt(p * (1 - p))[:, None]
    penalty = np.full(wide.shape[1], 1 / c)
    penalty[-1] = 0.0
    information = product(wide.T, wide) + np.diag(penalty)
    with threadpool_limits(1, "blas"):
        inverse: np.ndarray = np.linalg.inv(information)
    return (inverse + inverse.T) / 2


def _with_intercept(design: np.ndarray) -> np.ndarray:
    return np.hstack([design, np.ones((len(design), 1))])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
