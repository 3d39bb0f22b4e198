"""The single conditions that rules are built from: levels and pairs of levels of texts, intervals of numbers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from segmentation.columns import column_kind, numbers, texts
from segmentation.rules import Between, Compare, In, Moment

Selector = Compare | Between | In

# a text of more levels is searched level by level; its sets grow afterwards, see `refinement`
PAIRED_LEVELS = 6


def selectors(series: pd.Series, bins: int, support: int) -> list[Selector]:
    """Conditions on one column that at least `support` rows could fit, chosen without a look at the outcome.

    Truth values: both. Texts: one per level, and of at most `PAIRED_LEVELS` levels every pair, so that a column yields
    21 at most or as many as it has levels. Numbers: every run of neighbouring quantile bins, so that narrow and wide
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
    return _levels(name, texts(series), support)


def fits(series: pd.Series, conditions: list[Selector]) -> np.ndarray:
    """Who fits each condition on this column, bool of shape (conditions, n): `mask` of each, the column read once."""
    rows = np.zeros((len(conditions), len(series)), dtype=bool)
    if not conditions:
        return rows
    if column_kind(series) == "text":
        codes, levels = pd.factorize(texts(series))
        code_of = {str(level): code for code, level in enumerate(levels)}
        for row, condition in zip(rows, conditions, strict=True):
            wanted = np.zeros(len(levels) + 1, dtype=bool)
            wanted[[code_of[level] for level in named(condition) if level in code_of]] = True
            # a gap has code -1: the last place, which no level holds
            row[:] = wanted[codes]
        return rows
    values = numbers(series)
    for row, condition in zip(rows, conditions, strict=True):
        low, high = span(condition)
        if isinstance(condition, Compare) and condition.op == "==":
            row[:] = values == low
        else:
            row[:] = (values >= low) & (values < high)
    return rows


def named(condition: Selector) -> tuple[str, ...]:
    """The levels a condition on a text admits."""
    if isinstance(condition, In):
        return tuple(str(value) for value in condition.values)
    return (str(condition.value),) if isinstance(condition, Compare) else ()


def span(condition: Selector) -> tuple[float, float]:
    """Ends of a condition on a number, low <= value < high; infinite where it is open.

    >>> span(Compare(column="age", op=">=", value=30))
    (30.0, inf)
    """
    if (
        isinstance(condition, Between)
        and not isinstance(condition.low, Moment)
        and not isinstance(condition.high, Moment)
    ):
        return float(condition.low), float(condition.high)
    if isinstance(condition, Compare) and isinstance(condition.value, bool | int | float):
        value = float(condition.value)
        return {"<": (-np.inf, value), ">=": (value, np.inf), "==": (value, value)}[condition.op]
    raise TypeError(f"{condition} has no ends")


def interval(name: str, low: float, high: float) -> Selector:
    """The condition low <= value < high on a column; an infinite end is left open.

    >>> interval("age", 30, np.inf).sentence("en")
    'age at least 30'
    """
    if np.isneginf(low):
        return Compare(column=name, op="<", value=_literal(high))
    if np.isposinf(high):
        return Compare(column=name, op=">=", value=_literal(low))
    return Between(column=name, low=_literal(low), high=_literal(high))


def level_set(name: str, levels: list[str]) -> Selector:
    """The condition that a text is one of these levels."""
    if len(levels) == 1:
        return Compare(column=name, op="==", value=levels[0])
    return In(column=name, values=tuple(sorted(levels)))


def readable(cuts: np.ndarray) -> np.ndarray:
    """Cuts of three digits, ascending and different.

    >>> readable(np.array([1234.5, 0.12345, 0.1234])).tolist()
    [0.123, 1230.0]
    """
    return np.unique([float(f"{cut:.3g}") for cut in cuts])


def _levels(name: str, values: pd.Series, support: int) -> list[Selector]:
    counts = values.value_counts()
    frequent = sorted(str(level) for level in counts[counts >= support].index)
    found = [level_set(name, [level]) for level in frequent]
    if 2 < len(frequent) <= PAIRED_LEVELS:
        found += [level_set(name, list(pair)) for pair in combinations(frequent, 2)]
    return found


def _intervals(name: str, values: np.ndarray, bins: int) -> list[Selector]:
    seen = np.sort(values[~np.isnan(values)])
    different = np.unique(seen)
    if len(different) < 2:
        return []
    few = len(different) <= bins
    edges = different[1:] if few else _edges(seen, different, bins)
    bounds = [-np.inf, *edges, np.inf]
    found: list[Selector] = []
    for i in range(len(bounds) - 1):
        for j in range(i + 1, len(bounds)):
            if few and j == i + 1:
                found.append(Compare(column=name, op="==", value=_literal(different[i])))
            elif (i, j) != (0, len(bounds) - 1):
                found.append(interval(name, bounds[i], bounds[j]))
    return found


def _edges(seen: np.ndarray, different: np.ndarray, bins: int) -> np.ndarray:
    """Inner bin edges; the second smallest value is one where the smallest fills a bin (most never bought, say)."""
    cuts = np.quantile(seen, np.arange(1, bins) / bins)
    if np.searchsorted(seen, seen[0], side="right") >= len(seen) / bins:
        cuts = np.append(cuts, different[1])
    rounded = readable(cuts)
    return rounded[(rounded > seen[0]) & (rounded <= seen[-1])]


def _literal(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)
