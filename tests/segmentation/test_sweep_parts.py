"""What the sweep stands on: sums in any order, samples that content decides, criteria that are scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score

from scenefit.contracts.errors import ContractError
from segmentation.criteria import criteria_of, grids
from segmentation.distances import content_keys, nearest, nearest_two
from segmentation.lloyd import stacked, sum_grid
from segmentation.points import checked_points, checked_weights
from segmentation.sampling import Sample, distinct_sample, sample_positions
from segmentation.sums import total
from segmentation.ties import agreement, agreement_of_seeds, error_of_one_fit, error_over_rows

NUMBERS = st.lists(st.floats(-1e12, 1e12).map(lambda value: round(value, 9)), min_size=1, max_size=200)


@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.integers(0, 99))
def test_a_total_depends_on_no_order(values, seed):
    numbers = np.array(values)
    shuffled = numbers[np.random.default_rng(seed).permutation(len(numbers))]
    assert total(numbers) == total(shuffled)
    assert_allclose(total(numbers), numbers.sum(), atol=1e-12 * np.abs(numbers).max() * len(numbers))


def test_nothing_adds_up_to_nothing():
    assert total(np.zeros(0)) == total(np.zeros(3)) == 0


def test_a_small_sample_is_everybody_and_a_large_one_does_not_depend_on_the_order():
    points = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    keys = content_keys(points, 3)
    assert_array_equal(sample_positions(keys, None, 500), np.arange(500))
    order = np.random.default_rng(1).permutation(500)
    here, there = sample_positions(keys, None, 100), sample_positions(keys[order], None, 100)
    assert_array_equal(points[here], points[order][there])


def test_heavy_rows_are_drawn_in_proportion_to_their_weight():
    points = np.arange(2000, dtype=np.float32)[:, None]
    weights = np.where(np.arange(2000) < 200, 9.0, 1.0)  # a tenth of the rows, half of the weight
    drawn = sample_positions(content_keys(points, 0), weights, 900)
    assert len(drawn) == 900
    assert (drawn < 200).mean() == pytest.approx(0.5, abs=0.03)


def test_equal_customers_are_put_together():
    points = np.array([[1.0], [2], [1], [3], [-0.0], [0.0]], dtype=np.float32)
    sample = distinct_sample(points, content_keys(points, 0), np.array([1.0, 1, 2.5, 1, 1, 1]))
    assert dict(zip(sample.points.ravel().tolist(), sample.weights.tolist(), strict=True)) == {1: 3.5, 2: 1, 3: 1, 0: 2}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.25, 40), min_size=1, max_size=30))
def test_every_customer_is_left_out_by_one_fold_of_five(weights):
    sample = Sample(np.zeros((len(weights), 1), np.float32), np.array(weights))
    kept = np.array([sample.without_fold(fold) for fold in range(5)])
    assert (kept >= -1e-9).all()
    assert_allclose(kept.sum(axis=0), 4 * sample.weights)
    # equal customers are spread over the folds
    assert (np.ptp(kept, axis=0) <= 1 + 1e-9).all()


def test_a_part_of_a_sample_keeps_heavy_rows():
    sample = Sample(np.zeros((1000, 1), np.float32), np.r_[500.0, np.ones(999)])
    positions, weights = sample.part(300)
    assert weights.sum() == 300
    assert weights[positions == 0] == pytest.approx(100, abs=1)
    assert sample.part(1000)[1] is sample.weights


@pytest.fixture(scope="module")
def labelled():
    points = make_blobs(2500, 5, centers=4, cluster_std=3, random_state=2)[0].astype(np.float32)
    stack = stacked([points[:k] for k in (2, 4, 7)])
    return points, stack


def figures(points, weights, stack):
    largest = np.abs(points).max(axis=0)
    return criteria_of(points, weights, stack, grids(sum_grid(largest, weights.sum()), largest, weights.sum()))


def test_criteria_are_scikit_learns_and_exact(labelled):
    points, stack = labelled
    found = figures(points, np.ones(len(points)), stack)
    exact = points.astype(np.float64)
    for m in range(3):
        near = nearest_two(points, stack.centres[stack.model(m)])
        assert_allclose(found.calinski_harabasz[m], calinski_harabasz_score(exact, near.labels), rtol=1e-9)
        assert_allclose(found.davies_bouldin[m], davies_bouldin_score(exact, near.labels), rtol=1e-9)
        assert_allclose(found.inertia[m], (near.distance**2).sum(), rtol=1e-6)
        assert_allclose(found.simplified[m], near.confidence.mean(), rtol=1e-6)
        assert found.smallest_share[m] == np.bincount(near.labels).min() / len(points)


def test_criteria_weigh_rows_and_depend_on_no_order(labelled):
    points, stack = labelled
    heavy = np.where(np.arange(len(points)) % 2, 2.0, 1.0)
    weighted = figures(points, heavy, stack)
    twice = np.concatenate([points, points[1::2]])[np.random.default_rng(0).permutation(len(points) * 3 // 2)]
    repeated = figures(twice, np.ones(len(twice)), stack)
    for name in ("inertia", "simplified", "calinski_harabasz", "davies_bouldin"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-9)
    shuffled = figures(twice[::-1].copy(), np.ones(len(twice)), stack)
    assert repeated.inertia.tobytes() == shuffled.inertia.tobytes()
    assert repeated.davies_bouldin.tobytes() == shuffled.davies_bouldin.tobytes()


def test_segments_nobody_is_in_do_not_count():
    points = np.array([[0.0], [1], [9], [10]], dtype=np.float32)
    found = figures(points, np.ones(4), stacked([np.array([[0.5], [9.5], [1e6]]), np.array([[5.0], [1e6]])]))
    assert_allclose(found.calinski_harabasz, [162, 0])
    assert found.davies_bouldin.tolist() == [0.5 * 2 / 9, np.inf]
    assert found.smallest_share.tolist() == [0, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_agreement_is_scikit_learns_adjusted_rand_index(seed, k):
    rng = np.random.default_rng(seed)
    one, other, heavy = rng.integers(0, k, 40), rng.integers(0, 3, 40), rng.integers(1, 4, 40)
    expected = adjusted_rand_score(np.repeat(one, heavy), np.repeat(other, heavy))
    assert_allclose(agreement(one, other, heavy.astype(float)), expected, atol=1e-12)


def test_agreement_and_error_over_seeds_by_hand():
    labels = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]])
    # the first two are one labeling; the third agrees with neither: (0 - 2/3) / (2 - 2/3) = -1/2
    assert agreement_of_seeds(labels, np.ones(4)) == pytest.approx((1 - 0.5 - 0.5) / 3)
    assert np.isnan(agreement_of_seeds(labels[:1], np.ones(4)))
    assert_allclose(error_of_one_fit(np.array([[1.0, 3.0], [2.0, 2.0]])), [2**0.5, 0])
    assert np.isnan(error_of_one_fit(np.array([[1.0]]))).all()


def test_the_error_over_rows_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(3, 2, (2, 400))
    assert_allclose(error_over_rows(values, np.ones(400)), values.std(axis=1) / 20)
    assert_allclose(error_over_rows(values, np.full(400, 7.0)), values.std(axis=1) / 20)


def test_one_row_at_a_time_gets_the_label_it_gets_among_many():
    rng = np.random.default_rng(0)
    points, centres = rng.normal(size=(600, 9)).astype(np.float32), rng.normal(size=(5, 9)).astype(np.float32)
    labels = nearest(points, centres)
    assert_array_equal(labels, nearest_two(points, centres).labels)
    assert [nearest(points[[i]], centres)[0] for i in range(600)] == labels.tolist()


def test_float32_rows_are_not_copied():
    points = np.ones((4, 2), dtype=np.float32)
    assert checked_points(points) is points


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"shape \(2,\) given for 3 rows"),
        ([1, 0, 2], "1 sample weights are zero, negative, missing or infinite .first: row 1, 0.0"),
        ([1, -1, np.nan], "2 sample weights"),
        ([1, 1, np.inf], "drop those rows or give them a positive weight"),
        (["a", "b", "c"], "no numbers"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(ContractError, match=message):
        checked_weights(weights, 3)


def test_values_too_large_for_squares_are_refused():
    with pytest.raises(ContractError, match=r"or beyond 1e\+15"):
        checked_points([[1e20]])
