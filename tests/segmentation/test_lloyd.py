"""Lloyd's iterations of many models: scikit-learn's result, and nothing skipped that matters."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from segmentation.distances import nearest_two
from segmentation.kernels import GROUP, fill_squared, fill_squared_four
from segmentation.lloyd import TOLERANCE, recentre, row_sums, settled_centres, stacked, sum_grid
from segmentation.starts import start_path

KS = [2, 3, 5, 8, 13]


def plain(points, weights, start, grid, tolerance):
    """Lloyd without bounds, stacks or sums that are carried over."""
    stack = stacked([start])
    while recentre(stack, row_sums(points, weights, stack, grid)).sum() > tolerance:
        pass
    return stack.centres


def settled(points, starts, weights=None, tolerance=None):
    heavy = np.ones(len(points)) if weights is None else weights
    still = TOLERANCE * float(points.astype(np.float64).var(axis=0).mean()) if tolerance is None else tolerance
    grid = sum_grid(np.abs(points).max(axis=0), heavy.sum())
    which = np.zeros(len(starts), dtype=np.int64)
    return settled_centres(points, heavy[None, :], which, starts, grid, still), grid, still


@pytest.fixture(scope="module")
def blurred():
    points, _ = make_blobs(3001, 7, centers=9, cluster_std=4, random_state=3)
    points = points.astype(np.float32)
    path = points[start_path(points, np.ones(len(points)), max(KS), np.random.default_rng(0))]
    return points, [path[:k] for k in KS]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("wide", [1, 4, 7, 30])
def test_a_distance_has_the_same_digits_alone_and_among_others(kind, wide):
    rng = np.random.default_rng(wide)
    columns, centres = rng.normal(size=(wide, 61)).astype(kind), rng.normal(size=(GROUP, wide)).astype(kind)
    together, alone = np.empty((GROUP, 61), kind), np.empty((GROUP, 61), kind)
    fill_squared_four(columns, 61, centres, 0, together)
    for centre, squared in zip(centres, alone, strict=True):
        fill_squared(columns, 61, centre, squared)
    assert together.tobytes() == alone.tobytes()
    single = np.empty(1, kind)
    for i in range(61):
        fill_squared(np.ascontiguousarray(columns[:, i : i + 1]), 1, centres[0], single)
        assert single[0] == alone[0, i]


def test_one_step_by_hand():
    points = np.array([[0.0], [1], [5], [9]], dtype=np.float32)
    stack = stacked([np.array([[0.0], [6.0]])])
    sums = row_sums(points, np.ones(4), stack, sum_grid(np.array([9.0]), 4))
    assert sums.tolist() == [[1, 2], [14, 2]]
    assert recentre(stack, sums).tolist() == [0.25, 1]
    assert stack.centres.ravel().tolist() == [0.5, 7]


def test_a_centre_without_rows_stays_where_it_is():
    points = np.array([[0.0], [1]], dtype=np.float32)
    models, _, _ = settled(points, [np.array([[0.0], [100.0]], dtype=np.float32)])
    assert models[0].ravel().tolist() == [0.5, 100]


def test_from_the_same_start_it_ends_where_scikit_learn_ends(blurred):
    points, starts = blurred
    for start, centres in zip(starts, settled(points, starts)[0], strict=True):
        reference = KMeans(len(start), init=start, n_init=1, algorithm="lloyd").fit(points)
        inertia = (nearest_two(points, centres).distance ** 2).sum()
        assert_allclose(inertia, reference.inertia_, rtol=1e-3)


def test_skipped_rows_change_no_bit(blurred):
    points, starts = blurred
    models, grid, still = settled(points, starts)
    for start, centres in zip(starts, models, strict=True):
        assert_array_equal(centres, plain(points, np.ones(len(points)), start, grid, still))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 3))
def test_skipped_rows_change_no_bit_where_distances_are_equal(seed, k, columns):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 4, (300, columns)).astype(np.float32)
    start = rng.integers(0, 4, (k, columns)).astype(np.float32)
    models, grid, still = settled(points, [start], tolerance=1e-12)
    assert_array_equal(models[0], plain(points, np.ones(300), start, grid, still))


def test_a_model_alone_comes_out_as_in_the_stack(blurred):
    points, starts = blurred
    together = settled(points, starts)[0]
    for start, centres in zip(starts, together, strict=True):
        assert_array_equal(settled(points, [start])[0][0], centres)


def test_shuffled_rows_give_equal_bytes(blurred):
    points, starts = blurred
    order = np.random.default_rng(1).permutation(len(points))
    for here, there in zip(settled(points, starts)[0], settled(points[order], starts)[0], strict=True):
        assert here.tobytes() == there.tobytes()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 2999), min_size=1, max_size=5))
def test_sums_of_any_shards_add_up_to_the_sums_of_all_rows(cuts):
    rng = np.random.default_rng(0)
    points = (rng.standard_cauchy((3000, 3)) * [1, 1e-6, 1e6]).astype(np.float32)
    weights = rng.uniform(0.1, 3, 3000)
    stack = stacked([points[:4], points[:7]])
    grid = sum_grid(np.abs(points).max(axis=0), weights.sum())
    edges = [0, *sorted(set(cuts)), 3000]
    parts = [row_sums(points[a:b], weights[a:b], stack, grid) for a, b in pairwise(edges)]
    assert_array_equal(sum(parts), row_sums(points, weights, stack, grid))


def test_models_with_lines_of_weights_of_their_own_come_out_as_alone(blurred):
    points, starts = blurred
    weights = np.stack([np.ones(len(points)), (np.arange(len(points)) % 3 > 0).astype(float)])
    grid, which = sum_grid(np.abs(points).max(axis=0), float(len(points))), np.array([1, 0, 1, 0, 1])
    together = settled_centres(points, weights, which, starts, grid, 1e-6)
    for start, line, centres in zip(starts, which, together, strict=True):
        kept = weights[line] > 0
        heavy = np.ones((1, int(kept.sum())))
        alone = settled_centres(points[kept], heavy, np.zeros(1, dtype=np.int64), [start], grid, 1e-6)[0]
        assert_array_equal(centres, alone)


def test_a_weight_of_two_is_the_row_twice(blurred):
    points, starts = blurred
    heavy = np.where(np.arange(len(points)) % 3 == 0, 2.0, 1.0)
    twice = np.concatenate([points, points[heavy == 2]])
    for here, there in zip(settled(points, starts, heavy)[0], settled(twice, starts)[0], strict=True):
        assert_allclose(here, there, rtol=1e-6, atol=1e-6)


def test_rows_of_no_weight_decide_nothing(blurred):
    points, starts = blurred
    heavy = (np.arange(len(points)) < 2000).astype(float)
    far = points.copy()
    far[2000:] += 50
    still = settled(points, starts)[2]
    for here, there in zip(
        settled(points, starts, heavy, still)[0], settled(far, starts, heavy, still)[0], strict=True
    ):
        assert_allclose(here, there, rtol=1e-6, atol=1e-6)


def test_a_start_spreads_over_planted_segments_and_its_prefix_is_a_start():
    points, truth = make_blobs(2000, 4, centers=6, cluster_std=0.3, random_state=0)
    points = points.astype(np.float32)
    long, short = (start_path(points, np.ones(2000), k, np.random.default_rng(1)) for k in (6, 6))
    assert sorted(truth[long]) == list(range(6))
    assert long.tolist() == short.tolist()


def test_a_start_never_takes_a_row_of_no_weight():
    points = np.arange(100, dtype=np.float32)[:, None]
    weights = (np.arange(100) < 10).astype(float)
    assert start_path(points, weights, 10, np.random.default_rng(0)).max() < 10
