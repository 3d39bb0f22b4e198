"""Distances to centres, and an order of rows that depends on their content alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# rows at once; k x CHUNK float64 stay in the second-level cache
CHUNK = 8192


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
    """The two nearest centres of each row, at least two centres given; float64 inside.

    Adds up one coordinate after the other instead of multiplying matrices: a row's distances then never depend on
    its place in the table or on threads, and nearby points lose no digits.
    """
    n = len(points)
    found = NearestTwo(np.empty(n, dtype=np.int32), np.empty(n), np.empty(n))
    wide = centres.astype(np.float64)
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        columns = np.ascontiguousarray(points[rows].T, dtype=np.float64)
        squared = np.zeros((len(wide), columns.shape[1]))
        for values, centre in zip(columns, wide.T, strict=True):
            step = values[None, :] - centre[:, None]
            step *= step
            squared += step
        found.labels[rows] = squared.argmin(axis=0)
        two = np.partition(squared, 1, axis=0)[:2]
        found.distance[rows], found.second[rows] = np.sqrt(two)
    return found


def content_order(points: np.ndarray, seed: int) -> np.ndarray:
    """A random order of the rows that their content and the seed decide, not their place: shape (n,), positions.

    Taking the first m rows in this order is a random sample that stays the same when customers are shuffled. Equal
    rows are spread over the order instead of standing together.
    """
    bits = np.ascontiguousarray(points, dtype=np.float32).view(np.uint32)
    keys = np.full(len(points), np.uint64(seed % 2**63) + np.uint64(0x9E3779B97F4A7C15), dtype=np.uint64)
    for column in bits.T:
        keys = _mixed(keys ^ column)
    order = np.argsort(keys, kind="stable")
    grouped = keys[order]
    first = np.r_[True, grouped[1:] != grouped[:-1]]
    rank = np.arange(len(keys)) - np.maximum.accumulate(np.where(first, np.arange(len(keys)), 0))
    spread = np.empty_like(keys)
    spread[order] = _mixed(grouped + rank.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03))
    return np.argsort(spread, kind="stable")


def _mixed(keys: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014, OOPSLA, 453): every bit depends on every bit."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = keys ^ (keys >> np.uint64(31))
    return mixed
