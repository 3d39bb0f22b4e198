"""Item neighbours: what those who touched this touched as well, by cosine, TF-IDF, BM25 or a walk."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from scipy import sparse

from recsys.histories import checked_history, checked_weights, recommended
from recsys.ranking import Ranking
from scenefit.contracts.errors import SettingsError

CELLS = 4_000_000  # similarities compared at once: bounds memory whatever the number of items


class ItemNeighbours:
    """Cosine neighbours: each item speaks for the `neighbours` items nearest to it, never for itself.

    The weights are those of implicit's CosineRecommender; similarities are ours, because implicit counts an item among
    its own neighbours, divides by zero where nothing was touched and refuses arrays that may not be written to.

    Parameters
    ----------
    neighbours : nearest items kept for each item; ties go to the lower id
    """

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def __init__(self, neighbours: int = 100) -> None:
        self.neighbours = neighbours

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn neighbours from weights of shape (customers, items).

        Raises
        ------
        SettingsError : neighbours is below 1, or a setting of the weights makes no sense.
        """
        if self.neighbours < 1:
            raise SettingsError(f"{type(self).__name__}: neighbours is {self.neighbours}; keep at least one per item")
        rows = checked_weights(matrix, type(self).__name__)
        left, right = self._sides(rows)
        self.similarity_ = _nearest(left, right, self.neighbours)
        self.history_ = rows
        return self

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:
        """Scores (users, items): similarities added up over the history, by weight."""
        items = self.similarity_.shape[0] if hasattr(self, "similarity_") else None
        rows = checked_history(self, users, history, items)
        return np.asarray((rows @ self.similarity_).toarray(), dtype=np.float32)

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n best eligible items for each of `users` (rows of the fitted matrix)."""
        return recommended(self, users, n, eligible)

    def _sides(self, rows: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """Two weighted matrices (customers, items): the similarity of i and j is the product of left i and right j."""
        unit = _unit_columns(rows.astype(np.float64))
        return unit, unit


class TfIdfNeighbours(ItemNeighbours):
    """TF-IDF neighbours: customers who touch everything say less; cosine of √weight · log(items / (1 + touched))."""

    def _sides(self, rows: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        weights = rows.astype(np.float64)
        weights.data = np.sqrt(weights.data) * _rarity(rows)
        unit = _unit_columns(weights)
        return unit, unit


class Bm25Neighbours(ItemNeighbours):
    """BM25 neighbours: weights saturate at `k1` and long columns count less by `b`; popular items stay near.

    Robertson & Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond".
    """

    def __init__(self, neighbours: int = 200, k1: float = 1.2, b: float = 0.75) -> None:
        super().__init__(neighbours)
        self.k1 = k1
        self.b = b

    def _sides(self, rows: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        if not self.k1 > 0 or not 0 <= self.b <= 1:
            raise SettingsError(f"Bm25Neighbours: k1 {self.k1}, b {self.b}; k1 must be above 0 and b in [0, 1]")
        weights = rows.astype(np.float64)
        sums = np.asarray(weights.sum(axis=0)).ravel()
        lengths = 1 - self.b + self.b * sums / (sums.mean() or 1.0)
        weights.data *= (self.k1 + 1) / (self.k1 * lengths[weights.indices] + weights.data) * _rarity(rows)
        return weights, weights


class WalkNeighbours(ItemNeighbours):
    """RP3β: where a random walk item → customer → item ends, with popular ends held down.

    Paudel, Christoffel, Newell & Bernstein (2017), "Updatable, accurate, diverse, and scalable recommendations for
    interactive applications", ACM TiiS 7(1).

    Parameters
    ----------
    alpha : exponent of the steps' probabilities; `beta` : exponent of the end's popularity that is divided out
    """

    def __init__(self, neighbours: int = 200, alpha: float = 1.0, beta: float = 0.5) -> None:
        super().__init__(neighbours)
        self.alpha = alpha
        self.beta = beta

    def _sides(self, rows: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        if not self.alpha > 0 or not self.beta >= 0:
            raise SettingsError(f"WalkNeighbours: alpha {self.alpha}, beta {self.beta}; take above 0 and at least 0")
        weights = rows.astype(np.float64)
        by_customer, by_item = (_inverse(np.asarray(weights.sum(axis=axis)).ravel()) for axis in (1, 0))
        left, right = weights.copy(), weights.copy()
        left.data = (left.data * by_item[left.indices]) ** self.alpha
        of_row = np.repeat(by_customer, np.diff(weights.indptr))
        right.data = (right.data * of_row) ** self.alpha * by_item[right.indices] ** self.beta
        return left, right


def _nearest(left: sparse.csr_matrix, right: sparse.csr_matrix, neighbours: int) -> sparse.csr_matrix:
    """The largest similarities of each item, without itself, as a sparse matrix (items, items)."""
    items = right.shape[1]
    across = left.T.tocsr()
    step, kept = max(1, CELLS // items), min(neighbours, items - 1)
    parts = []
    for start in range(0, items, step):
        block = np.asarray((across[start : start + step] @ right).todense())
        block[np.arange(len(block)), start + np.arange(len(block))] = 0.0
        if kept < 1:
            parts.append(sparse.csr_matrix(block.shape, dtype=np.float32))
            continue
        # a stable order by value and then id: which of two tied neighbours stays must not depend on a library
        limit = np.partition(block, items - kept, axis=1)[:, items - kept, None]
        tied = (block == limit) & (block > 0)
        room = kept - (block > limit).sum(axis=1, keepdims=True)
        stays = (block > limit) | (tied & (np.cumsum(tied, axis=1) <= room))
        parts.append(sparse.csr_matrix(np.where(stays & (block > 0), block, 0.0).astype(np.float32)))
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))


def _unit_columns(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each item's column at length 1; empty ones stay empty."""
    lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=0)).ravel())
    scaled = weights.copy()
    scaled.data = weights.data * _inverse(lengths)[weights.indices]
    return scaled


def _rarity(rows: sparse.csr_matrix) -> np.ndarray:
    """How telling the customer of each entry is: log(items / (1 + items touched)), 0 for one who touched all."""
    touched = np.diff(rows.indptr)
    return np.repeat(np.maximum(np.log(rows.shape[1]) - np.log1p(touched), 0.0), touched)


def _inverse(values: np.ndarray) -> np.ndarray:
    """1 / value, and 0 where the value is 0."""
    found = np.zeros(len(values))
    np.divide(1.0, values, out=found, where=values > 0)
    return found
