"""How far each segment lies from everybody, feature by feature, and how sure that is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.columns import column_kind, numbers, texts
from segmentation.evidence import Z95, lift_interval

# a text level rarer than this among all is too thin to tell anything by
SPOKEN_LEVEL = 0.01
COLUMNS = ["label", "feature", "column", "level", "known", "mean", "base", "z", "tgi", "tgi_low", "tgi_high"]


def lifts(frame: pd.DataFrame, labels: np.ndarray) -> pd.DataFrame:
    """Each feature of each segment against the base, with a 95 % interval: one row per segment and feature.

    Columns: `label`, `feature` ("column" or "column=level"), `column`, `level`, `known` (rows with a value), `mean`
    (of a truth value or level: share), `base` (all customers, the segment included), `z` (distance in standard
    deviations), `tgi`, `tgi_low`, `tgi_high`.

    Notes
    -----
    TGI (target group index) is 100 · mean / base, empty where the base is not positive. Its interval is the delta
    method on the log scale with the covariance of a part and its whole: log(m1 / m) moves with the segment's mean m1
    by 1/m1 - w/m and with the others' mean by -(1 - w)/m, w being the segment's share (Katz et al. 1978, Biometrics
    34, 469, for shares). For amounts the sample variance stands for the variance of a mean, so that strongly skewed
    amounts in small segments are covered less than 95 times in 100. A share of 0 has the upper end of Wilson's
    interval (Wilson 1927, JASA 22, 209); an amount of 0, or with negative values, or with fewer than two known
    rows has no interval. Gaps are left out. Sums are taken in sorted order, so the order of customers changes nothing.
    """
    labels = np.asarray(labels)
    if len(frame) != len(labels) or not len(labels):
        raise ContractError(f"lifts: {len(frame):,} rows but {len(labels):,} labels; give one each")
    k = int(labels.max()) + 1
    parts = [part for name in frame.columns for part in _of_column(frame[name], labels, k)]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def wilson(hits: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share: Wilson (1927), Journal of the American Statistical Association 22, 209.

    >>> [round(float(end[0]), 4) for end in wilson(np.array([0]), np.array([10]))]
    [0.0, 0.2775]
    """
    n = np.maximum(np.asarray(of, dtype=np.float64), 1e-300)
    share = hits / n
    middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    reach = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    some = np.asarray(of) > 0
    return np.where(some, np.maximum(middle - reach, 0), np.nan), np.where(some, np.minimum(middle + reach, 1), np.nan)


def _of_column(series: pd.Series, labels: np.ndarray, k: int) -> list[pd.DataFrame]:
    name, kind = str(series.name), column_kind(series)
    if kind == "empty":
        return []
    if kind == "text":
        return _of_levels(name, series, labels, k)
    values = numbers(series)
    known = ~np.isnan(values)
    if not known.any():
        return []
    if kind == "bool":
        sizes = np.bincount(labels[known], minlength=k)
        return [_shares(name, name, None, np.bincount(labels[known], values[known], k), sizes)]
    return [_means(name, values[known], labels[known], k)]


def _of_levels(name: str, series: pd.Series, labels: np.ndarray, k: int) -> list[pd.DataFrame]:
    column = pd.Categorical(texts(series))
    codes, levels = column.codes.astype(np.intp), [str(level) for level in column.categories]
    known = codes >= 0
    if not known.any():
        return []
    table = np.bincount(labels[known] * len(levels) + codes[known], minlength=k * len(levels)).reshape(k, -1)
    sizes = table.sum(axis=1)
    spoken = np.flatnonzero(table.sum(axis=0) >= SPOKEN_LEVEL * known.sum())
    return [_shares(f"{name}={levels[at]}", name, levels[at], table[:, at], sizes) for at in spoken]


def _shares(feature: str, column: str, level: str | None, hits: np.ndarray, sizes: np.ndarray) -> pd.DataFrame:
    """Rows of a truth value or a text level."""
    rows, positives = int(sizes.sum()), int(hits.sum())
    base = positives / rows
    mean = np.divide(hits, sizes, out=np.full(len(hits), np.nan), where=sizes > 0)
    low, high = np.full((2, len(hits)), np.nan)
    some, none = hits > 0, (hits == 0) & (sizes > 0) & (base > 0)
    if some.any():
        low[some], high[some] = lift_interval(hits[some], sizes[some], positives, rows)
    low[none], high[none] = 0.0, wilson(hits[none], sizes[none])[1] / max(base, 1e-300)
    return _rows(feature, column, level, sizes, mean, base, np.sqrt(base * (1 - base)), low, high)


def _means(name: str, values: np.ndarray, labels: np.ndarray, k: int) -> pd.DataFrame:
    """Rows of a numeric feature."""
    order = np.argsort(values, kind="stable")
    values, labels = values[order], labels[order]
    sizes = np.bincount(labels, minlength=k)
    n, total = len(values), float(values.sum())
    base = total / n
    square = (values - base) ** 2
    sums, squares = np.bincount(labels, values, k), np.bincount(labels, square, k)
    mean = np.divide(sums, sizes, out=np.full(k, np.nan), where=sizes > 0)
    spread = float(np.sqrt(square.sum() / n))
    low, high = np.full((2, k), np.nan)
    if values[0] >= 0 and base > 0:
        others = n - sizes
        fit = (sizes > 1) & (others > 1) & (sums > 0)
        inside = _variance(squares, sums, sizes, base)
        outside = _variance(square.sum() - squares, total - sums, others, base)
        weight = sizes / n
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = (1 / mean - weight / base) ** 2 * inside / sizes
            variance += ((1 - weight) / base) ** 2 * outside / others
            reach = np.exp(Z95 * np.sqrt(variance))
            low[fit], high[fit] = (mean / base / reach)[fit], (mean / base * reach)[fit]
        low[sums == 0] = np.where(sizes[sums == 0] > 0, 0.0, np.nan)
    return _rows(name, name, None, sizes, mean, base, spread, low, high)


def _variance(squares: np.ndarray, sums: np.ndarray, sizes: np.ndarray, base: float) -> np.ndarray:
    """Sample variance of groups, from sums and sums of squares about the common mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = sums / sizes - base
        found: np.ndarray = np.maximum(squares - sizes * shift**2, 0) / (sizes - 1)
    return found


def _rows(
    feature: str,
    column: str,
    level: str | None,
    sizes: np.ndarray,
    mean: np.ndarray,
    base: float,
    spread: float,
    low: np.ndarray,
    high: np.ndarray,
) -> pd.DataFrame:
    positive = base > 0
    return pd.DataFrame(
        {
            "label": np.arange(len(mean)),
            "feature": feature,
            "column": column,
            "level": pd.Series([level] * len(mean), dtype=object),
            "known": sizes,
            "mean": mean,
            "base": base,
            "z": (mean - base) / spread if spread > 0 else np.nan,
            "tgi": 100 * mean / base if positive else np.nan,
            "tgi_low": 100 * low if positive else np.nan,
            "tgi_high": 100 * high if positive else np.nan,
        }
    )
