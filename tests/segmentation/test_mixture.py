"""The Gaussian mixture: planted segments of different spread, one result whatever the order, nothing silent."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from segmentation.mixture import DiagonalMixture
from segmentation.sweep import SegmentSweep


@pytest.fixture(scope="module")
def spread_out():
    """A tight segment in the middle of a wide one, and a third beside them."""
    rng = np.random.default_rng(0)
    sizes, truth = (1500, 900, 600), np.repeat([0, 1, 2], (1500, 900, 600))
    parts = [rng.normal(0, 4, (sizes[0], 6)), rng.normal(0.5, 0.4, (sizes[1], 6)), rng.normal(15, 1, (sizes[2], 6))]
    return np.concatenate(parts).astype(np.float32), truth


def test_segments_that_differ_in_spread_are_found_where_k_means_cannot(spread_out):
    points, truth = spread_out
    mixture = DiagonalMixture(k=3).fit(points)
    assert adjusted_rand_score(truth, mixture.labels_) > 0.95
    assert adjusted_rand_score(truth, SegmentSweep(k_range=[3]).fit(points).labels_) < 0.8
    assert_allclose(mixture.spreads_.mean(axis=1), [4, 0.4, 1], rtol=0.1)
    assert_allclose(mixture.shares_, [0.5, 0.3, 0.2], atol=0.02)


def test_the_largest_segment_comes_first(spread_out):
    sizes = np.bincount(DiagonalMixture(k=3).fit(spread_out[0]).labels_)
    assert sizes.tolist() == sorted(sizes, reverse=True)


def test_confidence_is_the_probability_of_the_segment():
    # two segments of spread 1 at 0 and 4: at the middle both are as likely, at a centre exp(-8) : 1
    rng = np.random.default_rng(1)
    points = np.r_[rng.normal(0, 1, 4000), rng.normal(4, 1, 4000)][:, None].astype(np.float32)
    mixture = DiagonalMixture(k=2).fit(points)
    at = np.array([[2.0], [0.0]], dtype=np.float32)
    assert_allclose(mixture.confidence(at), [0.5, 1 / (1 + np.exp(-8))], atol=0.06)
    assert mixture.confidence_.min() >= 0.5


def test_predict_gives_the_labels_of_fit_one_customer_at_a_time(spread_out):
    points, _ = spread_out
    mixture = DiagonalMixture(k=3).fit(points)
    assert_array_equal(mixture.predict(points), mixture.labels_)
    assert_array_equal([mixture.predict(points[[i]])[0] for i in range(0, 3000, 100)], mixture.labels_[::100])
    assert_array_equal(mixture.confidence(points), mixture.confidence_)


@pytest.mark.parametrize("sample", [50_000, 800])
def test_shuffling_customers_and_threads_change_nothing(spread_out, sample):
    points, _ = spread_out
    order = np.random.default_rng(2).permutation(len(points))
    with threadpool_limits(1):
        here = DiagonalMixture(k=3, sample=sample).fit(points)
    there = DiagonalMixture(k=3, sample=sample).fit(points[order])
    assert_array_equal(here.labels_[order], there.labels_)
    assert here.centers_.tobytes() == there.centers_.tobytes()
    assert here.bic_ == there.bic_


def test_the_information_criterion_prefers_the_planted_number(spread_out):
    points, _ = spread_out
    by_k = {k: DiagonalMixture(k=k).fit(points).bic_ for k in (2, 3)}
    assert by_k[3] < by_k[2]


def test_rounds_that_did_not_suffice_are_noted(spread_out):
    assert DiagonalMixture(k=3).fit(spread_out[0]).notes_ == ()
    assert "not settled after 1 rounds" in DiagonalMixture(k=3, rounds=1).fit(spread_out[0]).notes_[0]


def test_a_constant_column_does_no_harm(spread_out):
    points, truth = spread_out
    wide = np.c_[points, np.full(len(points), 7.0)]
    assert adjusted_rand_score(truth, DiagonalMixture(k=3).fit(wide).labels_) > 0.95


def test_bad_input_is_refused(spread_out):
    points, _ = spread_out
    with pytest.raises(NotFitted, match="call fit first"):
        DiagonalMixture().predict(points)
    with pytest.raises(ContractError, match="2 columns given, but the segments were found in 6"):
        DiagonalMixture(k=2).fit(points).predict(points[:, :2])
    with pytest.raises(ContractError, match="of whom 2 differ, cannot make 3 segments"):
        DiagonalMixture(k=3).fit(np.repeat([[0.0], [1.0]], 50, axis=0))
    with pytest.raises(SettingsError, match="k 1"):
        DiagonalMixture(k=1).fit(points)
    with pytest.raises(ContractError, match="missing or infinite"):
        DiagonalMixture(k=2).fit([[0.0], [np.nan]])
