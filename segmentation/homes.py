"""Which scene is a person's own: not the one everybody uses most, but the one used more than others use it."""

from __future__ import annotations

import numpy as np


def scene_affinity(who: np.ndarray, scene: np.ndarray, count: np.ndarray) -> np.ndarray:
    """How much more a person uses a scene than the whole base would lead to expect, per (person, scene) row.

    Parameters
    ----------
    who, scene : (rows,) codes from 0, each pair once
    count : (rows,) visits and purchases of the person in the scene

    Notes
    -----
    The Pearson residual of the person × scene table, (n - e) / sqrt(e) with e = person's total · scene's share
    (Agresti 2013, Categorical Data Analysis, 3.3): a large scene needs much, a small one little to stand out, and one
    visit of a person with few visits does not.

    >>> scene_affinity(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([5.0, 5.0, 10.0])).round(2).tolist()
    [-0.91, 1.58, 0.91]
    """
    count = np.nan_to_num(np.asarray(count, dtype=np.float64))
    total = count.sum()
    if total <= 0:
        return np.zeros(len(count))
    expected = np.bincount(who, count)[who] * (np.bincount(scene, count) / total)[scene]
    return np.where(expected > 0, (count - expected) / np.sqrt(np.maximum(expected, 1e-12)), 0.0)
