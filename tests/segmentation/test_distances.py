"""Distances to centres and the order that content decides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from segmentation.distances import CHUNK, content_order, nearest_two


def test_distances_by_hand():
    found = nearest_two(np.array([[0.0, 0], [3, 4], [0, 5]]), np.array([[0.0, 0], [0, 10]]))
    assert found.labels.tolist() == [0, 0, 0]
    assert_allclose(found.distance, [0, 5, 5])
    assert_allclose(found.second, [10, 45**0.5, 5])
    assert_allclose(found.confidence, [1, 1 - 5 / 45**0.5, 0])


def test_a_row_has_the_same_distances_wherever_it_stands():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(CHUNK + 37, 7)).astype(np.float32)
    centres = rng.normal(size=(4, 7)).astype(np.float32)
    order = rng.permutation(len(points))
    here, there = nearest_two(points, centres), nearest_two(points[order], centres)
    assert_array_equal(here.distance[order], there.distance)
    assert_array_equal(here.labels[order], there.labels)
    assert_allclose(here.distance, np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1), rtol=1e-6)


def test_on_top_of_two_centres_nothing_is_certain():
    assert nearest_two(np.ones((1, 2)), np.ones((2, 2))).confidence.tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5))
def test_the_order_depends_on_content_alone(values, seed):
    points = np.asarray(values, dtype=np.float32)[:, None]
    order = content_order(points, seed)
    assert sorted(order) == list(range(len(points)))
    shuffled = points[np.random.default_rng(seed).permutation(len(points))]
    assert_array_equal(points[order], shuffled[content_order(shuffled, seed)])


def test_equal_rows_are_spread_over_the_order():
    points = np.r_[np.zeros(5000), np.arange(1, 5001)].astype(np.float32)[:, None]
    share = (points[content_order(points, 3)][:2000] == 0).mean()
    assert abs(share - 0.5) < 0.05


def test_another_seed_draws_another_order():
    points = np.arange(100, dtype=np.float32)[:, None]
    assert content_order(points, 0).tolist() != content_order(points, 1).tolist()
