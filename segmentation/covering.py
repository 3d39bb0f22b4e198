"""A short list of different groups: a rule that says again what a better one says is left out."""

from __future__ import annotations

import numpy as np

from segmentation.bits import count
from segmentation.halves import Half

# two rules are one group in two wordings above this Jaccard overlap
SAME_GROUP = 0.5


def different_groups(
    rules: np.ndarray, halves: tuple[Half, Half], marks: tuple[np.ndarray, np.ndarray], top: int
) -> np.ndarray:
    """The first rules that are different groups, at most `top`, as positions in `rules` (best first).

    A rule stands beside those before it when it shares no more than half of its marked members (Jaccard) with any.

    Parameters
    ----------
    rules : int32, shape (r, depth), selectors of each rule, -1 fills
    marks : bitmaps, one per half, of the members whose overlap counts
    """
    chosen: list[int] = []
    groups: list[np.ndarray] = []
    for i, rule in enumerate(rules):
        group = np.concatenate([half.members(rule) & mark for half, mark in zip(halves, marks, strict=True)])
        if all(count(group & other) <= SAME_GROUP * count(group | other) for other in groups):
            chosen.append(i)
            groups.append(group)
        if len(chosen) == top:
            break
    return np.asarray(chosen, dtype=np.intp)
