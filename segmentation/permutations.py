"""How good the best rule looks by chance alone: the outcome shuffled over customers again and again."""

from __future__ import annotations

import numpy as np

from segmentation.bits import packed, unpacked
from segmentation.halves import Half


def westfall_young(
    hits: np.ndarray, size: np.ndarray, half: Half, *, depth: int, support: int, permutations: int, seed: int
) -> np.ndarray:
    """Adjusted p of each rule: the share of shuffled outcomes under which any rule looks as good.

    Westfall and Young (1993), single step, on mid-p: the chance of even one false rule is kept, and rules that say
    nearly the same are not paid for twice. Counts the outcome itself as one of the shuffled, so that the least value
    is 1 / (permutations + 1).

    Parameters
    ----------
    hits, size : rules' outcomes and members on this half
    """
    from segmentation import search

    if not len(hits):
        return np.zeros(0)
    rng = np.random.default_rng(seed)
    outcome = unpacked(half.outcome, half.rows)
    shuffled = np.stack([packed(rng.permutation(outcome)) for _ in range(permutations)])
    least = np.sort(search.least_p(half.fits, half.attribute, shuffled, half.rows, depth=depth, support=support))
    seen = search.mid_p(hits, size, int(outcome.sum()), half.rows)
    # equal mid-p of equal counts must count as equal
    beaten = np.searchsorted(least, seen * (1 + 1e-9), side="right")
    adjusted: np.ndarray = (1 + beaten) / (permutations + 1)
    return adjusted
