"""How the values of one feature are spread, and how far that has moved since a baseline.

Everything rests on sorted values or on counts of levels: the order of the rows and the number of threads that read
them change nothing, down to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# times a hundred million it is still a whole number in float64
MODERATE = 1e6


class Numbers(NamedTuple):
    """The values of a number or truth value; `ordered` holds the known finite ones, ascending."""

    rows: int
    nulls: int
    infinite: int
    ordered: np.ndarray


class Levels(NamedTuple):
    """The values of a text: each different one with its rows, most frequent first, then by value."""

    rows: int
    nulls: int
    counts: dict[str, int]


class Spread(NamedTuple):
    """Figures of known finite values; NaN where there is none. Quantiles are values that occur."""

    distinct: int
    mean: float
    std: float
    min: float
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    max: float


def numbers(values: pa.ChunkedArray) -> Numbers:
    """The numbers of a column, sorted; NaN counts as missing, truth values as 0 and 1.

    Moderate fractions are rounded to eight decimals: sums in another order differ by less, and one value must not
    look like two.
    """
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int64())
    known = values.drop_null().to_numpy()
    nulls = values.null_count
    infinite = 0
    if known.dtype.kind == "f":
        nulls += int(np.isnan(known).sum())
        known = known[np.isfinite(known)]
        infinite = len(values) - nulls - len(known)
        known = np.where(np.abs(known) < MODERATE, np.round(np.clip(known, -MODERATE, MODERATE), 8), known)
    # + 0 makes the two zeros one, whose order a sort does not settle
    return Numbers(len(values), nulls, infinite, np.sort(known) + known.dtype.type(0))


def levels(values: pa.ChunkedArray) -> Levels:
    """The different texts of a column with their rows."""
    counted = pc.value_counts(values.drop_null())
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    ordered = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return Levels(len(values), values.null_count, dict(ordered))


def spread(data: Numbers) -> Spread:
    """Mean, standard deviation (of all, not of a sample) and quantiles."""
    values = data.ordered
    if len(values) == 0:
        return Spread(0, *[float("nan")] * 9)
    distinct = 1 + int(np.count_nonzero(values[1:] != values[:-1]))
    with np.errstate(over="ignore", invalid="ignore"):
        reals = values.astype(np.float64)
        mean, std = float(reals.mean()), float(reals.std())
    # values near the end of the number range: no figure rather than infinity
    figures = [figure if np.isfinite(figure) else float("nan") for figure in (mean, std)]
    return Spread(distinct, *figures, *(float(quantile(values, p)) for p in (0, 5, 25, 50, 75, 95, 100)))


def quantile(ordered: np.ndarray, percent: int) -> Any:
    """The smallest value that at least `percent` % of the sorted values do not exceed."""
    # whole percents: 0.1 * 30 is not 3 in binary
    return ordered[max(-(-percent * len(ordered) // 100) - 1, 0)]


def bin_edges(baseline: Numbers, now: Numbers) -> np.ndarray:
    """Edges (k + 1,) of k bins at the baseline's deciles, from the least to the greatest value of either.

    Bins are half-open, the last one holds its upper edge. Edges lie half-way between neighbouring values of the
    baseline, so that a value that many share may move a little without a whole bin moving with it. A value on which
    several deciles fall gets a bin of its own, so that a move from "mostly 0" to "mostly 1" shows. Without known
    values there is no edge.
    """
    reference = baseline.ordered if len(baseline.ordered) else now.ordered
    if len(reference) == 0:
        return np.empty(0)
    sides = [side.ordered for side in (baseline, now) if len(side.ordered)]
    low, high = float(min(side[0] for side in sides)), float(max(side[-1] for side in sides))
    different = np.unique(reference.astype(np.float64))
    if len(different) == 1:
        above = [float(side[side > different[0]][0]) for side in sides if side[-1] > different[0]]
        inner = np.array([different[0], *above])
    else:
        deciles = [float(quantile(reference, percent)) for percent in range(10, 100, 10)]
        places, repeats = np.unique(np.searchsorted(different, deciles), return_counts=True)
        # halves first: the sum of two great numbers is none
        middles = different[1:] / 2 + different[:-1] / 2
        with np.errstate(over="ignore"):
            ends = [2 * different[0] - middles[0], 2 * different[-1] - middles[-1]]
        borders = np.concatenate([ends[:1], middles, ends[1:]])
        inner = np.unique(borders[np.concatenate([places, places[repeats > 1] + 1])])
    return np.concatenate([[low], inner[(inner > low) & (inner <= high)], [high]])


def bin_counts(data: Numbers, edges: np.ndarray) -> np.ndarray:
    """Known finite values per bin, shape (k,)."""
    if len(edges) == 0:
        return np.empty(0, dtype=np.int64)
    below = np.searchsorted(data.ordered, edges[1:-1], "left")
    return np.diff(np.concatenate([[0], below, [len(data.ordered)]]))


def stability_index(now: Sequence[int] | np.ndarray, baseline: Sequence[int] | np.ndarray) -> float:
    """Population stability index (PSI) of rows per bin against a baseline's; NaN when either has no row.

    Sum over B bins of (p - q) ln(p / q), with shares smoothed after Laplace: p = (n + 1) / (N + B), so that an empty
    bin does not weigh infinitely. 0 means equal shares. Symmetric: Jeffreys' divergence; in credit scoring after
    Siddiqi (2006), Credit Risk Scorecards, ch. 10 (below .1 stable, above .25 shifted).

    >>> stability_index([10, 20, 30], [10, 20, 30])
    0.0
    >>> round(stability_index([8, 0], [4, 4]), 4)
    0.8789
    """
    p, q = np.asarray(now, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if p.sum() == 0 or q.sum() == 0:
        return float("nan")
    p, q = (p + 1) / (p.sum() + len(p)), (q + 1) / (q.sum() + len(q))
    return float(((p - q) * np.log(p / q)).sum())


def chance_index(now: int, baseline: int, bins: int, confidence: float) -> float:
    """The PSI that two draws from one distribution stay below with this confidence.

    (1 / N + 1 / M) times the quantile of chi-square with B - 1 degrees of freedom: Yurdakul and Naranjo (2020),
    Journal of Risk Model Validation 14(4). Snapshots share most of their people and so differ by less.
    """
    from scipy.special import chdtri

    return (1 / now + 1 / baseline) * float(chdtri(bins - 1, 1 - confidence)) if bins > 1 else 0.0


def chance_gap(now: int, baseline: int, share: float, confidence: float) -> float:
    """The difference of two shares around `share` that two draws of one population stay below with this confidence.

    Normal approximation with the pooled variance.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return float(z * (share * (1 - share) * (1 / now + 1 / baseline)) ** 0.5)


def level_counts(data: Levels, names: Sequence[str]) -> np.ndarray:
    """Rows of each named level, of all other levels together, and without value, shape (len(names) + 2,)."""
    named = [data.counts.get(name, 0) for name in names]
    return np.array([*named, data.rows - data.nulls - sum(named), data.nulls])


def shown_levels(data: Levels, most: int, fewest: int) -> list[tuple[str | None, float]]:
    """The most frequent levels with their share of all rows; None stands for all others together.

    No share rests on fewer than `fewest` rows: rarer levels are among the others, and as long as those are too few
    themselves, the rarest shown level joins them.
    """
    shown = [(name, count) for name, count in data.counts.items() if count >= fewest][:most]
    rest = data.rows - data.nulls - sum(count for _, count in shown)
    while shown and 0 < rest < fewest:
        rest += shown.pop()[1]
    if rest < fewest:
        return [(name, count / data.rows) for name, count in shown]
    return [*((name, count / data.rows) for name, count in shown), (None, rest / data.rows)]
