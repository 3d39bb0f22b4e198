"""Columns as small codes, so that an edited bound looks at one byte per customer instead of eight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from segmentation.rule_values import Comparison, compared
from segmentation.rules import Between, Compare, Condition, In

# cuts at quantiles and so many bins at most: where one value takes several cuts, what follows it takes one of them
CUTS = 255
# one comparison of bytes per wanted level pays up to here
FEW_LEVELS = 24


class NumberCodes(NamedTuple):
    """Numbers in bins of neighbours.

    codes : uint8 (n,), 0 for a gap, 1 + the bin otherwise
    edges : (b - 1,) ascending; bin k holds edges[k - 1] <= value < edges[k]
    low, high : (b,) smallest and largest value of each bin
    order, starts : positions of the customers of code c are order[starts[c] : starts[c + 1]]
    """

    values: np.ndarray
    codes: np.ndarray
    edges: np.ndarray
    low: np.ndarray
    high: np.ndarray
    order: np.ndarray
    starts: np.ndarray

    def fits(self, op: Comparison, value: float) -> np.ndarray:
        """Which numbers stand in this relation to the value, bool of shape (n,); a gap never does."""
        if op == "!=":
            return ~self.fits("==", value) & (self.codes > 0)
        code = 1 + int(np.searchsorted(self.edges, value, side="right"))
        if op == "==":
            mask = np.zeros(len(self.codes), dtype=bool)
        elif op in (">", ">="):
            mask = self.codes > code
        else:
            # a gap's 0 wraps round to 255, which is above every code
            mask = self.codes - np.uint8(1) < code - 1
        # all other bins lie on one side of the value
        if self.low[code - 1] == self.high[code - 1]:
            return mask | (self.codes == code) if compared(self.low[code - 1], op, value) else mask
        near = self.order[self.starts[code] : self.starts[code + 1]]
        mask[near] = compared(self.values[near], op, value)
        return mask


class LevelCodes(NamedTuple):
    """Texts as the positions of their levels, −1 for a gap."""

    codes: np.ndarray
    levels: pd.Index

    def fits(self, wanted: tuple[str, ...]) -> np.ndarray:
        """Which texts are one of those wanted, bool of shape (n,); a gap never is."""
        places = self.levels.get_indexer(pd.Index(list(dict.fromkeys(wanted)), dtype=self.levels.dtype))
        places = places[places >= 0]
        if len(places) > FEW_LEVELS:
            chosen = np.zeros(len(self.levels) + 1, dtype=bool)
            chosen[places] = True
            # code −1 reads the False behind the levels
            return chosen.take(self.codes)
        mask = np.zeros(len(self.codes), dtype=bool)
        for place in places:
            mask |= self.codes == place
        return mask


def number_codes(values: np.ndarray) -> NumberCodes | None:
    """Finite numbers with NaN for gaps, coded; None where there is no number at all."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return None
    cuts, often = np.unique(known[np.linspace(0, len(known) - 1, CUTS).astype(np.int64)], return_counts=True)
    following = np.searchsorted(known, cuts[often > 1], side="right")
    edges = np.union1d(cuts, known[following[following < len(known)]])[1:]
    codes = (1 + np.searchsorted(edges, values, side="right")).astype(np.uint8)
    codes[np.isnan(values)] = 0
    first = np.concatenate([[0], np.searchsorted(known, edges, side="left")])
    last = np.append(first[1:], len(known)) - 1
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(edges) + 2))])
    order = np.argsort(codes, kind="stable").astype(np.int32)
    return NumberCodes(values, codes, edges, known[first], known[last], order, starts)


def level_codes(series: pd.Series) -> LevelCodes:
    """A column of categories, coded."""
    return LevelCodes(series.cat.codes.to_numpy(), series.cat.categories)


def coded_fits(condition: Condition, codes: NumberCodes | LevelCodes) -> np.ndarray | None:
    """Who fits, bool of shape (n,); None for what codes do not answer, a literal of another type for one."""
    if isinstance(codes, LevelCodes):
        if isinstance(condition, In):
            wanted = tuple(value for value in condition.values if isinstance(value, str))
            return codes.fits(wanted) if len(wanted) == len(condition.values) else None
        if isinstance(condition, Compare) and isinstance(condition.value, str):
            same = codes.fits((condition.value,))
            return same if condition.op == "==" else ~same & (codes.codes >= 0)
        return None
    if isinstance(condition, Compare) and _is_number(condition.value):
        return codes.fits(condition.op, condition.value)  # type: ignore[arg-type]
    if isinstance(condition, Between) and _is_number(condition.low):
        return codes.fits(">=", condition.low) & codes.fits("<", condition.high)  # type: ignore[arg-type]
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
