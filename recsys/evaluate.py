"""How good a ranking is: tie-aware hit, NDCG and friends; discrimination and calibration of probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from recsys.models import Recommender
from scenefit.contracts.errors import ContractError

BLOCK = 4_000_000  # customer × item cells compared at once: bounds memory whatever the number of customers


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
    blocks = [
        _block_quality(model.scores(part, train[part]), test[part], k, train[part] if mask_seen else None)
        for part in (users[rows] for rows in _blocks(len(users), test.shape[1]))
    ]
    return _mean(blocks)


def ranking_quality(
    scores: np.ndarray, targets: sparse.csr_matrix, k: int = 10, seen: sparse.csr_matrix | None = None
) -> RankingQuality:
    """Tie-aware quality at k of scores (customers, items) against binary targets of the same shape.

    Raises
    ------
    ContractError : shapes differ, k is not positive, or a score is NaN (it would rank above everything).

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
    if scores.shape != targets.shape or k < 1:
        raise ContractError(
            f"ranking_quality: scores {scores.shape}, targets {targets.shape}, k {k}; shapes must agree"
        )
    blocks = [
        _block_quality(scores[rows], targets[rows], k, None if seen is None else seen[rows])
        for rows in _blocks(*scores.shape)
    ]
    return _mean(blocks)


def _blocks(customers: int, items: int) -> list[slice]:
    step = max(1, BLOCK // max(1, items))
    return [slice(start, start + step) for start in range(0, customers, step)]


def _mean(blocks: list[np.ndarray]) -> RankingQuality:
    rows = np.concatenate(blocks) if blocks else np.zeros((0, 3))
    if not len(rows):
        return RankingQuality(float("nan"), float("nan"), float("nan"), 0)
    ndcg, hit, recall = rows.mean(axis=0).tolist()
    return RankingQuality(ndcg, hit, recall, len(rows))


def _block_quality(
    scores: np.ndarray, targets: sparse.csr_matrix, k: int, seen: sparse.csr_matrix | None
) -> np.ndarray:
    """NDCG, hit and recall at k of each customer with a target, shape (customers with one, 3)."""
    if np.isnan(scores).any():
        raise ContractError("ranking_quality: some scores are NaN; a model must score every item of every customer")
    wanted = targets.toarray() > 0
    if seen is not None:
        known = seen.toarray() > 0
        scores = np.where(known, -np.inf, scores)
        wanted &= ~known
    some = wanted.any(axis=1)
    scores, wanted = scores[some], wanted[some]
    users, items = np.nonzero(wanted)
    ranks = _mid_ranks(scores, users, items)
    found = ranks < k
    n = len(scores)
    gains = np.bincount(users, np.where(found, 1 / np.log2(ranks + 2), 0), n)
    hits, sizes = np.bincount(users, found, n), np.bincount(users, minlength=n)
    ideal = np.cumsum(1 / np.log2(np.arange(k) + 2))[np.minimum(sizes, k) - 1]
    # more than k targets tied around rank k share one middle rank: no more than k of them can be in the top k
    return np.column_stack([np.minimum(gains / ideal, 1.0), hits > 0, np.minimum(hits, k) / sizes])


def _mid_ranks(scores: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Rank from 0 of each (user, item) pair: those above, plus half of the others tied with it."""
    ranks = np.empty(len(users))
    for part in _blocks(len(users), scores.shape[1]):
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

    Equal probabilities always share a bin, so the order of the rows does not matter. Raises nothing for a single
    class: discrimination is NaN then, because there is nothing to tell apart.
    """
    y = np.asarray(y, dtype=np.float64)
    if not len(y):
        return ProbabilityQuality(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    ece = _calibration_error(np.asarray(p, dtype=np.float64), y, bins)
    if y.min() == y.max():
        return ProbabilityQuality(float("nan"), float("nan"), ece, float(y.mean()), len(y))
    from sklearn.metrics import average_precision_score, roc_auc_score

    return ProbabilityQuality(
        float(roc_auc_score(y, p)), float(average_precision_score(y, p)), ece, float(y.mean()), len(y)
    )


def _calibration_error(p: np.ndarray, y: np.ndarray, bins: int) -> float:
    """Mean distance between promised and observed share, over bins of equally many rows."""
    order = np.argsort(p, kind="stable")
    p, y = p[order], y[order]
    which = np.searchsorted(p, p, "left") * bins // len(p)
    return float(np.abs(np.bincount(which, p - y)).sum() / len(p))
