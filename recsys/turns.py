"""What a customer turns to next, told apart: going on with a habit, and starting something new.

`recsys.behaviour.NextItem` weighs everything alike; here what is new to a customer has weights of its own, and items
that others have just started count, because what people own says little about what they begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.exact import product
from recsys.interactions import Interactions, microseconds
from recsys.models import Recommender
from scenefit.contracts.errors import NotFitted

PAIRS = 1_000_000  # customer × item pairs that teach the weights
BLOCK = 500_000  # pairs described at once: seventeen terms each
DAY = 86_400_000_000  # microseconds
WIDE = 3  # the middle memory in horizons, between the last one and everything


class Items(NamedTuple):
    """Logarithms per item: customers ever, in the last horizon, and those who began with it then."""

    ever: np.ndarray
    lately: np.ndarray
    begun: np.ndarray


class NextTurn:
    """Log-odds of an item within the horizon, weights apart for habits and for what is new.

    Parameters
    ----------
    tastes, company : fitted on behaviour before the learning window; their scores are two of the terms
    horizon : length of the window that is foretold
    """

    def __init__(self, tastes: Recommender, company: Recommender, horizon: pd.Timedelta) -> None:
        self.tastes = tastes
        self.company = company
        self.horizon = horizon

    def fit(self, behaviour: Interactions, start: pd.Timestamp, rng: np.random.Generator) -> Self:
        """Learn from who did what in [start, start + horizon), described by what was before.

        Raises
        ------
        NotFitted : nobody did anything in that window.
        """
        from sklearn.linear_model import LogisticRegression

        taken = behaviour.matrix(start + self.horizon, start)
        users = np.flatnonzero(np.diff(taken.indptr) > 0)
        if not len(users):
            raise NotFitted(f"NextTurn: nobody did anything after {start:%Y-%m-%d}; give a longer history")
        most = max(1, PAIRS // taken.shape[1])
        if len(users) > most:
            users = np.sort(rng.choice(users, most, replace=False))
        terms = np.concatenate([block for _, block in self._terms(behaviour, start, users)])
        wanted = taken[users].toarray().ravel() > 0
        if wanted.all():
            raise NotFitted("NextTurn: everybody did everything; there is nothing to tell apart")
        scale = np.maximum(terms.std(axis=0), 1e-6)
        model = LogisticRegression(max_iter=200).fit(terms / scale, wanted)
        self.weights_ = (model.coef_[0] / scale).astype(np.float32)
        self.intercept_ = float(model.intercept_[0])
        return self

    def scores(self, behaviour: Interactions, moment: pd.Timestamp, users: np.ndarray) -> np.ndarray:
        """Log-odds (users, items) from behaviour before a moment."""
        if not hasattr(self, "weights_"):
            raise NotFitted("NextTurn: not fitted; call fit first")
        items = len(behaviour.items)
        scores = np.empty((len(users), items), np.float32)
        for part, terms in self._terms(behaviour, moment, users):
            scores[part] = (product(terms, self.weights_) + self.intercept_).reshape(-1, items)
        return scores

    def _terms(
        self, behaviour: Interactions, moment: pd.Timestamp, users: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Terms of all pairs, (users · items, 17), in blocks of users."""
        whole, lately, wide = (
            behaviour.matrix(moment, None if back is None else moment - self.horizon * back) for back in (None, 1, WIDE)
        )
        items = _items(whole, lately)
        step = max(1, BLOCK // whole.shape[1])
        for begin in range(0, len(users), step):
            part = slice(begin, begin + step)
            rows = users[part]
            own, recent, middle = (matrix[rows] for matrix in (whole, lately, wide))
            scored = np.stack(
                [self.tastes.scores(rows, own), self.company.scores(rows, own.sign().astype(np.float32))], axis=2
            )
            since = _since(behaviour, moment, rows)
            terms = _pairs(own.toarray(), recent.toarray(), middle.toarray(), items, scored, since)
            yield part, terms.reshape(-1, terms.shape[2])


def _items(whole: sparse.csr_matrix, lately: sparse.csr_matrix) -> Items:
    earlier = whole - lately
    earlier.eliminate_zeros()
    both = lately.sign().multiply(earlier.sign())
    ever, last, old = (np.asarray((m > 0).sum(axis=0)).ravel() for m in (whole, lately, both))
    return Items(np.log1p(ever), np.log1p(last), np.log1p(last - old))


def _since(behaviour: Interactions, moment: pd.Timestamp, rows: np.ndarray) -> np.ndarray:
    """Logarithm of days since a customer's last time with an item; 0 where there was none."""
    place = np.full(len(behaviour.customers), -1)
    place[rows] = np.arange(len(rows))
    stop = np.searchsorted(behaviour.at, microseconds(moment), "left")
    who, what, at = place[behaviour.who[:stop]], behaviour.what[:stop], behaviour.at[:stop]
    inside = who >= 0
    days = np.zeros((len(rows), len(behaviour.items)))
    # sorted by time: the last one written is the latest
    days[who[inside], what[inside]] = np.log1p((microseconds(moment) - at[inside]) / DAY)
    return days


def _pairs(
    own: np.ndarray, recent: np.ndarray, middle: np.ndarray, items: Items, scored: np.ndarray, since: np.ndarray
) -> np.ndarray:
    """Seventeen terms per pair: twelve for all, five more where the item is new to the customer."""
    new = own == 0
    busy, lately = (np.log1p(matrix.sum(axis=1))[:, None] for matrix in (own, recent))
    tastes, company = scored[..., 0], scored[..., 1]
    terms = [
        tastes, company, np.log1p(own), np.log1p(recent), np.log1p(middle), since, new, *items, busy, lately,
        tastes * new, company * new, items.ever * new, items.begun * new, lately * new,
    ]  # fmt: skip
    out = np.empty((*own.shape, len(terms)), np.float32)
    for number, term in enumerate(terms):
        out[..., number] = term
    return out
