"""What most people do, overall and among one's own kind: the baselines every model must beat."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from scipy import sparse

from recsys.histories import checked_history, checked_weights, recommended
from recsys.ranking import Ranking
from scenefit.contracts.errors import ContractError, NotFitted, SettingsError


class Popularity:
    """What most people do: the same ranking for everybody."""

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn how many customers touched each item."""
        rows = checked_weights(matrix, "Popularity")
        self.counts_ = np.asarray((rows > 0).sum(axis=0)).ravel().astype(np.float32)
        self.history_ = rows
        return self

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:
        """Scores (users, items); the same row for everybody."""
        checked_history(self, users, history, len(self.counts_) if hasattr(self, "counts_") else None)
        return np.tile(self.counts_, (len(users), 1))

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n most popular eligible items for each of `users` (rows of the fitted matrix)."""
        return recommended(self, users, n, eligible)


class GroupPopularity:
    """What most people of the same scene and segment do, leaning on the wider group where few are known.

    The share of a group that touched an item is the posterior mean under a Beta prior worth `strength` customers at
    the rate of the wider group, and so on up to everybody: (touched + strength · wider rate) / (customers + strength).

    Parameters
    ----------
    groups : codes (customers,) or (customers, levels), the coarsest first, such as scene and then segment; −1 is
        unknown and takes the wider group's rates. None: everybody is one group
    strength : how many customers the wider group's rate is worth; at 50, a group of 50 counts half
    """

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def __init__(self, groups: np.ndarray | None = None, strength: float = 50.0) -> None:
        self.groups = groups
        self.strength = strength

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn the share of each group that touched each item.

        Raises
        ------
        SettingsError : strength is not above 0.
        ContractError : not one row of codes per customer.
        """
        if not self.strength > 0:
            raise SettingsError(f"GroupPopularity: strength is {self.strength}; it counts customers, take more than 0")
        rows = checked_weights(matrix, "GroupPopularity")
        touched = sparse.csr_matrix((np.ones(rows.nnz), rows.indices, rows.indptr), shape=rows.shape)
        codes = self._codes(rows.shape[0])
        everybody = np.asarray(touched.sum(axis=0)).ravel() / (rows.shape[0] + self.strength)
        self.rates_, self.known_ = [everybody[None, :]], [np.zeros((1, 0), np.int64)]
        for level in range(1, codes.shape[1] + 1):
            inside = np.flatnonzero((codes[:, :level] >= 0).all(axis=1))
            known, which = np.unique(codes[inside, :level], axis=0, return_inverse=True)
            member = sparse.csr_matrix((np.ones(len(inside)), (which.ravel(), inside)), (len(known), rows.shape[0]))
            wider = self.rates_[-1][_rows_of(known[:, : level - 1], self.known_[-1])[0]]
            sizes = np.bincount(which.ravel(), minlength=len(known))[:, None]
            counts = np.asarray((member @ touched).todense())
            self.rates_.append((counts + self.strength * wider) / (sizes + self.strength))
            self.known_.append(known)
        self.codes_ = codes
        self.history_ = rows
        return self

    def rates(self, groups: np.ndarray) -> np.ndarray:
        """Shares (rows, items) for customers of these groups, new ones too; an unseen group takes the wider one's."""
        if not hasattr(self, "rates_"):
            raise NotFitted("GroupPopularity: not fitted; call fit(matrix) first")
        codes = np.asarray(groups, dtype=np.int64)
        codes = codes[:, None] if codes.ndim == 1 else codes
        if codes.shape[1] != self.codes_.shape[1]:
            raise ContractError(
                f"GroupPopularity: {codes.shape[1]} levels of groups, fitted on {self.codes_.shape[1]}; "
                "give the same ones, −1 where unknown"
            )
        found = np.repeat(self.rates_[0], len(codes), axis=0)
        for level in range(1, codes.shape[1] + 1):
            place, there = _rows_of(codes[:, :level], self.known_[level])
            found[there] = self.rates_[level][place[there]]
        return found.astype(np.float32)

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:
        """Shares (users, items); users beyond the fitted rows are taken as of unknown group."""
        items = self.rates_[0].shape[1] if hasattr(self, "rates_") else None
        checked_history(self, users, history, items)
        users = np.asarray(users, dtype=np.int64)
        codes = np.full((len(users), self.codes_.shape[1]), -1, np.int64)
        fitted = (users >= 0) & (users < len(self.codes_))
        codes[fitted] = self.codes_[users[fitted]]
        return self.rates(codes)

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n eligible items that most of their kind touched, for each of `users` (rows of the fitted matrix)."""
        return recommended(self, users, n, eligible)

    def _codes(self, customers: int) -> np.ndarray:
        """Codes (customers, levels)."""
        if self.groups is None:
            return np.zeros((customers, 1), np.int64)
        codes = np.asarray(self.groups)
        if len(codes) != customers or not np.issubdtype(codes.dtype, np.integer):
            raise ContractError(
                f"GroupPopularity: groups of shape {codes.shape} and type {codes.dtype} for {customers:,} customers; "
                "give whole numbers, one row each"
            )
        return codes.astype(np.int64)[:, None] if codes.ndim == 1 else codes.astype(np.int64)


def _rows_of(wanted: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row of codes stands among the known ones, and whether it does."""
    if not known.shape[1]:
        return np.zeros(len(wanted), np.int64), np.ones(len(wanted), bool)
    both, place = np.unique(np.concatenate([known, wanted]), axis=0, return_inverse=True)
    table = np.full(len(both), -1, np.int64)
    table[place.ravel()[: len(known)]] = np.arange(len(known))
    found = table[place.ravel()[len(known) :]]
    return found, found >= 0
