"""Habits and beginnings: a habit goes on, and what others have just begun is begun."""

import numpy as np
import pandas as pd
import pytest

import recsys.turns
from recsys.ease import Ease
from recsys.interactions import Interactions, microseconds
from recsys.models import AlternatingLeastSquares
from recsys.turns import NextTurn
from scenefit.contracts.errors import NotFitted

START = pd.Timestamp("2025-01-01", tz="UTC")
WEEK = pd.Timedelta(days=7)
CUSTOMERS, ITEMS, WEEKS = 200, 10, 8


def behaviour():
    """Everybody visits a favourite each week; item 9 is new: a tenth of the customers begin with it weekly."""
    rng = np.random.default_rng(0)
    favourite = rng.integers(0, 8, CUSTOMERS)
    who, what, at = [], [], []
    for week in range(WEEKS):
        moment = microseconds(START + WEEK * week)
        begins = np.flatnonzero(rng.random(CUSTOMERS) < (0.1 if week >= 4 else 0))
        who += [np.arange(CUSTOMERS), begins]
        what += [favourite, np.full(len(begins), 9)]
        at += [np.full(CUSTOMERS, moment), np.full(len(begins), moment)]
    names = [str(n) for n in range(CUSTOMERS)]
    return Interactions(names, [str(n) for n in range(ITEMS)], *map(np.concatenate, (who, what, at)), START + WEEK * 9)


def model(past, start):
    seen = past.matrix(start)
    tastes = AlternatingLeastSquares(factors=2, regularization=1.0, iterations=3).fit(seen)
    return NextTurn(tastes, Ease(strength=10.0).fit(seen.sign()), WEEK)


def test_a_habit_goes_on_and_what_is_being_begun_leads_what_is_new():
    past, start, now = behaviour(), START + WEEK * 6, START + WEEK * 7
    scores = model(past, start).fit(past, start, np.random.default_rng(0)).scores(past, now, np.arange(CUSTOMERS))
    known = past.matrix(now).toarray()
    assert (scores.argmax(axis=1) == known.argmax(axis=1)).mean() > 0.95
    fresh = np.where(known > 0, -np.inf, scores)[known[:, 9] == 0]
    assert (fresh.argmax(axis=1) == 9).mean() > 0.95


def test_later_behaviour_changes_no_score_and_blocks_score_as_all_at_once(monkeypatch):
    past, start = behaviour(), START + WEEK * 5
    users, now = np.arange(0, CUSTOMERS, 3), START + WEEK * 6
    fitted = model(past, start).fit(past, start, np.random.default_rng(0))
    whole = fitted.scores(past, now, users)
    early = past.at < microseconds(now)
    cut = Interactions(past.customers, past.items, past.who[early], past.what[early], past.at[early], now)
    np.testing.assert_array_equal(fitted.scores(cut, now, users), whole)
    monkeypatch.setattr(recsys.turns, "BLOCK", 7 * ITEMS)
    np.testing.assert_allclose(fitted.scores(past, now, users), whole, rtol=1e-4, atol=1e-5)


def test_it_says_what_is_missing():
    past = behaviour()
    with pytest.raises(NotFitted, match="not fitted"):
        model(past, START + WEEK * 5).scores(past, START + WEEK * 6, np.arange(3))
    with pytest.raises(NotFitted, match="nobody did anything after 2025-02-26"):
        model(past, START + WEEK * 5).fit(past, START + WEEK * 8, np.random.default_rng(0))
