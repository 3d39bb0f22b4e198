"""A synthetic world of few offers and wide behaviour with a known best ranking."""

from __future__ import annotations

import numpy as np
from scipy import sparse

CUSTOMERS, MERCHANTS, OFFERS, TASTES = 60_000, 1_500, 40, 8
VISITED = 60  # merchants a customer may visit at most
BLOCK = 4_000


def planted(seed: int) -> dict[str, float]:
    """NDCG@10 of the next offer over the oracle's, for all judged customers and for those who took nothing yet.

    Half of the customers teach the head; the others are judged by one offer each that nobody has seen. The oracle
    ranks by the true utilities.
    """
    from recsys.holdings import hide_each
    from recsys.models import AlternatingLeastSquares
    from recsys.offers import Facts, NextOffer

    rng = np.random.default_rng(seed)
    taste = rng.standard_normal((CUSTOMERS, TASTES)).astype(np.float32)
    visits = _visits(taste, rng)
    utility, owned, wanted = _offers(taste, rng)
    learns = rng.random(CUSTOMERS) < 0.5
    vectors = AlternatingLeastSquares(seed=seed).fit(visits)
    facts = Facts(vectors.fold_in(visits), np.zeros((CUSTOMERS, 0)), owned.astype(np.float32))
    everything = owned.copy()
    everything[np.arange(CUSTOMERS), wanted] = True
    taught = np.flatnonzero(learns)
    # offers have no order here: each one taken is a question about the others
    hidden = hide_each(everything[taught])
    who = taught[hidden.who]
    # a fifth of those who teach sets how far the head may leave popularity
    head = NextOffer(OFFERS).fit(
        Facts(facts.tastes[who], facts.profile[who], hidden.left.astype(np.float32)), hidden.product, who % 5 == 0
    )
    scores = head.probabilities(Facts(*(fact[~learns] for fact in facts)))
    ours, best = (_ndcg(s, owned[~learns], wanted[~learns]) for s in (scores, utility[~learns]))
    cold = ~owned[~learns].any(axis=1)
    return {
        "all": float(ours.mean() / best.mean()),
        "cold": float(ours[cold].mean() / best[cold].mean()),
        "warm": float(ours[~cold].mean() / best[~cold].mean()),
    }


def _visits(taste: np.ndarray, rng: np.random.Generator) -> sparse.csr_matrix:
    pull = (rng.standard_normal((MERCHANTS, TASTES)) * 0.7).astype(np.float32)
    known = rng.normal(0, 1.3, MERCHANTS).astype(np.float32)
    counts = np.minimum(rng.poisson(12, len(taste)) + 1, VISITED)
    rows, columns = [], []
    for start in range(0, len(taste), BLOCK):
        part = taste[start : start + BLOCK] @ pull.T + known
        part += rng.gumbel(size=part.shape).astype(np.float32)
        order = np.argsort(-part, axis=1)[:, :VISITED]
        kept = np.arange(VISITED) < counts[start : start + BLOCK, None]
        rows.append(np.repeat(np.arange(start, start + len(part)), kept.sum(axis=1)))
        columns.append(order[kept])
    who, what = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_matrix((np.ones(len(who), np.float32), (who, what)), shape=(len(taste), MERCHANTS))


def _offers(taste: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True utilities, what was taken before, and the one offer to be found; one to four offers each."""
    pull = (rng.standard_normal((OFFERS, TASTES)) * 0.8).astype(np.float32)
    utility = taste @ pull.T + rng.normal(0, 1, OFFERS).astype(np.float32)
    order = np.argsort(-(utility + rng.gumbel(size=utility.shape)), axis=1)
    many = rng.choice(np.arange(1, 5), len(taste), p=[0.4, 0.3, 0.2, 0.1])
    taken = np.zeros(utility.shape, dtype=bool)
    np.put_along_axis(taken, order, np.arange(OFFERS) < many[:, None], axis=1)
    wanted = order[np.arange(len(taste)), (rng.random(len(taste)) * many).astype(int)]
    taken[np.arange(len(taste)), wanted] = False
    return utility, taken, wanted


def _ndcg(scores: np.ndarray, owned: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """NDCG@10 of the one wanted offer among those not owned, ties in the middle."""
    ranked = np.where(owned, -np.inf, scores)
    own = ranked[np.arange(len(ranked)), wanted][:, None]
    rank = (ranked > own).sum(axis=1) + ((ranked == own).sum(axis=1) - 1) / 2
    return np.where(rank < 10, 1 / np.log2(rank + 2), 0.0)
