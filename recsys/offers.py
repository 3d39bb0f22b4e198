"""Which product a customer would take: tastes from wide behaviour, profile and holdings, in a calibrated head.

Trained on what was *taken*, not on what is owned: holdings tell what the past sold, takes tell what is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from recsys.exact import product
from scenefit.contracts.errors import NotFitted

BLOCK = 20_000  # customers scored at once: the design of 200,000 would take half a gigabyte


class Facts(NamedTuple):
    """What is known of customers at a moment: taste vectors, profile features, takes and holdings before it.

    Shapes (n, factors), (n, features) with NaN for missing, (n, products).
    """

    tastes: np.ndarray
    profile: np.ndarray
    held: np.ndarray


class NextOffer:
    """P(product | takes one, customer): multinomial logistic regression with a calibrated temperature.

    Products never taken in training share the probability of the rarest one, so that they can be tried at all.
    """

    def __init__(
        self, products: int, strengths: Sequence[float] = (0.0003, 0.003, 0.03, 0.3), max_iter: int = 200
    ) -> None:
        self.products = products
        self.strengths = strengths
        self.max_iter = max_iter

    def fit(self, facts: Facts, taken: np.ndarray, judge: np.ndarray | None = None) -> Self:
        """Learn from takes: row i took product `taken[i]`.

        `judge` marks the rows (the latest ones) that choose how far the head may leave popularity and its temperature;
        then it is fitted again on all rows. Few takes allow little: without this a head on 1,600 takes of 56 coupons
        ranks worse than popularity.
        """
        if not len(taken):
            raise NotFitted("NextOffer: nothing was taken in the learning windows; give a longer history")
        self.counts_ = np.bincount(taken, minlength=self.products)
        self.standard_ = Standard().fit(facts.profile)
        self.taste_scale_ = float(facts.tastes.std()) or 1.0
        design = self._design(facts)
        # where a judge is wanted but too small to tell anything, the head stays near popularity
        self.strength_, self.temperature_ = self.strengths[-1 if judge is None else 0], 1.0
        if judge is not None and 50 <= judge.sum() < len(taken) - 50:
            self._tune(design, taken, judge)
        self._fit_head(design, taken, self.strength_)
        return self

    def _tune(self, design: np.ndarray, taken: np.ndarray, judge: np.ndarray) -> None:
        tried = []
        for strength in self.strengths:
            self._fit_head(design[~judge], taken[~judge], strength)
            temperature, loss = _temperature(self._logits(design[judge]), taken[judge])
            tried.append((loss, strength, temperature))
        _, self.strength_, self.temperature_ = min(tried)

    def probabilities(self, facts: Facts) -> np.ndarray:
        """P(product | takes one), rows sum to 1; shape (n, products)."""
        if not hasattr(self, "coef_"):
            raise NotFitted("NextOffer: not fitted; call fit first")
        p = np.empty((len(facts.profile), self.products))
        for start in range(0, len(p), BLOCK):
            part = slice(start, start + BLOCK)
            p[part] = _softmax(self._logits(self._design(Facts(*(fact[part] for fact in facts)))) / self.temperature_)
        return p

    def _design(self, facts: Facts) -> np.ndarray:
        return np.hstack(
            [facts.tastes / self.taste_scale_, self.standard_.transform(facts.profile), np.minimum(facts.held, 2.0)]
        ).astype(np.float64)

    def _fit_head(self, design: np.ndarray, taken: np.ndarray, strength: float) -> None:
        from sklearn.linear_model import LogisticRegression

        classes, counts = np.unique(taken, return_counts=True)
        self.coef_ = np.zeros((self.products, design.shape[1]))
        if len(taken) < 2 * len(classes):
            # fewer than two takes a product: how often is all that they can tell
            rows, heights = np.zeros((len(classes), design.shape[1])), np.log(counts)
        elif len(classes) > 1:
            head = LogisticRegression(C=strength, max_iter=self.max_iter, tol=1e-3).fit(design, taken)
            # two classes share one row of coefficients with opposite signs
            rows = np.vstack([-head.coef_ / 2, head.coef_ / 2]) if len(classes) == 2 else head.coef_
            heights = (
                np.array([-head.intercept_[0] / 2, head.intercept_[0] / 2]) if len(classes) == 2 else head.intercept_
            )
        else:
            rows, heights = np.zeros((1, design.shape[1])), np.zeros(1)
        self.coef_[classes] = rows
        self.intercept_ = np.full(self.products, heights.min())
        self.intercept_[classes] = heights

    def _logits(self, design: np.ndarray) -> np.ndarray:
        return product(design, self.coef_.T) + self.intercept_


class Standard:
    """Skewed numbers to comparable ones: log1p where never negative, mean 0, deviation 1, missing flagged."""

    def fit(self, values: np.ndarray) -> Self:
        """Learn per column of (n, features) with NaN for missing."""
        known = ~np.isnan(values)
        self.log_ = np.array(
            [bool(known[:, j].any()) and float(np.nanmin(values[:, j])) >= 0 for j in range(values.shape[1])]
        )
        shaped = self._shaped(values)
        counts = np.maximum(known.sum(axis=0), 1)
        self.mean_ = np.where(known, shaped, 0).sum(axis=0) / counts
        spread = np.sqrt((np.where(known, shaped - self.mean_, 0) ** 2).sum(axis=0) / counts)
        self.scale_ = np.where(spread > 1e-9, spread, np.inf)
        self.flagged_ = np.flatnonzero((~known).any(axis=0) & known.any(axis=0))
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Standardised columns, then one flag per column that had missing values when fitted."""
        standard = np.nan_to_num((self._shaped(values) - self.mean_) / self.scale_, nan=0.0)
        return np.hstack([np.clip(standard, -5, 5), np.isnan(values[:, self.flagged_])])

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.log_, np.log1p(np.maximum(values, 0)), values)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _temperature(logits: np.ndarray, taken: np.ndarray) -> tuple[float, float]:
    """The temperature that makes held-out takes most likely, and their mean log loss there.

    Guo et al. (2017), "On calibration of modern neural networks".
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        p = _softmax(logits / np.exp(log_temperature))
        return float(-np.log(np.maximum(p[np.arange(len(taken)), taken], 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded")
    return float(np.exp(best.x)), float(best.fun)
