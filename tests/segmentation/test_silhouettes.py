"""Silhouettes of many labelings at once are scikit-learn's, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import silhouette_samples, silhouette_score

from segmentation.silhouettes import ROWS, silhouettes


def test_silhouettes_by_hand():
    # 0, 1 | 4: from 0 its own is 1 away and the other 4; from 1 1 and 3; a row alone counts 0
    found = silhouettes(np.array([[0.0], [1], [4]], dtype=np.float32), np.array([[0, 0, 1]]))
    assert_allclose(found, [[3 / 4, 2 / 3, 0]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 3 * ROWS), st.integers(1, 12), st.floats(-1e4, 1e4))
def test_they_are_scikit_learns(seed, rows, columns, away):
    rng = np.random.default_rng(seed)
    points = (rng.normal(size=(rows, columns)) + away).astype(np.float32)
    points[rng.integers(0, rows, rows // 4)] = points[0]  # equal customers, and distances of exactly 0
    labels = np.array([np.r_[np.arange(k), rng.integers(0, k, rows - k)] for k in (2, 3, 4)])
    found = silhouettes(points, labels)
    for line, own in zip(labels, found, strict=True):
        assert_allclose(own.mean(), silhouette_score(points.astype(np.float64), line), atol=1e-6)


def test_a_label_nobody_has_is_no_segment():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    skipping = np.arange(60) % 3 * 2  # 0, 2, 4
    assert_allclose(silhouettes(points, skipping[None])[0], silhouette_samples(points, skipping), atol=1e-6)


def test_one_segment_alone_has_no_silhouette():
    assert (
        silhouettes(np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32), np.zeros((1, 9), int)).sum() == 0
    )


def test_a_weight_of_two_is_the_row_twice():
    rng = np.random.default_rng(4)
    points, labels = rng.normal(size=(80, 3)).astype(np.float32), rng.integers(0, 3, 80)
    heavy = rng.integers(1, 4, 80)
    weighted = silhouettes(points, labels[None], heavy.astype(float))[0]
    repeated = silhouette_samples(np.repeat(points, heavy, axis=0), np.repeat(labels, heavy))
    assert_allclose(np.repeat(weighted, heavy), repeated, atol=1e-6)


def test_threads_change_no_bit():
    rng = np.random.default_rng(5)
    points, labels = rng.normal(size=(1500, 8)).astype(np.float32), rng.integers(0, 5, (4, 1500))
    assert_array_equal(silhouettes(points, labels), silhouettes(points, labels, cores=3))


@pytest.mark.slow
@pytest.mark.ray
def test_ray_changes_no_bit():
    rng = np.random.default_rng(5)
    points, labels = rng.normal(size=(1500, 8)).astype(np.float32), rng.integers(0, 5, (4, 1500))
    assert_array_equal(silhouettes(points, labels), silhouettes(points, labels, backend="ray"))
