"""Recommenders behind one door: fit on counts, rank for customers, never an ineligible id."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse

from recsys.exact import product
from recsys.ranking import Ranking, top_n
from scenefit.contracts.errors import NotFitted


class Recommender(Protocol):
    """What every model of this room can do."""

    def fit(self, matrix: sparse.csr_matrix) -> Self: ...

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray: ...

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking: ...


class Popularity:
    """What most people do: the same ranking for everybody, the baseline every model must beat."""

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn how many customers touched each item."""
        self.counts_ = np.asarray((matrix > 0).sum(axis=0)).ravel().astype(np.float32)
        return self

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:  # noqa: ARG002
        """Scores (users, items); the same row for everybody."""
        if not hasattr(self, "counts_"):
            raise NotFitted("Popularity: not fitted; call fit(matrix) first")
        return np.tile(self.counts_, (len(users), 1))

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n most popular eligible items for each of `users`."""
        return top_n(self.scores(users, sparse.csr_matrix((len(users), 0))), n, eligible)


class AlternatingLeastSquares:
    """implicit's ALS for implicit feedback: tastes of customers and items as vectors.

    Hu, Koren & Volinsky (2008), "Collaborative filtering for implicit feedback datasets". Reproducible for any
    number of threads. Customers are always folded in batched (one by one is 240 times slower).
    """

    def __init__(
        self, factors: int = 32, regularization: float = 20.0, alpha: float = 4.0, iterations: int = 10, seed: int = 0
    ):
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.iterations = iterations
        self.seed = seed

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn item vectors from counts of shape (customers, items)."""
        active = matrix[np.diff(matrix.indptr) > 0]
        model = self._model()
        if active.shape[0]:
            from threadpoolctl import threadpool_limits

            with threadpool_limits(1, "blas"):
                model.fit(_writable(active), show_progress=False)
            self.item_factors_ = np.asarray(model.item_factors, dtype=np.float32)
        else:
            self.item_factors_ = np.zeros((matrix.shape[1], self.factors), np.float32)
        self.history_ = matrix
        return self

    def fold_in(self, history: sparse.csr_matrix) -> np.ndarray:
        """Vectors (rows, factors) of customers with this history; zeros where there is none."""
        if not hasattr(self, "item_factors_"):
            raise NotFitted("AlternatingLeastSquares: not fitted; call fit(matrix) first")
        vectors = np.zeros((history.shape[0], self.factors), np.float32)
        active = np.flatnonzero(np.diff(history.indptr) > 0)
        if len(active):
            from threadpoolctl import threadpool_limits

            model = self._model()
            model.item_factors = np.array(self.item_factors_)
            with threadpool_limits(1, "blas"):
                vectors[active] = model.recalculate_user(np.arange(len(active)), _writable(history[active]))
        return vectors

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:  # noqa: ARG002
        """Scores (users, items) of customers with this history."""
        return product(self.fold_in(history), self.item_factors_.T)

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n best eligible items for each of `users` (rows of the fitted matrix)."""
        if not hasattr(self, "history_"):
            raise NotFitted("AlternatingLeastSquares: not fitted; call fit(matrix) first")
        return top_n(self.scores(users, self.history_[users]), n, eligible)

    def _model(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares as Als
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            return Als(
                factors=self.factors, regularization=self.regularization, alpha=self.alpha, iterations=self.iterations,
                num_threads=1, random_state=self.seed,
            )  # fmt: skip


RECOMMENDERS: dict[str, type[Popularity] | type[AlternatingLeastSquares]] = {
    "popularity": Popularity,
    "als": AlternatingLeastSquares,
}


def _writable(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """A private copy: implicit refuses the read-only arrays that Ray hands over."""
    return sparse.csr_matrix((matrix.data.copy(), matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
