"""Distances to centres, and an order of rows that depends on their content alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmentation.kernels import CHUNK, label_rows, label_rows_two

KEY_ROWS = 32 * CHUNK


class NearestTwo(NamedTuple):
    """Nearest centre of each row, the distance to it and to the second nearest."""

    labels: np.ndarray
    distance: np.ndarray
    second: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """1 - distance / second in [0, 1]: the simplified silhouette of each row. 0 where both are 0."""
        apart = self.second > 0
        return np.where(apart, 1 - self.distance / np.where(apart, self.second, 1.0), 0.0)


def nearest_two(points: np.ndarray, centres: np.ndarray) -> NearestTwo:
    """The two nearest centres of each row, at least two centres given; float64 inside."""
    found = NearestTwo(np.empty(len(points), dtype=np.int32), np.empty(len(points)), np.empty(len(points)))
    label_rows_two(np.ascontiguousarray(points), np.ascontiguousarray(centres, dtype=np.float64), *found)
    return found


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Nearest centre of each row, int32, the same as `nearest_two` names."""
    labels = np.empty(len(points), dtype=np.int32)
    label_rows(np.ascontiguousarray(points), np.ascontiguousarray(centres, dtype=np.float64), labels)
    return labels


def content_keys(points: np.ndarray, seed: int) -> np.ndarray:
    """A random number of each row that its content and the seed decide, uint64."""
    keys = np.full(len(points), np.uint64(seed % 2**63) + np.uint64(0x9E3779B97F4A7C15), dtype=np.uint64)
    for start in range(0, len(points), KEY_ROWS):
        block = keys[start : start + KEY_ROWS]
        # -0.0 and 0.0 are one value but not one bit pattern
        bits = (points[start : start + KEY_ROWS] + np.float32(0)).astype(np.float32, copy=False).view(np.uint32)
        for column in bits.T:
            block = _mixed(block ^ column)
        keys[start : start + KEY_ROWS] = block
    return keys


def key_order(keys: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Positions of rows in the random order that their keys decide; equal rows are spread over it, light ones first."""
    order = np.argsort(keys, kind="stable") if weights is None else np.lexsort((weights, keys))
    grouped = keys[order]
    first = np.r_[True, grouped[1:] != grouped[:-1]]
    rank = np.arange(len(keys)) - np.maximum.accumulate(np.where(first, np.arange(len(keys)), 0))
    spread = np.empty_like(keys)
    spread[order] = _mixed(grouped + rank.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03))
    return np.argsort(spread, kind="stable")


def content_order(points: np.ndarray, seed: int) -> np.ndarray:
    """A random order of the rows that their content and the seed decide, not their place: shape (n,), positions.

    Taking the first m rows in this order is a random sample that stays the same when customers are shuffled. Equal
    rows are spread over the order instead of standing together.
    """
    return key_order(content_keys(np.asarray(points, dtype=np.float32), seed))


def _mixed(keys: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014, OOPSLA, 453): every bit depends on every bit."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = keys ^ (keys >> np.uint64(31))
    return mixed
