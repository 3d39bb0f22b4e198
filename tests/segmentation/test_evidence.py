"""Exact tails, corrections and the interval of a lift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import false_discovery_control, hypergeom

from segmentation.evidence import (
    benjamini_hochberg,
    chance_of_at_least,
    difference_interval,
    holm,
    lift_interval,
    share_interval,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_tail_is_scipys(data):
    rows = data.draw(st.integers(1, 3000))
    positives, size = data.draw(st.integers(0, rows)), data.draw(st.integers(0, rows))
    hits = data.draw(st.integers(max(0, size + positives - rows), min(size, positives)))
    expected = hypergeom.sf(hits - 1, rows, positives, size)
    assert_allclose(chance_of_at_least(hits, size, positives, rows)[0], expected, rtol=1e-8, atol=1e-12)


def test_rare_outcomes_in_large_groups_keep_their_digits():
    expected = hypergeom.sf(119, 500_000, 4_000, 5_000)
    assert_allclose(chance_of_at_least(120, 5_000, 4_000, 500_000)[0], expected, rtol=1e-6)


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=50))
def test_benjamini_hochberg_is_scipys(values):
    p = np.asarray(values)
    assert_allclose(benjamini_hochberg(p), false_discovery_control(p))


def test_no_rules_need_no_correction():
    assert benjamini_hochberg(np.zeros(0)).tolist() == holm(np.zeros(0)).tolist() == []


def test_holm_is_at_least_as_strict_as_benjamini_hochberg():
    p = np.random.default_rng(0).random(40) ** 3
    assert (holm(p) >= benjamini_hochberg(p)).all()


def test_everybody_has_a_lift_of_one_without_doubt():
    interval = lift_interval(np.array([30]), np.array([1000]), 30, 1000)
    assert_allclose([interval.low[0], interval.high[0]], 1)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_nineteen_of_twenty_intervals_hold_the_true_lift(share):
    rng = np.random.default_rng(0)
    n, worlds, inside_rate, outside_rate = 20_000, 2_000, 0.06, 0.03
    size = rng.binomial(n, share, worlds)
    hits = rng.binomial(size, inside_rate)
    positives = hits + rng.binomial(n - size, outside_rate)
    truth = inside_rate / (share * inside_rate + (1 - share) * outside_rate)
    ends = [lift_interval(hits[i : i + 1], size[i : i + 1], positives[i], n) for i in range(worlds)]
    covered = np.mean([low[0] <= truth <= high[0] for low, high in ends])
    assert 0.935 < covered < 0.965


def test_the_smallest_p_are_enough_when_the_number_of_looks_is_known():
    p = np.random.default_rng(1).random(500) ** 4
    small = p <= 0.05
    adjusted = benjamini_hochberg(p)
    assert_allclose(benjamini_hochberg(p[small], tests=500)[adjusted[small] <= 0.05], adjusted[adjusted <= 0.05])


def test_shares_and_differences_have_intervals_without_any_case():
    low, high = share_interval(np.array([0, 10]), np.array([10, 10]))
    assert low[0] == 0
    assert high[1] == pytest.approx(1)
    assert np.isnan(share_interval(np.array([0]), np.array([0])).low).all()
    ends = difference_interval(np.array([0]), np.array([50]), np.array([0]), np.array([50]))
    assert -0.08 < ends.low[0] < 0 < ends.high[0] < 0.08
