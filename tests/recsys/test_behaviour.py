"""What a customer turns to next: habit counts, and blocks of customers are scored as all at once."""

import numpy as np
import pytest
from scipy import sparse

import recsys.behaviour
from recsys.behaviour import NextItem, Past
from recsys.models import AlternatingLeastSquares, Popularity
from scenefit.contracts.errors import NotFitted

CUSTOMERS, ITEMS = 300, 12


def habits():
    """Everybody has two favourite merchants of their own and goes on visiting them."""
    rng = np.random.default_rng(0)
    likely = np.zeros((CUSTOMERS, ITEMS))
    for favourite in rng.integers(0, ITEMS, (2, CUSTOMERS)):
        likely[np.arange(CUSTOMERS), favourite] = 0.9
    whole, recent, after = (
        sparse.csr_matrix(rng.poisson(likely * rate).astype(np.float32)) for rate in (4.0, 1.0, 1.0)
    )
    return Past(whole + recent, recent), after


def model(past):
    als = AlternatingLeastSquares(factors=4, regularization=1.0).fit(past.whole)
    return NextItem(als, Popularity().fit(past.whole).counts_)


def test_own_habit_ranks_before_what_is_popular():
    past, after = habits()
    scores = model(past).fit(past, after, np.random.default_rng(0)).scores(past)
    wanted = after.toarray() > 0
    assert scores[wanted].mean() > scores[~wanted].mean() + 1
    odds = 1 / (1 + np.exp(-scores))
    assert odds.mean() == pytest.approx(wanted.mean(), abs=0.02)


def test_blocks_of_customers_are_scored_as_all_at_once(monkeypatch):
    past, after = habits()
    fitted = model(past).fit(past, after, np.random.default_rng(0))
    whole = fitted.scores(past)
    monkeypatch.setattr(recsys.behaviour, "BLOCK", 7 * ITEMS)
    np.testing.assert_allclose(fitted.scores(past), whole, rtol=1e-4, atol=1e-5)


def test_many_customers_are_sampled_with_the_given_chance(monkeypatch):
    past, after = habits()
    monkeypatch.setattr(recsys.behaviour, "PAIRS", 100 * ITEMS)
    weights = [model(past).fit(past, after, np.random.default_rng(seed)).weights_ for seed in (0, 0, 1)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_it_says_what_is_missing():
    past, _ = habits()
    with pytest.raises(NotFitted, match="not fitted"):
        model(past).scores(past)
    with pytest.raises(NotFitted, match="nobody did anything in the learning window"):
        model(past).fit(past, sparse.csr_matrix((CUSTOMERS, ITEMS)), np.random.default_rng(0))
