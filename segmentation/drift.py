"""Has a feature, or a segment, changed since: the population stability index, and how much of it is chance."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.columns import column_kind, numbers, texts

Band = Literal["stable", "watch", "alarm"]

# the customary bands (Siddiqi 2006, Credit Risk Scorecards, 9)
WATCH = 0.1
ALARM = 0.25
BINS = 10
# chance of any alarm in a whole table that did not change
FALSE_ALARMS = 0.01
# a bin with fewer expected customers is joined to its neighbour: the chance level holds for larger counts
LEAST_EXPECTED = 10.0
SEGMENT_SIZES = "(segment sizes)"
EVERYBODY = ""
COLUMNS = ["segment_id", "feature", "before", "after", "bins", "psi", "chance", "band"]


class Psi(NamedTuple):
    """Population stability index of two distributions, the level that chance alone seldom exceeds, and what to do.

    `bins` counts those left after thin ones were joined; below two of them nothing can be said and psi is NaN.
    """

    psi: float
    chance: float
    bins: int
    band: Band


def psi(before: np.ndarray, after: np.ndarray, false_alarms: float = FALSE_ALARMS, ordered: bool = True) -> Psi:
    """Population stability index of counts per bin.

    Parameters
    ----------
    before, after : customers per bin, same bins
    false_alarms : chance of exceeding `chance` without any change
    ordered : whether neighbouring bins are alike (numbers); else the thinnest bins are joined (texts)

    Notes
    -----
    Σ (p - q) ln(p / q) over bins, p and q being the shares before and after; an empty bin counts half a customer.
    Without drift (n · m / (n + m)) · PSI follows a chi-square law with bins - 1 degrees of freedom for large counts
    (Yurdakul 2018, Statistical properties of the population stability index, Western Michigan University): its upper
    quantile is the chance level. "watch" from 0.1 and "alarm" from 0.25, and neither at or below the chance level:
    with few customers a PSI of 0.1 means nothing.

    >>> round(psi(np.array([500, 500]), np.array([400, 600])).psi, 6)  # (.5 - .4) ln(.5/.4) + (.5 - .6) ln(.5/.6)
    0.040547
    """
    old, new = (np.asarray(counts, dtype=np.float64) for counts in (before, after))
    if old.shape != new.shape or old.ndim != 1:
        raise ContractError(f"psi: counts of shapes {old.shape} and {new.shape}; give the same bins before and after")
    if not (np.isfinite(old).all() and np.isfinite(new).all() and (old >= 0).all() and (new >= 0).all()):
        raise ContractError("psi: a count is negative or not a number; give customers per bin")
    old, new = _joined(old, new, ordered)
    n, m, bins = float(old.sum()), float(new.sum()), len(old)
    if bins < 2 or n == 0 or m == 0:
        return Psi(float("nan"), float("nan"), bins, "stable")
    found = _index(old, new)
    chance = _chance(n, m, bins, false_alarms)
    band: Band = "stable" if found < WATCH or found <= chance else "watch" if found < ALARM else "alarm"
    return Psi(found, chance, bins, band)


def drift(
    before: pd.DataFrame,
    after: pd.DataFrame,
    segments: tuple[np.ndarray, np.ndarray] | None = None,
    bins: int = BINS,
    false_alarms: float = FALSE_ALARMS,
) -> pd.DataFrame:
    """What changed, feature by feature, among everybody and within each segment.

    One row per segment ("" for everybody) and feature, and one for the sizes of the segments: `before` and `after`
    (customers), `bins`, `psi`, `chance`, `band`.

    Parameters
    ----------
    before, after : features of the customers then and now, same columns
    segments : segment id of each customer then and now
    bins : quantile bins of a number, cut where the customers of `before` were; gaps are a bin of their own
    false_alarms : chance that a table without any change holds a row that is not "stable", shared out among its rows
        (Bonferroni)
    """
    if list(before.columns) != list(after.columns):
        odd = sorted(set(map(str, before.columns)) ^ set(map(str, after.columns)))
        raise ContractError(f"drift: the columns differ ({odd}); take the same feature service before and after")
    if not len(before) or not len(after):
        raise ContractError(f"drift: {len(before):,} customers before and {len(after):,} after; give both")
    groups = [(EVERYBODY, np.ones(len(before), dtype=bool), np.ones(len(after), dtype=bool))]
    counted = []
    if segments is not None:
        old, new = (np.asarray(ids, dtype=object) for ids in segments)
        if len(old) != len(before) or len(new) != len(after):
            raise ContractError(f"drift: {len(old):,} and {len(new):,} segment ids; give one per customer")
        known = sorted(set(old) | set(new))
        groups += [(name, old == name, new == name) for name in known]
        sizes = [(old == name).sum() for name in known], [(new == name).sum() for name in known]
        counted.append((EVERYBODY, SEGMENT_SIZES, False, np.asarray(sizes[0]), np.asarray(sizes[1])))
    for name in before.columns:
        codes, ordered = _codes(before[name], after[name], bins)
        size = int(max(codes[0].max(), codes[1].max())) + 1
        for segment, rows_old, rows_new in groups:
            then = np.bincount(codes[0][rows_old], minlength=size)
            now = np.bincount(codes[1][rows_new], minlength=size)
            counted.append((segment, str(name), ordered, then, now))
    each = false_alarms / len(counted) if counted else false_alarms
    rows = []
    for segment, feature, ordered, then, now in counted:
        one = psi(then, now, each, ordered)
        rows.append((segment, feature, int(then.sum()), int(now.sum()), one.bins, one.psi, one.chance, one.band))
    return pd.DataFrame(rows, columns=COLUMNS)


def _index(old: np.ndarray, new: np.ndarray) -> float:
    p, q = np.where(old > 0, old, 0.5), np.where(new > 0, new, 0.5)
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def _chance(n: float, m: float, bins: int, false_alarms: float) -> float:
    from scipy.stats import chi2

    return float(chi2.isf(false_alarms, bins - 1) * (n + m) / (n * m))


def _joined(old: np.ndarray, new: np.ndarray, ordered: bool) -> tuple[np.ndarray, np.ndarray]:
    """The counts with thin bins joined: to the thinner neighbour where bins are ordered, else to the next thinnest."""
    filled = old + new > 0
    old, new = old[filled], new[filled]
    if not ordered:
        order = np.argsort(old + new, kind="stable")
        old, new = old[order], new[order]
    whole = old.sum() + new.sum()
    least = LEAST_EXPECTED * whole / max(min(old.sum(), new.sum()), 1e-300)
    while len(old) > 1 and (old + new).min() < least:
        at = int((old + new).argmin())
        beside = [i for i in (at - 1, at + 1) if 0 <= i < len(old)]
        other = min(beside, key=lambda i: old[i] + new[i])
        keep = min(at, other)
        for counts in (old, new):
            counts[keep] = counts[at] + counts[other]
        old, new = np.delete(old, max(at, other)), np.delete(new, max(at, other))
    return old, new


def _codes(before: pd.Series, after: pd.Series, bins: int) -> tuple[tuple[np.ndarray, np.ndarray], bool]:
    """Bin of each value, before and after, and whether neighbouring bins are alike; gaps are the first bin."""
    kinds = {column_kind(before), column_kind(after)} - {"empty"}
    if len(kinds) > 1:
        raise ContractError(
            f"drift: column {before.name!r} holds {column_kind(before)} values before and {column_kind(after)} after; "
            "convert one of them"
        )
    if kinds == {"text"}:
        levels = sorted(texts(before).dropna().unique())
        old, new = (
            pd.Categorical(texts(series), categories=levels).codes.astype(np.intp) for series in (before, after)
        )
        unseen = (new < 0) & after.notna().to_numpy(dtype=bool)
        return (old + 1, np.where(unseen, len(levels) + 1, new + 1)), False
    if not kinds:
        return (np.zeros(len(before), dtype=np.intp), np.zeros(len(after), dtype=np.intp)), True
    old_values, new_values = numbers(before), numbers(after)
    seen = old_values[~np.isnan(old_values)]
    edges = np.unique(np.quantile(seen, np.arange(1, bins) / bins)) if len(seen) else np.empty(0)
    return (_placed(old_values, edges), _placed(new_values, edges)), True


def _placed(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right") + 1)
