"""A blend: several recommenders asked together, each heard as much as it helped on what it had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np
from scipy import sparse

from recsys.ease import Ease
from recsys.histories import checked_history, checked_weights, recommended
from recsys.ials import FrequencyScaledAls
from recsys.metrics import per_customer
from recsys.neighbours import Bm25Neighbours
from recsys.ranking import Ranking
from scenefit.contracts.errors import ContractError, SettingsError

HIDDEN = 0.1  # share of each history that the weights are chosen on, where no later behaviour is given
JUDGED = 2_000  # customers the weights are chosen on; the standard error of a difference is then about .001
STEPS = 20  # additions; weights are multiples of 1 / 20 at the finest


class Member(Protocol):
    """What a blend asks of the models in it."""

    def fit(self, matrix: sparse.csr_matrix) -> Any: ...

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray: ...


class Validation(NamedTuple):
    """What was known, and what came after; both of shape (customers, items)."""

    before: sparse.csr_matrix
    after: sparse.csr_matrix


class Blend:
    """A convex sum of several models' scores, each on one footing for each customer.

    The weights start at the best single model; then whatever raises NDCG most is added, again and again, and the best
    mixture met is kept (Caruana, Niculescu-Mizil, Crew & Ksikes 2004, "Ensemble selection from libraries of models",
    ICML). They are chosen on a cut of what `fit` is given, then every member learns from all of it.

    Parameters
    ----------
    members : models by name, which `fit` fits; None: Ease, FrequencyScaledAls and Bm25Neighbours as they come
    weights : one per member, at least 0; brought to a sum of 1. None: chosen
    scaling : "standard" keeps how far an item stands out among what a customer has not touched yet, "rank" keeps its
        place among all items alone
    k : places that count when the weights are chosen
    seed : which share of the histories is hidden, where `fit` is given no later behaviour
    """

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def __init__(
        self,
        members: Mapping[str, Member] | None = None,
        weights: Mapping[str, float] | None = None,
        scaling: Literal["standard", "rank"] = "standard",
        k: int = 20,
        seed: int = 0,
    ) -> None:
        self.members = members
        self.weights = weights
        self.scaling = scaling
        self.k = k
        self.seed = seed

    def fit(self, matrix: sparse.csr_matrix, validation: Validation | None = None) -> Self:
        """Choose the weights, then learn from weights of shape (customers, items).

        Parameters
        ----------
        validation : earlier and later behaviour, both part of `matrix`, where time is known; None: a tenth of every
            history is hidden at random, which is kinder to every model than the future will be

        Raises
        ------
        ContractError : the validation is about other customers or items.
        SettingsError : weights of other names than the members, negative ones or all zero, an unknown scaling.
        """
        rows = checked_weights(matrix, "Blend")
        members = self._members()
        if validation is not None and not validation.before.shape == validation.after.shape == rows.shape:
            raise ContractError(
                f"Blend: validation of shapes {validation.before.shape} and {validation.after.shape} beside a matrix "
                f"of {rows.shape}; give the same customers and items"
            )
        if self.weights is None:
            self.weights_ = self._chosen(members, validation or hidden(rows, HIDDEN, self.seed))
        else:
            total = sum(self.weights.values())
            self.weights_ = {name: float(self.weights[name]) / total for name in members}
        self.members_ = {name: member.fit(rows) for name, member in members.items() if self.weights_[name] > 0}
        self.history_ = rows
        return self

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:
        """Scores (users, items): standard deviations above a customer's mean, or shares of items beaten."""
        rows = checked_history(self, users, history, self.history_.shape[1] if hasattr(self, "members_") else None)
        parts = [
            np.float32(self.weights_[name]) * scaled(member.scores(users, rows), rows, self.scaling)
            for name, member in self.members_.items()
        ]
        return np.asarray(sum(parts[1:], start=parts[0]))

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n best eligible items for each of `users` (rows of the fitted matrix)."""
        return recommended(self, users, n, eligible)

    def _members(self) -> dict[str, Member]:
        """The models to ask, after a look at the settings."""
        members: dict[str, Member] = (
            {"ease": Ease(), "ials": FrequencyScaledAls(), "bm25": Bm25Neighbours()}
            if self.members is None
            else dict(self.members)
        )
        if not members or self.scaling not in ("standard", "rank"):
            raise SettingsError(
                f"Blend: members {list(members)}, scaling {self.scaling!r}; give at least one member, "
                "and standard or rank"
            )
        if self.weights is not None:
            values = list(self.weights.values())
            if set(self.weights) != set(members) or min(values) < 0 or not 0 < sum(values) < np.inf:
                raise SettingsError(
                    f"Blend: weights {dict(self.weights)} for members {list(members)}; give each one, at least 0, "
                    "and some above 0"
                )
        return members

    def _chosen(self, members: Mapping[str, Member], validation: Validation) -> dict[str, float]:
        """Weights that rank what came after best, among customers drawn by the seed."""
        users = np.flatnonzero((np.diff(validation.after.indptr) > 0) & (np.diff(validation.before.indptr) > 0))
        if not len(users):
            return {name: 1 / len(members) for name in members}
        if len(users) > JUDGED:
            users = np.sort(np.random.default_rng(self.seed).choice(users, JUDGED, replace=False))
        before, after = validation.before[users], validation.after[users]
        parts = {
            name: scaled(member.fit(validation.before).scores(users, before), before, self.scaling)
            for name, member in members.items()
        }
        offered = next(iter(parts.values())).shape[1]
        return mixture(parts, after[:, -offered:], before[:, -offered:], self.k)


def mixture(
    parts: Mapping[str, np.ndarray], after: sparse.csr_matrix, before: sparse.csr_matrix, k: int
) -> dict[str, float]:
    """Convex weights of scaled scores (customers, items) that rank `after` best, `before` left out, by NDCG at k."""

    def quality(total: np.ndarray) -> float:
        found = per_customer(total, after, k, before).ndcg
        return float(found.mean()) if len(found) else 0.0

    counts = dict.fromkeys(parts, 0)
    total = np.zeros_like(next(iter(parts.values())))
    best, kept = -np.inf, dict(counts)
    for _ in range(STEPS):
        tried = {name: quality(total + part) for name, part in parts.items()}
        name = max(tried, key=lambda n: tried[n])
        counts[name] += 1
        total += parts[name]
        # sums of one set of gains in another order differ in their last bits
        if tried[name] > best + 1e-9:
            best, kept = tried[name], dict(counts)
    return {name: count / sum(kept.values()) for name, count in kept.items()}


def hidden(rows: sparse.csr_matrix, share: float, seed: int) -> Validation:
    """A random share of all entries hidden: what is left, and what was hidden."""
    gone = np.random.default_rng(seed).random(rows.nnz) < share
    who = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))

    def part(some: np.ndarray) -> sparse.csr_matrix:
        return sparse.csr_matrix((rows.data[some], (who[some], rows.indices[some])), shape=rows.shape)

    return Validation(part(~gone), part(gone))


def scaled(scores: np.ndarray, history: sparse.csr_matrix, scaling: str) -> np.ndarray:
    """Scores (customers, items) of different models on one footing.

    "standard": standard deviations above the mean of what a customer has not touched; "rank": share of items beaten.

    A model that scores everything alike says nothing, and gives zeros.
    """
    if scaling == "rank":
        return _beaten(scores)
    fresh = np.ones(scores.shape, bool)
    # where offers are ranked behind wide behaviour, they are the last items
    fresh[history[:, -scores.shape[1] :].nonzero()] = False
    count = np.maximum(fresh.sum(axis=1, keepdims=True), 1)
    # float64: a sum over thousands of items loses digits in float32
    mean = np.where(fresh, scores, 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
    away = scores - mean
    width = np.sqrt((np.where(fresh, away, 0) ** 2).sum(axis=1, keepdims=True) / count)
    return np.divide(away, width, out=np.zeros_like(away), where=width > 0).astype(np.float32)


def _beaten(scores: np.ndarray) -> np.ndarray:
    """Share of the other items that each one beats, ties by half."""
    from scipy.stats import rankdata

    return ((rankdata(scores, axis=1) - 1) / max(1, scores.shape[1] - 1)).astype(np.float32)
