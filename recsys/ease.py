"""EASE: the closed-form item-to-item model, from wide behaviour to the columns that are ranked."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from scipy import sparse

from recsys.exact import product
from recsys.histories import checked_history, checked_weights, recommended
from recsys.ranking import Ranking
from scenefit.contracts.errors import SettingsError

# a Gram matrix of 8,000 columns takes half a gigabyte in float64 while it is inverted; 20,000 would take 3.2 GB
MOST_ITEMS = 8_000


class Ease:
    """How much each item speaks for each other one, solved at once.

    Steck (2019), "Embarrassingly shallow autoencoders for sparse data", WWW: B = I − P / diag(P) with
    P = (XᵀX + Λ)⁻¹; the scores of a history x are x·B, with B and not its transpose. Λ = `strength` on the diagonal,
    and `dropout` / (1 − `dropout`) · diag(XᵀX) besides (Steck 2020, "Autoencoders that don't overfit towards the
    identity", NeurIPS): items are explained by others even when a share `dropout` of a history was hidden.

    Parameters
    ----------
    strength : λ; larger trusts single co-occurrences less
    dropout : share of each history imagined hidden, in [0, 1); frequent items are held shorter by it
    damping : γ; a customer who touched n items counts n⁻ᵞ (on average 1), so that the busiest do not decide alone
    columns : how many of the last items are ranked (offers behind wide behaviour); None: all
    most : items kept beside those ranked, the most frequent ones; the Gram matrix grows with its square

    Notes
    -----
    The result does not depend on the number of threads: products and the inverse run on one BLAS thread.
    """

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def __init__(
        self,
        strength: float = 100.0,
        dropout: float = 0.5,
        damping: float = 0.7,
        columns: int | None = None,
        most: int = MOST_ITEMS,
    ) -> None:
        self.strength = strength
        self.dropout = dropout
        self.damping = damping
        self.columns = columns
        self.most = most

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn from weights of shape (customers, items).

        Raises
        ------
        SettingsError : strength, dropout, damping, columns or most make no sense.
        """
        wide = checked_weights(matrix, "Ease")
        ranked = self._ranked(wide.shape[1])
        self.kept_ = self._kept(wide, wide.shape[1] - ranked)
        inverse = _inverse(self._gram(wide))
        start = len(self.kept_) - ranked
        weights = -inverse[:, start:] / np.diag(inverse)[start:]
        weights[np.arange(start, len(self.kept_)), np.arange(ranked)] = 0.0
        self.weights_ = weights.astype(np.float32)
        self.items_ = wide.shape[1]
        self.history_ = wide
        return self

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:
        """Scores (users, ranked items) of customers with this history."""
        rows = checked_history(self, users, history, getattr(self, "items_", None))
        if len(self.kept_) < rows.shape[1]:
            rows = rows[:, self.kept_]
        return product(rows.toarray(), self.weights_)

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n best eligible items for each of `users` (rows of the fitted matrix)."""
        return recommended(self, users, n, eligible)

    def _ranked(self, items: int) -> int:
        """How many of the last items are ranked."""
        ranked = items if self.columns is None else self.columns
        sane = self.strength > 0 and 0 <= self.dropout < 1 and self.damping >= 0 and self.most >= 0
        if not sane or not 0 < ranked <= items:
            raise SettingsError(
                f"Ease: strength {self.strength}, dropout {self.dropout}, damping {self.damping}, columns "
                f"{self.columns} of {items:,} items, most {self.most}; strength must be above 0, dropout in [0, 1), "
                "damping and most at least 0, and columns between 1 and the number of items"
            )
        return ranked

    def _kept(self, wide: sparse.csr_matrix, first: int) -> np.ndarray:
        """Columns of the Gram matrix: the most frequent behaviour, then everything that is ranked."""
        counts = np.asarray(wide[:, :first].sum(axis=0)).ravel()
        frequent = np.sort(np.argsort(-counts, kind="stable")[: self.most])
        return np.concatenate([frequent, np.arange(first, wide.shape[1])]).astype(np.int64)

    def _gram(self, wide: sparse.csr_matrix) -> np.ndarray:
        """XᵀX + Λ of the kept columns, customers damped."""
        touched = np.diff(wide.indptr).astype(np.float64)
        busy = touched[touched > 0]
        share = np.zeros(len(touched))
        if len(busy):
            share[touched > 0] = (busy / busy.mean()) ** -self.damping
        kept = (wide if len(self.kept_) == wide.shape[1] else wide[:, self.kept_]).astype(np.float64)
        kept.data *= np.repeat(np.sqrt(share), np.diff(kept.indptr))
        gram = np.asarray((kept.T @ kept).todense())
        on = np.diag_indices_from(gram)
        gram[on] += self.strength + self.dropout / (1 - self.dropout) * gram[on]
        return gram


def _inverse(gram: np.ndarray) -> np.ndarray:
    """The inverse of a positive definite matrix, on one BLAS thread; the matrix is used up."""
    from scipy import linalg
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        # a Cholesky inverse takes a third of the general one
        factor, _ = linalg.lapack.dpotrf(gram.T, lower=1, overwrite_a=1)
        inverse, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    return np.tril(inverse) + np.tril(inverse, -1).T
