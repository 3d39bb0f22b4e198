"""The picture of segments: two directions, no ids, small segments folded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scenefit.contracts.errors import ContractError
from segmentation.projection import LEAST, SMALL, projection, read_projection


def cloud(n: int = 900, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: three groups far apart along the first column, noise elsewhere."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], n // 3)
    points = rng.normal(0, 1, (n, 6))
    points[:, 0] += 12.0 * labels
    points[:, 1] *= 2.0
    return points.astype(np.float32), labels


def test_the_first_direction_is_that_of_the_largest_difference():
    points, labels = cloud()
    found = projection(points, labels, most=len(points))
    means = [found.points[found.labels == label, 0].mean() for label in range(3)]
    assert np.allclose(np.diff(means), 12, atol=0.5)
    variances = points.astype(float).var(axis=0)
    assert found.explained[0] == pytest.approx(variances[0] / variances.sum(), abs=0.01)
    assert found.explained[1] == pytest.approx(variances[1] / variances.sum(), abs=0.01)


def test_the_order_of_the_customers_changes_nothing():
    points, labels = cloud()
    order = np.random.default_rng(1).permutation(len(points))
    one, other = projection(points, labels, most=200), projection(points[order], labels[order], most=200)
    assert one.points.tobytes() == other.points.tobytes()
    assert one.labels.tolist() == other.labels.tolist()
    assert len(one.points) == 200


def test_small_segments_are_shown_as_one():
    points, labels = cloud()
    labels[:LEAST] = 3
    labels[LEAST : 2 * LEAST - 1] = 4
    found = projection(points, labels, most=len(points))
    assert (found.labels == 3).sum() == LEAST
    assert (found.labels == SMALL).sum() == LEAST - 1
    assert 4 not in found.labels


def test_it_is_stored_as_json():
    found = projection(*cloud(), most=50)
    back = read_projection(json.loads(json.dumps(found.facts())))
    assert np.array_equal(back.points, found.points)
    assert np.array_equal(back.labels, found.labels)
    assert back.explained == found.explained
    with pytest.raises(ContractError, match="segment map: 'x'; restore the stored version or fit again"):
        read_projection({"y": [1.0], "label": [0], "explained": [1, 0]})


def test_one_column_and_constant_customers_have_a_picture_too():
    flat = projection(np.arange(30, dtype=np.float32)[:, None], np.zeros(30, dtype=int))
    assert np.ptp(flat.points[:, 0]) == 29
    assert (flat.points[:, 1] == 0).all()
    assert flat.explained == (1.0, 0.0)
    assert projection(np.ones((30, 4), dtype=np.float32), np.zeros(30, dtype=int)).explained == (0.0, 0.0)


def test_points_and_labels_belong_together():
    with pytest.raises(ContractError, match=r"points of shape \(3, 2\) and 2 labels"):
        projection(np.zeros((3, 2), dtype=np.float32), np.array([0, 1]))
