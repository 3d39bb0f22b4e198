"""The single conditions that rules are built from: levels of texts, intervals of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segmentation.columns import column_kind, numbers, texts
from segmentation.rules import Between, Compare

Selector = Compare | Between


def selectors(series: pd.Series, bins: int, support: int) -> list[Selector]:
    """Conditions on one column that at least `support` rows could fit.

    Texts and truth values: one per level. Numbers: every run of neighbouring quantile bins, so that narrow and wide
    bands are both tried; a column of at most `bins` values is cut between all of them. Edges are rounded to three
    digits, because a person has to read them.
    """
    kind = column_kind(series)
    if kind == "empty":
        return []
    name = str(series.name)
    if kind == "number":
        return _intervals(name, numbers(series), bins)
    if kind == "bool":
        return [Compare(column=name, op="==", value=value) for value in (False, True)]
    counts = texts(series).value_counts()
    return [Compare(column=name, op="==", value=str(level)) for level in sorted(counts[counts >= support].index)]


def _intervals(name: str, values: np.ndarray, bins: int) -> list[Selector]:
    seen = np.sort(values[~np.isnan(values)])
    different = np.unique(seen)
    if len(different) < 2:
        return []
    few = len(different) <= bins
    edges = different[1:] if few else _edges(seen, different, bins)
    bounds = [None, *(_literal(edge) for edge in edges), None]
    found: list[Selector] = []
    for i in range(len(bounds) - 1):
        for j in range(i + 1, len(bounds)):
            low, high = bounds[i], bounds[j]
            if few and j == i + 1:
                found.append(Compare(column=name, op="==", value=_literal(different[i])))
            elif low is not None and high is not None:
                found.append(Between(column=name, low=low, high=high))
            elif low is not None:
                found.append(Compare(column=name, op=">=", value=low))
            elif high is not None:
                found.append(Compare(column=name, op="<", value=high))
    return found


def _edges(seen: np.ndarray, different: np.ndarray, bins: int) -> np.ndarray:
    """Inner bin edges; the second smallest value is one where the smallest fills a bin (most never bought, say)."""
    cuts = np.quantile(seen, np.arange(1, bins) / bins)
    if np.searchsorted(seen, seen[0], side="right") >= len(seen) / bins:
        cuts = np.append(cuts, different[1])
    rounded = np.unique([float(f"{cut:.3g}") for cut in cuts])
    return rounded[(rounded > seen[0]) & (rounded <= seen[-1])]


def _literal(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)
