"""Segments as a picture: members on the two directions in which they differ most."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError
from segmentation.distances import content_order

MOST = 2_000
# points of a smaller segment could be told to be somebody
LEAST = 20
SMALL = -1


class Projection(NamedTuple):
    """A sample of members in two dimensions; nobody's id is in it.

    points : (m, 2), to two decimals
    labels : (m,) segment of each point, −1 for all segments of fewer than 20 people together
    explained : share of the variance along either direction
    """

    points: np.ndarray
    labels: np.ndarray
    explained: tuple[float, float]

    def facts(self) -> dict[str, Any]:
        """As plain JSON values; `read_projection` reads them back."""
        return {
            "x": self.points[:, 0].tolist(),
            "y": self.points[:, 1].tolist(),
            "label": self.labels.tolist(),
            "explained": list(self.explained),
        }


def read_projection(facts: dict[str, Any]) -> Projection:
    """The projection whose `facts()` these are."""
    try:
        points = np.column_stack([np.asarray(facts[axis], dtype=np.float64) for axis in ("x", "y")])
        first, second = facts["explained"]
        return Projection(points, np.asarray(facts["label"], dtype=np.int64), (float(first), float(second)))
    except (KeyError, ValueError) as error:
        raise ContractError(f"segment map: {error}; restore the stored version or fit again") from error


def projection(points: np.ndarray, labels: np.ndarray, most: int = MOST, least: int = LEAST) -> Projection:
    """A sample of the members on the first two principal components of all of them.

    Parameters
    ----------
    points : encoded members, shape (n, d)
    labels : segment of each, 0 ... k - 1
    most : points drawn, chosen by content, so that the order of the rows does not matter
    least : smaller segments are shown as one

    Notes
    -----
    Directions come from the covariance of all rows. Their sign is free; the largest loading points up, so that two
    versions of the same customers look alike.
    """
    from threadpoolctl import threadpool_limits

    labels = np.asarray(labels)
    if points.ndim != 2 or len(points) != len(labels) or len(points) < 2:
        raise ContractError(
            f"segment map: points of shape {points.shape} and {len(labels):,} labels; give one each, two at least"
        )
    order = content_order(points, 0)
    wide = points[order].astype(np.float64)
    wide -= wide.mean(axis=0)
    # one thread: the same bytes on any machine
    with threadpool_limits(1):
        values, vectors = np.linalg.eigh(wide.T @ wide / len(wide))
    axes = vectors[:, ::-1][:, :2]
    # one column has no second direction
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, [0, 1]] < 0, -1.0, 1.0)
    total = float(np.clip(values, 0, None).sum())
    shares = np.clip(np.r_[values[::-1], 0.0][:2], 0, None) / total if total > 0 else np.zeros(2)
    shown = order[:most]
    sizes = np.bincount(labels)
    folded = np.where(sizes[labels[shown]] >= least, labels[shown], SMALL)
    drawn = np.round(wide[:most] @ axes, 2) + 0.0
    return Projection(drawn, folded, (round(float(shares[0]), 4), round(float(shares[1]), 4)))
