"""What a customer will do next: own habit, taste and popularity, weighed against each other on past data."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from scipy import sparse

from recsys.exact import product
from recsys.models import AlternatingLeastSquares
from scenefit.contracts.errors import NotFitted

PAIRS = 500_000  # customer × item pairs from which the weights are learned; more changes the third digit only
BLOCK = 2_000_000  # pairs scored at once: five terms each would be gigabytes for 10,000 customers × 8,000 merchants


class Past(NamedTuple):
    """Behaviour before a moment: all of it, and its last weeks."""

    whole: sparse.csr_matrix
    recent: sparse.csr_matrix


class NextItem:
    """Which merchant or scene a customer turns to next: P(item within the horizon | past).

    A logistic blend of five terms per (customer, item): the ALS score, own count, recent own count, popularity, and
    whether the item is new to the customer. The blend is learned on an earlier window than the one it is used for.
    """

    def __init__(self, als: AlternatingLeastSquares, popularity: np.ndarray):
        self.als = als
        self.popularity = np.log1p(popularity).astype(np.float32)

    def fit(self, past: Past, taken: sparse.csr_matrix, rng: np.random.Generator) -> Self:
        """Learn the weights from what followed `past` (`taken`: customers × items)."""
        from sklearn.linear_model import LogisticRegression

        users = np.flatnonzero(np.diff(taken.indptr) > 0)
        most = max(1, PAIRS // max(1, taken.shape[1]))
        if len(users) > most:
            users = np.sort(rng.choice(users, most, replace=False))
        if not len(users):
            raise NotFitted("NextItem: nobody did anything in the learning window; give a longer history")
        terms = self._terms(Past(past.whole[users], past.recent[users]))
        wanted = taken[users].toarray().ravel() > 0
        if wanted.all() or not wanted.any():
            raise NotFitted("next item: everybody did everything, or nothing; there is nothing to tell apart")
        flat = terms.reshape(-1, terms.shape[2])
        self.scale_ = np.maximum(flat.std(axis=0), 1e-6)
        model = LogisticRegression(C=1.0, max_iter=200).fit(flat / self.scale_, wanted)
        self.weights_ = (model.coef_[0] / self.scale_).astype(np.float32)
        self.intercept_ = float(model.intercept_[0])
        return self

    def scores(self, past: Past) -> np.ndarray:
        """Log-odds (customers, items)."""
        if not hasattr(self, "weights_"):
            raise NotFitted("NextItem: not fitted; call fit first")
        customers, items = past.whole.shape
        scores = np.empty((customers, items), np.float32)
        step = max(1, BLOCK // max(1, items))
        for start in range(0, customers, step):
            part = slice(start, start + step)
            terms = self._terms(Past(past.whole[part], past.recent[part]))
            scores[part] = product(terms, self.weights_) + self.intercept_
        return scores

    def _terms(self, past: Past) -> np.ndarray:
        own = past.whole.toarray()
        terms = np.empty((*own.shape, 5), np.float32)
        terms[..., 0] = self.als.scores(np.arange(len(own)), past.whole)
        terms[..., 1] = np.log1p(own)
        terms[..., 2] = np.log1p(past.recent.toarray())
        terms[..., 3] = self.popularity
        terms[..., 4] = own == 0
        return terms
