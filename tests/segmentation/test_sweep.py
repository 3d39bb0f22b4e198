"""How many segments: planted ones are found, ties are said, and one seed gives one result."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score
from threadpoolctl import threadpool_limits

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from scenefit.contracts.schema import check
from scenefit.contracts.tables import SEGMENT_CRITERIA
from segmentation.sweep import SegmentSweep, tie_set


@pytest.fixture(scope="module")
def planted():
    points, truth = make_blobs(3000, 6, centers=5, cluster_std=1.5, random_state=1)
    return points.astype(np.float32), truth


@pytest.fixture(scope="module")
def blurred():
    return np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)


def test_planted_segments_are_found(planted):
    points, truth = planted
    sweep = SegmentSweep().fit(points)
    assert sweep.k_ == 5
    assert sweep.tie_set_ == (5,)
    assert adjusted_rand_score(truth, sweep.labels_) > 0.99
    assert sweep.report_.set_index("k").stability[5] > 0.99


def test_planted_segments_are_found_from_a_sample(planted):
    points, truth = planted
    sweep = SegmentSweep(sample=500).fit(points)
    assert adjusted_rand_score(truth, sweep.labels_) > 0.99


def test_the_refined_segments_are_as_tight_as_scikit_learns(planted):
    points, _ = planted
    sweep = SegmentSweep(k_range=[5]).fit(points)
    inertia = ((points - sweep.centers_[sweep.labels_]) ** 2).sum()
    assert_allclose(inertia, KMeans(5, n_init=5, random_state=0).fit(points).inertia_, rtol=1e-3)


def test_the_largest_segment_comes_first(planted):
    points, _ = planted
    sizes = np.bincount(SegmentSweep(k_range=[4, 6]).fit(points).labels_)
    assert sizes.tolist() == sorted(sizes, reverse=True)


def test_the_report_keeps_its_contract(planted):
    points, _ = planted
    report = SegmentSweep().fit(points).report_
    stored = check(report.assign(scene_id="travel"), SEGMENT_CRITERIA)
    assert stored.k.tolist() == [3, 4, 5, 6, 7, 8]
    assert stored.chosen.sum() == 1
    assert stored.smallest_share.between(0, 1).all()


def test_criteria_are_scikit_learns(planted):
    points, _ = planted
    sweep = SegmentSweep(k_range=[5], n_seeds=1).fit(points)
    exact = points.astype(np.float64)
    row = sweep.criteria_.iloc[0]
    assert_allclose(row.calinski_harabasz, calinski_harabasz_score(exact, sweep.labels_), rtol=1e-3)
    assert_allclose(row.davies_bouldin, davies_bouldin_score(exact, sweep.labels_), rtol=1e-3)


def test_the_simplified_silhouette_by_hand():
    # two pairs at 0, 2 and 10, 12: centres 1 and 11; distances 1 and 9 or 11
    points = np.repeat([[0.0], [2.0], [10.0], [12.0]], 10, axis=0)
    sweep = SegmentSweep(k_range=[2], n_seeds=1).fit(points)
    assert_allclose(sorted(sweep.centers_.ravel()), [1, 11])
    assert_allclose(sweep.confidence_.mean(), ((1 - 1 / 9) + (1 - 1 / 11)) / 2)


@pytest.mark.parametrize(
    ("values", "errors", "eligible", "tied"),
    [
        ([0.40, 0.50, 0.51], [0.00, 0.00, 0.02], [1, 1, 1], (4, 5)),
        ([0.40, 0.50, 0.51], [0.00, 0.00, 0.005], [1, 1, 1], (5,)),
        ([0.40, 0.50, 0.51], [0.15, 0.00, 0.005], [1, 1, 1], (3, 5)),  # k = 3 differs between seeds
        ([0.40, 0.50, 0.51], [0.00, 0.00, 0.02], [1, 1, 0], (4,)),  # five segments: one too small
        ([0.50, 0.50, 0.40], [np.nan] * 3, [1, 1, 1], (3, 4)),  # one seed: only equals tie
    ],
)
def test_the_tie_set_by_hand(values, errors, eligible, tied):
    assert tie_set([3, 4, 5], np.array(values), np.array(errors), np.array(eligible, dtype=bool)) == tied


def test_the_smallest_k_of_the_tie_set_is_taken(blurred):
    sweep = SegmentSweep(n_seeds=3).fit(blurred)
    assert sweep.k_ == min(sweep.tie_set_)
    assert sweep.report_.query("tied").k.tolist() == list(sweep.tie_set_)


def test_a_further_criterion_narrows_the_tie_set_but_never_empties_it(blurred):
    wide = set(SegmentSweep().fit(blurred).tie_set_)
    narrow = set(SegmentSweep(criteria=("silhouette", "calinski_harabasz", "davies_bouldin")).fit(blurred).tie_set_)
    assert narrow
    assert narrow <= wide


def test_a_k_with_a_tiny_segment_is_not_eligible():
    rng = np.random.default_rng(0)
    points = np.r_[rng.normal(0, 1, (1000, 2)), rng.normal(20, 1, (1000, 2)), rng.normal(-40, 1, (20, 2))]
    assert SegmentSweep(k_range=[2, 3], smallest=0).fit(points).k_ == 3
    assert SegmentSweep(k_range=[2, 3], smallest=0.03).fit(points).tie_set_ == (2,)


def test_where_no_k_has_large_enough_segments_the_best_stands_in_and_says_so(planted):
    points, _ = planted
    sweep = SegmentSweep(smallest=0.4).fit(points)
    assert "stands in" in sweep.notes_[0]
    assert sweep.report_.set_index("k").smallest_share[sweep.k_] == sweep.report_.smallest_share.max()


def test_predict_gives_the_labels_of_fit(planted):
    points, _ = planted
    sweep = SegmentSweep().fit(points)
    assert_array_equal(sweep.predict(points), sweep.labels_)
    assert_array_equal(sweep.confidence(points), sweep.confidence_)
    assert sweep.confidence_.min() >= 0
    assert sweep.confidence_.max() <= 1
    assert_array_equal(sweep.predict(points[:1]), sweep.labels_[:1])


@pytest.mark.parametrize("sample", [20_000, 1000])
def test_shuffling_customers_shuffles_labels_and_nothing_else(blurred, sample):
    order = np.random.default_rng(5).permutation(len(blurred))
    here, there = SegmentSweep(sample=sample).fit(blurred), SegmentSweep(sample=sample).fit(blurred[order])
    assert_array_equal(here.labels_[order], there.labels_)
    assert_array_equal(here.centers_, there.centers_)
    assert here.report_.equals(there.report_)


def test_the_number_of_threads_changes_nothing(blurred):
    with threadpool_limits(1):
        one = SegmentSweep().fit(blurred)
    with threadpool_limits(2):
        two = SegmentSweep(cores=2).fit(blurred)
    assert one.centers_.tobytes() == two.centers_.tobytes()
    assert one.labels_.tobytes() == two.labels_.tobytes()
    assert one.report_.equals(two.report_)


@pytest.mark.slow
@pytest.mark.ray
def test_ray_gives_the_same_segments(blurred):
    local, ray = SegmentSweep().fit(blurred), SegmentSweep(backend="ray").fit(blurred)
    assert local.labels_.tobytes() == ray.labels_.tobytes()
    assert local.report_.equals(ray.report_)


def test_minus_zero_is_zero():
    points = np.r_[np.zeros((50, 2)), np.ones((50, 2)), np.full((50, 2), 5)] * np.array([1.0, -1.0])
    flipped = np.where(points == 0, -0.0, points)
    assert_array_equal(
        SegmentSweep(k_range=[2, 3]).fit(points).labels_, SegmentSweep(k_range=[2, 3]).fit(flipped).labels_
    )


def test_fewer_different_customers_than_segments():
    points = np.repeat(np.arange(4.0), 20)[:, None]
    sweep = SegmentSweep(k_range=range(2, 9)).fit(points)
    assert sweep.report_.k.tolist() == [2, 3, 4]
    assert "k above 4 not tried" in sweep.notes_[0]
    with pytest.raises(ContractError, match="cannot make 5 segments; give more customers or a smaller k_range"):
        SegmentSweep(k_range=range(5, 9)).fit(points)
    with pytest.raises(ContractError, match="1 customers"):
        SegmentSweep().fit(points[:1])


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.array([[1.0], [np.nan]]), "1 values are missing or infinite .first: row 1, column 0"),
        (np.array([[1.0], [np.inf]]), "CustomerEncoder first"),
        (np.array([[1.0], [1e300]]), "missing or infinite"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.array([["a"], ["b"]]), "not a table of numbers"),
    ],
)
def test_points_that_are_none_are_refused(points, message):
    with pytest.raises(ContractError, match=message):
        SegmentSweep().fit(points)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k_range": []}, "at least one k"),
        ({"k_range": [1, 2]}, "none below 2"),
        ({"k_range": range(5, 9), "max_k": 4}, "max_k 4 leaves"),
        ({"n_seeds": 0}, "n_seeds 0"),
        ({"smallest": 3}, "smallest 3"),
        ({"criteria": ("elbow",)}, "choose at least one of"),
        ({"criteria": ()}, "choose at least one of"),
        ({"resamples": -1}, "resamples at least 0"),
        ({"cores": 0}, "cores must be at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message, planted):
    with pytest.raises(SettingsError, match=message):
        SegmentSweep(**settings).fit(planted[0])


def test_max_k_limits_the_sweep(planted):
    assert SegmentSweep(max_k=4).fit(planted[0]).report_.k.tolist() == [3, 4]


def test_asking_before_fitting_and_with_other_columns(planted):
    with pytest.raises(NotFitted, match="call fit first"):
        SegmentSweep().predict(planted[0])
    with pytest.raises(ContractError, match="2 columns given, but the segments were found in 6"):
        SegmentSweep(k_range=[3]).fit(planted[0]).predict(planted[0][:, :2])


def test_a_weight_of_two_is_the_customer_twice(planted):
    points, _ = planted
    heavy = np.where(np.arange(len(points)) % 3 == 0, 2.0, 1.0)
    twice = np.concatenate([points, points[heavy == 2]])
    weighted, repeated = SegmentSweep().fit(points, heavy), SegmentSweep().fit(twice)
    assert weighted.tie_set_ == repeated.tie_set_
    assert_array_equal(weighted.centers_, repeated.centers_)
    assert_array_equal(weighted.labels_, repeated.labels_[: len(points)])
    assert_frame_equal(weighted.report_, repeated.report_, rtol=1e-9)
    assert_frame_equal(weighted.criteria_, repeated.criteria_, rtol=1e-9)


def test_heavy_customers_pull_their_segment(planted):
    points, truth = planted
    heavy = np.where(truth == 0, 50.0, 1.0)
    sweep = SegmentSweep(k_range=[2], smallest=0).fit(points, heavy)
    assert_allclose(sweep.centers_[0], points[truth == 0].mean(axis=0), atol=0.5)


def test_weighted_customers_are_sampled_by_weight(planted):
    points, truth = planted
    rare = np.where(truth == 4, 0.05, 1.0)
    sweep = SegmentSweep(k_range=[4, 5], sample=800).fit(points, rare)
    assert sweep.tie_set_ == (4,)  # the fifth segment has but 1.2 % of the weight


@pytest.mark.parametrize("weights", [[1.0, 2.0], np.zeros(3000), np.full(3000, np.nan), -np.ones(3000)])
def test_weights_that_are_none_are_refused(weights, planted):
    with pytest.raises(ContractError, match="sample"):
        SegmentSweep().fit(planted[0], weights)


def test_every_number_of_the_tie_set_can_be_used(blurred):
    sweep = SegmentSweep(n_seeds=3).fit(blurred)
    assert tuple(sweep.centers_by_k_) == sweep.tie_set_
    for k in sweep.tie_set_:
        sizes = np.bincount(sweep.predict(blurred, k=k), minlength=k)
        assert sizes.tolist() == sorted(sizes, reverse=True)
        assert_allclose(sizes.min() / len(blurred), sweep.report_.set_index("k").smallest_share[k])
    with pytest.raises(ContractError, match="k = 99 is not in the tie set"):
        sweep.predict(blurred, k=99)


def test_planted_segments_are_found_again_in_resamples_and_chance_ones_are_not(planted, blurred):
    stable = SegmentSweep(k_range=[5]).fit(planted[0]).criteria_
    loose = SegmentSweep(k_range=[5], resamples=4).fit(blurred).criteria_
    assert stable.bootstrap_stability[0] > 0.99
    assert loose.bootstrap_stability[0] < 0.8
    assert SegmentSweep(k_range=[5], resamples=0).fit(planted[0]).criteria_.bootstrap_stability.isna().all()


def test_figures_of_other_k_come_from_all_rows_too(planted):
    points, _ = planted
    sweep = SegmentSweep(k_range=[3, 5], sample=600).fit(points)
    assert sweep.criteria_.refined.tolist() == [False, True]
    assert sweep.report_.inertia[0] == pytest.approx(KMeans(3, n_init=3, random_state=0).fit(points).inertia_, rel=0.02)


def test_many_equal_customers_and_a_constant_column():
    rng = np.random.default_rng(0)
    points = np.c_[rng.integers(0, 3, (5000, 2)) * 10.0, np.full(5000, 3.0)]
    sweep = SegmentSweep(k_range=range(2, 20), smallest=0).fit(points)
    assert sweep.report_.k.max() == 9  # nine different customers
    assert 9 in sweep.tie_set_
    assert sweep.report_.silhouette.max() == pytest.approx(1)


def test_read_only_customers_stay_as_they_are(planted):
    points = planted[0].copy()
    points.flags.writeable = False
    before = points.tobytes()
    assert_array_equal(SegmentSweep(k_range=[5]).fit(points).labels_, SegmentSweep(k_range=[5]).fit(planted[0]).labels_)
    assert points.tobytes() == before
