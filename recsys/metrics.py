"""Ranking metrics of each customer, fair to ties, and how widely a ranking spreads over the catalogue."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from scenefit.contracts.errors import ContractError

# average precision looks at seven places, as Santander's product prediction did
PRECISE = 7


class PerCustomer(NamedTuple):
    """One value per customer with a target; `users` are their rows. Two models on the same rows can be paired."""

    users: np.ndarray
    ndcg: np.ndarray
    recall: np.ndarray
    map: np.ndarray
    mrr: np.ndarray
    hit: np.ndarray


class Spread(NamedTuple):
    """How widely what is shown spreads over the catalogue.

    coverage : share of items that somebody is shown
    gini : 0 when all items are shown equally often, towards 1 when a single one is
    novelty : mean bits of surprise of a place shown, −log2 of the share of customers who know the item
    """

    coverage: float
    gini: float
    novelty: float


def per_customer(
    scores: np.ndarray, targets: sparse.csr_matrix, k: int, seen: sparse.csr_matrix | None = None
) -> PerCustomer:
    """Metrics of each customer with a target; `seen` items leave the ranking and the targets.

    Parameters
    ----------
    scores : shape (customers, items)
    targets, seen : same shape; what is above 0 counts

    Raises
    ------
    ContractError : a score is NaN (it would rank above everything).

    Notes
    -----
    A target's rank is the middle of the tied block it lies in, so that equal scores earn neither luck nor penalty.
    With ranks r from 1 and R targets: NDCG (Järvelin & Kekäläinen 2002) Σ 1/log2(r + 1) over r ≤ k, over the same sum
    for ranks 1 to min(k, R); recall #(r ≤ k) / R; AP@7 Σ precision(r) over r ≤ 7, over min(R, 7), where precision
    counts targets above, and of the tied ones the middle; MRR 1 / the best rank, without a cut; hit 1 if any r ≤ k.
    """
    if np.isnan(scores).any():
        raise ContractError("ranking_quality: some scores are NaN; a model must score every item of every customer")
    wanted = targets.toarray() > 0
    if seen is not None:
        known = seen.toarray() > 0
        scores = np.where(known, -np.inf, scores)
        wanted &= ~known
    some = np.flatnonzero(wanted.any(axis=1))
    scores, wanted = scores[some], wanted[some]
    rows, items = np.nonzero(wanted)
    own = scores[rows, items]
    ranks = mid_ranks(scores, rows, own)
    n, found = len(some), ranks < k
    gains = np.bincount(rows, np.where(found, 1 / np.log2(ranks + 2), 0), n)
    hits, sizes = np.bincount(rows, found, n), np.bincount(rows, minlength=n)
    ideal = np.cumsum(1 / np.log2(np.arange(k) + 2))[np.minimum(sizes, k) - 1]
    exact = np.where(ranks < PRECISE, _found_by(rows, own) / (ranks + 1), 0)
    best = np.full(n, np.inf)
    np.minimum.at(best, rows, ranks)
    # more than k targets tied around rank k share one middle rank: no more than k of them can be in the top k
    return PerCustomer(
        some,
        np.minimum(gains / ideal, 1.0),
        np.minimum(hits, k) / sizes,
        np.minimum(np.bincount(rows, exact, n) / np.minimum(sizes, PRECISE), 1.0),
        1 / (best + 1),
        (hits > 0).astype(float),
    )


def mid_ranks(scores: np.ndarray, rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Rank from 0 of each score `own` in its row: those above, plus half of the others tied with it."""
    ordered = np.sort(scores, axis=1)
    below = _lower(ordered, rows, own, inclusive=False)
    up_to = _lower(ordered, rows, own, inclusive=True)
    return (scores.shape[1] - up_to) + (up_to - below - 1) / 2


def exposure(scores: np.ndarray, k: int, seen: sparse.csr_matrix | None = None) -> np.ndarray:
    """Share of each of the first k places that each item holds, shape (customers, items).

    Items tied for the last places share them equally; seen items are never shown.
    """
    if seen is not None:
        scores = np.where(seen.toarray() > 0, -np.inf, scores)
    k = min(k, scores.shape[1])
    least = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k][:, None]
    above, tied = scores > least, (scores == least) & (least > -np.inf)
    left = (k - above.sum(axis=1)) / np.maximum(tied.sum(axis=1), 1)
    return above + tied * left[:, None]


def spread(shown: np.ndarray, owners: np.ndarray, customers: int) -> Spread:
    """Coverage, Gini and novelty of places shown per item.

    Parameters
    ----------
    shown : shape (items,), places held by each item, over all customers
    owners : shape (items,), customers of the past who know it
    customers : customers of the past

    Notes
    -----
    Novelty is the self-information of Vargas & Castells (2011); an item nobody knows counts as known to one of one
    customer more.

    >>> spread(np.array([2.0, 0.0]), np.array([1, 0]), 1)
    Spread(coverage=0.5, gini=0.5, novelty=0.0)
    """
    places, n = shown.sum(), len(shown)
    if not places:
        return Spread(0.0, float("nan"), float("nan"))
    rank = np.arange(1, n + 1)
    gini = float(((2 * rank - n - 1) * np.sort(shown)).sum() / (n * places))
    surprise = -np.log2((owners + 1) / (customers + 1))
    return Spread(float((shown > 0).mean()), gini, abs(float((shown * surprise).sum() / places)))


def _found_by(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Targets found once each target's middle rank is reached: itself, those above, half of the others tied."""
    order = np.lexsort((-own, rows))
    who, score = rows[order], own[order]
    place = np.arange(len(order))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (who[1:] != who[:-1]) | (score[1:] != score[:-1])
    run = np.cumsum(fresh) - 1
    first = place[fresh][run]
    tied = np.bincount(run)[run]
    of_row = np.searchsorted(who, who, "left")
    found = np.empty(len(order))
    found[order] = first - of_row + (tied + 1) / 2
    return found


def _lower(ordered: np.ndarray, rows: np.ndarray, own: np.ndarray, inclusive: bool) -> np.ndarray:
    """How many scores of each pair's (sorted) row lie below its own, or not above it: all pairs bisect at once."""
    low, high = np.zeros(len(rows), np.int64), np.full(len(rows), ordered.shape[1], np.int64)
    for _ in range(ordered.shape[1].bit_length()):
        open_ = low < high
        middle = (low + high) // 2
        value = ordered[rows, np.minimum(middle, ordered.shape[1] - 1)]
        right = ((value <= own) if inclusive else (value < own)) & open_
        low, high = np.where(right, middle + 1, low), np.where(open_ & ~right, middle, high)
    return low
