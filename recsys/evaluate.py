"""How good a ranking is: tie-aware hit, NDCG and friends; discrimination and calibration of probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.models import Recommender


class RankingQuality(NamedTuple):
    """Means over customers with at least one target."""

    ndcg: float
    hit: float
    recall: float
    customers: int


def evaluate(
    model: Recommender, train: sparse.csr_matrix, test: sparse.csr_matrix, k: int = 10, mask_seen: bool = False
) -> RankingQuality:
    """Quality at k of a fitted model on held-out `test`, customers described by `train`.

    `mask_seen` leaves out of the ranking (and of the targets) what `train` already holds.
    """
    users = np.flatnonzero(np.diff(test.indptr) > 0)
    scores = model.scores(users, train[users])
    return ranking_quality(scores, test[users], k, train[users] if mask_seen else None)


def ranking_quality(
    scores: np.ndarray, targets: sparse.csr_matrix, k: int = 10, seen: sparse.csr_matrix | None = None
) -> RankingQuality:
    """Tie-aware quality at k of scores (customers, items) against binary targets of the same shape.

    Notes
    -----
    A target's rank is the middle of the tied block it lies in, so that equal scores earn neither luck nor penalty.
    NDCG after Järvelin & Kekäläinen (2002): gain 1, discount 1 / log2(rank + 2), ideal over min(k, targets).

    >>> one = sparse.csr_matrix(np.array([[0, 1, 0]]))
    >>> ranking_quality(np.array([[0.0, 1.0, 0.5]]), one, k=1).hit
    1.0
    >>> ranking_quality(np.zeros((1, 3)), one, k=1).hit
    0.0
    """
    wanted = targets.toarray() > 0
    if seen is not None:
        known = seen.toarray() > 0
        scores = np.where(known, -np.inf, scores)
        wanted &= ~known
    scores, wanted = scores[wanted.any(axis=1)], wanted[wanted.any(axis=1)]
    if not len(scores):
        return RankingQuality(float("nan"), float("nan"), float("nan"), 0)
    users, items = np.nonzero(wanted)
    ranks = _mid_ranks(scores, users, items)
    found = ranks < k
    n = len(scores)
    gains = np.bincount(users, np.where(found, 1 / np.log2(ranks + 2), 0), n)
    hits, sizes = np.bincount(users, found, n), np.bincount(users, minlength=n)
    ideal = np.cumsum(1 / np.log2(np.arange(k) + 2))[np.minimum(sizes, k) - 1]
    return RankingQuality(float((gains / ideal).mean()), float((hits > 0).mean()), float((hits / sizes).mean()), n)


def _mid_ranks(scores: np.ndarray, users: np.ndarray, items: np.ndarray, chunk: int = 20_000) -> np.ndarray:
    """Rank from 0 of each (user, item) pair: those above, plus half of the others tied with it."""
    ranks = np.empty(len(users))
    for start in range(0, len(users), chunk):
        part = slice(start, start + chunk)
        rows, own = scores[users[part]], scores[users[part], items[part]][:, None]
        ranks[part] = (rows > own).sum(axis=1) + ((rows == own).sum(axis=1) - 1) / 2
    return ranks


class ProbabilityQuality(NamedTuple):
    """Discrimination and calibration of probabilities for a yes/no outcome."""

    auc: float
    ap: float
    ece: float
    base_rate: float
    rows: int


def probability_quality(p: np.ndarray, y: np.ndarray, bins: int = 10) -> ProbabilityQuality:
    """AUC (ties count half), average precision and expected calibration error over equal-count bins.

    Raises nothing for a single class: discrimination is NaN then, because there is nothing to tell apart.
    """
    y = np.asarray(y, dtype=np.float64)
    if not len(y):
        return ProbabilityQuality(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    order = np.argsort(p, kind="stable")
    gaps = [
        abs(p[part].mean() - y[part].mean()) * len(part)
        for part in np.array_split(order, min(bins, len(y)))
        if len(part)
    ]
    ece = float(sum(gaps) / len(y))
    if y.min() == y.max():
        return ProbabilityQuality(float("nan"), float("nan"), ece, float(y.mean()), len(y))
    from sklearn.metrics import average_precision_score, roc_auc_score

    return ProbabilityQuality(
        float(roc_auc_score(y, p)), float(average_precision_score(y, p)), ece, float(y.mean()), len(y)
    )
