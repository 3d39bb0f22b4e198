"""What a ranking earns within a budget, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.value_at_budget import value_at_budget
from scenefit.contracts.errors import ContractError


def test_the_best_scored_are_contacted_until_the_money_ends():
    found = value_at_budget(np.array([1.0, 3.0, 2.0]), np.array([50.0, 0.0, 30.0]), np.array([5.0, 10.0, 10.0]), 20)
    # contacts 1 and 2: 0 − 10 and 30 − 10; who knows takes 0 (45) and 2 (20)
    assert (found.value, found.spent, found.contacted, found.perfect) == (10, 20, 2, 65)
    assert found.share == pytest.approx(10 / 65)


def test_a_tie_at_the_end_of_the_money_is_contacted_in_part():
    found = value_at_budget(np.zeros(4), np.array([8.0, 0.0, 0.0, 0.0]), np.ones(4), 2)
    assert (found.value, found.contacted) == (pytest.approx(0.5 * (8 - 4)), 2)


def test_who_knows_the_outcome_leaves_losses_out():
    found = value_at_budget(np.array([2.0, 1.0]), np.array([0.0, 0.0]), np.ones(2), 10)
    assert (found.value, found.perfect) == (-2, 0)
    assert math.isnan(found.share)


@given(st.integers(0, 50), st.floats(0, 40), st.integers(0, 10_000))
def test_no_ranking_earns_more_than_the_perfect_one_or_spends_more_than_the_budget(n, budget, seed):
    rng = np.random.default_rng(seed)
    gain, cost = rng.choice([0.0, 3.0, 9.0], n), rng.choice([1.0, 2.0], n)
    found = value_at_budget(rng.integers(0, 5, n), gain, cost, budget)
    assert found.spent <= budget + 1e-9
    assert found.value <= found.perfect + 1e-9


@pytest.mark.parametrize(
    ("scores", "cost", "message"),
    [
        (np.ones(2), np.ones(3), "give one each"),
        (np.array([1.0, np.nan, 1.0]), np.ones(3), "a score or value is missing"),
        (np.ones(3), np.array([1.0, 0.0, 1.0]), "a cost is not above 0"),
    ],
)
def test_what_cannot_be_bought_is_refused(scores, cost, message):
    with pytest.raises(ContractError, match=message):
        value_at_budget(scores, np.ones(3), cost, 5)
