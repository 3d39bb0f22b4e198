"""What is missing from holdings: hidden products come back, and hiding hides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys.holdings import Hidden, hide_each, hide_one, left_over, missing_product, reciprocal_ranks
from scenefit.contracts.errors import ContractError


def pairs(n=800, seed=0):
    """Products come in pairs: 0 with 1, 2 with 3."""
    first = np.random.default_rng(seed).random(n) < 0.5
    return np.column_stack([first, first, ~first, ~first])


def test_a_hidden_product_comes_back_from_its_pair():
    holdings = pairs()
    model = missing_product(holdings, np.zeros((len(holdings), 0)))
    hidden = hide_one(pairs(seed=1), np.random.default_rng(2))
    p = model.probabilities(left_over(hidden.left, np.zeros((len(hidden.left), 0))))
    assert reciprocal_ranks(p, hidden).mean() == 1


def test_a_profile_tells_where_holdings_do_not():
    rng = np.random.default_rng(0)
    other = rng.integers(1, 3, 900)
    holdings = np.zeros((900, 3), dtype=bool)
    holdings[:, 0] = True
    holdings[np.arange(900), other] = True
    hidden = Hidden(np.arange(900), other, np.tile([True, False, False], (900, 1)))
    for profile, expected in ((other[:, None] * 1.0, 1.0), (np.zeros((900, 0)), 0.75)):
        p = missing_product(holdings, profile).probabilities(left_over(hidden.left, profile))
        assert reciprocal_ranks(p, hidden).mean() == pytest.approx(expected, abs=0.03)


@settings(max_examples=50)
@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 5))), st.integers(0, 9))
def test_hiding_takes_exactly_the_hidden_product(holdings, seed):
    for hidden in (hide_each(holdings), hide_one(holdings, np.random.default_rng(seed))):
        back = hidden.left.copy()
        back[np.arange(len(back)), hidden.product] = True
        assert (hidden.left.sum(axis=1) + 1 == back.sum(axis=1)).all()
        np.testing.assert_array_equal(back, holdings[hidden.who])


def test_ties_share_the_middle_rank():
    hidden = Hidden(np.array([0]), np.array([1]), np.array([[True, False, False, False]]))
    # tied with two others at ranks 1 to 3
    assert reciprocal_ranks(np.zeros((1, 4)), hidden).tolist() == [0.5]
    assert reciprocal_ranks(np.array([[9.0, 1.0, 0.0, 2.0]]), hidden).tolist() == [0.5]


def test_every_customer_needs_a_profile():
    with pytest.raises(ContractError, match="holdings of 800 customers, profiles of 3"):
        missing_product(pairs(), np.zeros((3, 0)))
