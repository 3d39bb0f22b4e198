"""How many people stored audiences share, and who is left to each when everybody counts only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError


def overlap_counts(bitmaps: Sequence[Any]) -> np.ndarray:
    """People in both of two audiences, int64 of shape (s, s); the diagonal holds the sizes.

    Parameters
    ----------
    bitmaps : roaring bitmaps over one id dictionary
    """
    s = len(bitmaps)
    counts = np.zeros((s, s), dtype=np.int64)
    for i, one in enumerate(bitmaps):
        counts[i, i] = len(one)
        shared = one.intersection_cardinality
        counts[i, i + 1 :] = [shared(other) for other in bitmaps[i + 1 :]]
    return counts + np.triu(counts, 1).T


def overlap_table(bitmaps: Mapping[str, Any]) -> pd.DataFrame:
    """`overlap_counts` by audience id."""
    ids = list(bitmaps)
    return pd.DataFrame(overlap_counts(list(bitmaps.values())), index=ids, columns=ids)


def deduplicated_bitmaps(bitmaps: Mapping[str, Any]) -> dict[str, Any]:
    """Every person left to the first audience that has them, in the order given."""
    kept: dict[str, Any] = {}
    taken: Any = None
    for name, bitmap in bitmaps.items():
        kept[name] = bitmap.copy() if taken is None else bitmap - taken
        taken = bitmap.copy() if taken is None else taken | bitmap
    return kept


def deduplicated_table(bitmaps: Mapping[str, Any], kept: Mapping[str, Any]) -> pd.DataFrame:
    """Size, people left and people an audience of higher priority has taken, by audience, first priority first."""
    sizes = [len(bitmap) for bitmap in bitmaps.values()]
    left = [len(kept[name]) for name in bitmaps]
    return pd.DataFrame(
        {"audience_id": list(bitmaps), "size": sizes, "kept": left, "taken": np.subtract(sizes, left)},
    )


def each_once(ids: Sequence[str]) -> list[str]:
    """The ids themselves; ContractError where one comes twice or there is none."""
    twice = sorted({one for one in ids if list(ids).count(one) > 1})
    if twice or not ids:
        raise ContractError(f"audiences: {twice or 'none'} given; name each audience once, and at least one")
    return list(ids)
