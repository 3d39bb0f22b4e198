"""Who is inside a group: its share of each level of a protected attribute, and its share of bad debt."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pandas as pd

from segmentation.columns import column_kind, numbers, texts
from segmentation.evidence import Interval, share_interval

# the share of a smaller level is mostly chance
LEAST_PEOPLE = 100
# numbers of more values, such as years of birth, are compared by fifths
AS_LEVELS = 10


class Fairness(NamedTuple):
    """The least ratio over all protected attributes, NaN where none is known, and the ratio by attribute as JSON."""

    least: float
    by_attribute: str


class BadRate(NamedTuple):
    """Share that went bad of those known, with a 95 % interval, one entry per rule."""

    rate: np.ndarray
    interval: Interval
    known: np.ndarray


def levels(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Codes of each protected attribute's levels, -1 for gaps; numbers of many values by fifths."""
    found = {}
    for name in frame.columns:
        kind = column_kind(frame[name])
        if kind == "empty":
            continue
        values: pd.Series | np.ndarray = texts(frame[name]) if kind == "text" else numbers(frame[name])
        if kind == "number" and len(np.unique(values[~np.isnan(values)])) > AS_LEVELS:
            cuts = np.nanquantile(values, [0.2, 0.4, 0.6, 0.8])
            values = np.where(np.isnan(values), np.nan, np.searchsorted(cuts, values, side="right"))
        found[str(name)] = pd.factorize(values)[0].astype(np.int64)
    return found


def selection_ratio(members: np.ndarray, codes: np.ndarray) -> float:
    """The least share of a level's people inside the group over the greatest; 1 is even, 0.8 the usual alarm.

    The four-fifths rule of the Uniform Guidelines (29 CFR 1607.4 D, 1978). Levels of fewer than `LEAST_PEOPLE` people
    are left out; NaN with fewer than two levels or nobody inside.

    >>> codes = np.repeat([0, 1], 200)
    >>> selection_ratio(np.arange(400) % 200 < np.where(codes == 0, 20, 40), codes)
    0.5
    """
    known = codes >= 0
    people = np.bincount(codes[known])
    inside = np.bincount(codes[known & members], minlength=len(people))
    shares = inside[people >= LEAST_PEOPLE] / people[people >= LEAST_PEOPLE]
    if len(shares) < 2 or shares.max() == 0:
        return float("nan")
    return float(shares.min() / shares.max())


def fairness(members: np.ndarray, protected: dict[str, np.ndarray]) -> Fairness:
    """How evenly a group draws on the levels of each protected attribute; `members` is bool of shape (n,)."""
    ratios = {name: selection_ratio(members, codes) for name, codes in protected.items()}
    known = {name: ratio for name, ratio in ratios.items() if not np.isnan(ratio)}
    text = json.dumps({name: round(ratio, 4) for name, ratio in sorted(known.items())})
    return Fairness(min(known.values(), default=float("nan")), text)


def bad_rates(members: list[np.ndarray], bad: np.ndarray | None) -> BadRate:
    """Share of each group's members with a known credit history that went bad; `bad` is 0, 1 or NaN (not known)."""
    if bad is None:
        none = np.full(len(members), np.nan)
        return BadRate(none, Interval(none, none), np.zeros(len(members), dtype=np.int64))
    known = np.array([int((mask & ~np.isnan(bad)).sum()) for mask in members], dtype=np.int64)
    went = np.array([int((mask & (bad == 1)).sum()) for mask in members], dtype=np.int64)
    rate = np.divide(went, known, out=np.full(len(members), np.nan), where=known > 0)
    return BadRate(rate, share_interval(went, known), known)
