"""Prices refined on every customer only ever tighten the bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.limits import Limit
from recsys.match import upper_bound
from recsys.prices import refined


def instance(seed, n=60, m=4):
    rng = np.random.default_rng(seed)
    where = rng.random(n) < 0.5
    limits = [
        Limit("budget", "<=", n / 5, rng.random((n, m))),
        Limit("capacity", "<=", n / 10, np.eye(m)[[1]] * 2),
        Limit("here", "<=", n / 10, np.eye(m)[[0]], where),
        Limit("contacts", "<=", n / 2, np.ones((1, 1))),
        Limit("reach", ">=", float(where.sum() // 3), np.ones((1, 1)), where),
        Limit("amount", ">=", n / 10, rng.random((n, m))),
        Limit("nothing", ">=", 0.0, np.zeros((1, 1))),
    ]
    return rng.normal(0.3, 1, (n, m)), rng.random((n, m)) < 0.8, limits


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_refining_never_loosens_the_bound_and_keeps_the_signs(seed, from_zero):
    values, allowed, limits = instance(seed)
    signs = np.array([1.0 if limit.sense == "<=" else -1.0 for limit in limits])
    start = np.zeros(len(limits)) if from_zero else signs * np.random.default_rng(seed).random(len(limits))
    prices = refined(values, allowed, limits, start)
    assert (prices * signs >= 0).all()
    before, after = (upper_bound(values, allowed, limits, p) for p in (start, prices))
    assert after <= before + 1e-9 * abs(before)


@pytest.mark.parametrize("number", range(7))
def test_the_price_of_a_single_limit_is_the_best_there_is(number):
    values, allowed, limits = instance(4)
    only = [limits[number]]
    found = refined(values, allowed, only, np.zeros(1))
    sign = 1.0 if only[0].sense == "<=" else -1.0
    grid = [upper_bound(values, allowed, only, np.array([sign * price])) for price in np.linspace(0, 6, 2_001)]
    assert upper_bound(values, allowed, only, found) <= min(grid) + 1e-6


def test_the_price_of_a_capacity_is_what_the_next_customer_would_bring():
    values = np.array([[9.0], [7.0], [4.0], [2.0]])
    found = refined(values, np.ones((4, 1), bool), [Limit("capacity", "<=", 2.0, np.ones((1, 1)))], np.zeros(1))
    assert found.tolist() == [4.0]


def test_a_limit_with_room_to_spare_costs_nothing():
    values = np.array([[9.0], [7.0]])
    limits = [Limit("capacity", "<=", 5.0, np.ones((1, 1))), Limit("reach", ">=", 1.0, np.ones((1, 1)))]
    assert refined(values, np.ones((2, 1), bool), limits, np.array([3.0, -2.0])).tolist() == [0.0, 0.0]


def test_a_floor_costs_what_its_last_customer_loses():
    values = np.array([[1.0], [-2.0], [-5.0]])
    found = refined(values, np.ones((3, 1), bool), [Limit("reach", ">=", 2.0, np.ones((1, 1)))], np.zeros(1))
    assert found.tolist() == [-2.0]
