"""How one attribute becomes comparable numbers: plans learned from a column, and the columns they write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from segmentation.columns import Unreadable, column_kind, days_ago, is_moment, moments, numbers, texts
from segmentation.phrases import DAYS_AGO

Skew = Literal["log", "quantile"]
Period = Literal["weekday", "monthday"]

# beyond this skewness one large spender sets the scale for everybody
SKEWED = 1.0
# standard deviations; one extreme customer must not become a segment of his own
FURTHEST = 5.0
# points of the quantile curve; its ends stand for the outermost half of a hundredth
KNOTS = 101
MISSING = "(missing)"
OTHER = "(other)"
PERIODS: tuple[Period, ...] = ("weekday", "monthday")


class Now(NamedTuple):
    """Against which moment recency is counted, and in which zone the days of the week are."""

    as_of: pd.Timestamp | None
    zone: str


@dataclass(frozen=True)
class NumberPlan:
    """How one numeric or true/false column, or the recency of a moment, is encoded.

    `scale` 0 means that only the missing flag carries anything; `knots` are the quantiles of a column that is encoded
    by rank.
    """

    name: str
    log: bool
    centre: float
    scale: float
    fill: float
    flag: float | None
    weight: float = 1.0
    knots: tuple[float, ...] = ()
    moment: bool = False

    @property
    def outputs(self) -> list[str]:
        """Names of the encoded columns."""
        name = f"{self.name}{DAYS_AGO}" if self.moment else self.name
        return [name] * (self.scale > 0) + [f"{name} {MISSING}"] * (self.flag is not None)

    def write(self, part: np.ndarray, series: pd.Series, now: Now) -> None:
        """Encoded values of the column, into `part`."""
        values = days_ago(series, _required(series, now), now.zone) if self.moment else numbers(series)
        gaps = np.isnan(values)
        if self.scale > 0:
            steps = (np.where(gaps, self.fill, _straightened(values, self.log, self.knots)) - self.centre) / self.scale
            part[:, 0] = self.weight * np.clip(steps, -FURTHEST, FURTHEST)
        if self.flag is not None:
            part[:, -1] = self.weight * self.flag * gaps


@dataclass(frozen=True)
class LevelPlan:
    """How one text column is encoded: a column per level, all scaled alike."""

    name: str
    levels: tuple[str, ...]
    other: bool
    scale: float
    weight: float = 1.0

    @property
    def outputs(self) -> list[str]:
        """Names of the encoded columns."""
        return [f"{self.name}={level}" for level in (*self.levels, *([OTHER] if self.other else []))]

    def write(self, part: np.ndarray, series: pd.Series, now: Now) -> None:  # noqa: ARG002
        """Encoded levels of the column, into `part`."""
        kind = column_kind(series)
        if kind not in ("text", "empty"):
            raise Unreadable(
                f"column {self.name!r} held texts at fit but holds {kind} values now; "
                "take the same feature service as at fit, or fit again"
            )
        codes = pd.Categorical(texts(series).fillna(MISSING), categories=list(self.levels)).codes.astype(np.intp)
        codes[codes < 0] = len(self.levels)
        rows = np.flatnonzero(codes < part.shape[1])
        part[rows, codes[rows]] = self.weight * self.scale


@dataclass(frozen=True)
class CirclePlan:
    """How the calendar of a moment is encoded: sine and cosine per period, all together one unit of variance.

    On a circle Sunday lies beside Monday and the 31st beside the 1st. A gap stands at the middle of all.
    """

    name: str
    periods: tuple[Period, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    weight: float = 1.0

    @property
    def outputs(self) -> list[str]:
        """Names of the encoded columns."""
        return [f"{self.name} ({period} {axis})" for period in self.periods for axis in ("sin", "cos")]

    def write(self, part: np.ndarray, series: pd.Series, now: Now) -> None:
        """Encoded calendar of the column, into `part`."""
        local, _ = moments(series, _required(series, now), now.zone)
        for i, period in enumerate(self.periods):
            axes = np.stack(_circle(local, period), axis=1)
            middle = np.asarray(self.centres[2 * i : 2 * i + 2])
            part[:, 2 * i : 2 * i + 2] = self.weight * self.scales[i] * np.nan_to_num(axes - middle, nan=0.0)


Plan = NumberPlan | LevelPlan | CirclePlan


def plans(series: pd.Series, rare: float, skew: Skew, flagged: set[bytes], now: Now) -> list[Plan] | str:
    """The column's encodings, or why it carries nothing; `flagged` collects the patterns of gaps that have a flag."""
    if is_moment(series):
        return _moment_plans(series, flagged, now, skew)
    kind = column_kind(series)
    if kind == "empty" or series.isna().all():
        return "no value in any row"
    found = _level_plan(series, rare) if kind == "text" else _number_plan(series, kind == "bool", skew, flagged)
    return found if isinstance(found, str) else [found]


def _required(series: pd.Series, now: Now) -> pd.Timestamp:
    if now.as_of is None:
        raise Unreadable(
            f"column {series.name!r} holds moments; give as_of, so that they become days before the as-of time and "
            "days of the week and month, or leave the column out"
        )
    return now.as_of


def _number_plan(series: pd.Series, binary: bool, skew: Skew, flagged: set[bytes]) -> NumberPlan | str:
    return _scaled(str(series.name), numbers(series), binary, skew, flagged)


def _scaled(name: str, values: np.ndarray, binary: bool, skew: Skew, flagged: set[bytes]) -> NumberPlan | str:
    gaps = np.isnan(values)
    # sorted: equal sums whatever the order of the customers
    seen = np.sort(values[~gaps])
    first, last = float(seen[0]), float(seen[-1])
    skewed = not binary and _skewness(seen) > SKEWED
    log = skew == "log" and skewed and first >= 0
    knots: tuple[float, ...] = ()
    if skew == "quantile" and not binary and abs(_skewness(seen)) > SKEWED:
        knots = tuple(float(knot) for knot in np.quantile(seen, np.linspace(0, 1, KNOTS)))
    seen = _straightened(seen, log, knots)
    centre, scale = float(seen.mean()), float(seen.std())
    if scale <= 1e-9 * max(abs(centre), 1e-300) or seen[0] == seen[-1]:
        scale = 0.0
    flag = None
    pattern = np.packbits(gaps).tobytes()
    if gaps.any() and pattern not in flagged:
        flagged.add(pattern)
        flag = float(1 / np.sqrt(1 - gaps.mean()))
    if scale == 0 and flag is None:
        shown = f"{first:g}" if first == last else f"{first:g} to {last:g}"
        return f"constant: {shown} in every row that has a value"
    return NumberPlan(name, log, centre, scale, float(np.median(seen)), flag, knots=knots)


def _straightened(values: np.ndarray, log: bool, knots: tuple[float, ...]) -> np.ndarray:
    """Values after log(1 + x), or as normal scores of their rank, or as they are."""
    if log:
        found: np.ndarray = np.log1p(np.maximum(values, 0))
        return found
    if not knots:
        return values
    from scipy.special import ndtri

    curve, shares = np.asarray(knots), np.linspace(0, 1, len(knots))
    # from both sides: equal values get the middle of the ranks they share
    up, down = np.interp(values, curve, shares), np.interp(-values, -curve[::-1], -shares[::-1])
    edge = 0.5 / (len(knots) - 1)
    scores: np.ndarray = ndtri(np.clip((up - down) / 2, edge, 1 - edge))
    return scores


def _skewness(values: np.ndarray) -> float:
    spread = values.std()
    if not np.isfinite(spread) or spread == 0:
        return 0.0
    return float((((values - values.mean()) / spread) ** 3).mean())


def _level_plan(series: pd.Series, rare: float) -> LevelPlan | str:
    shares = texts(series).fillna(MISSING).value_counts(normalize=True).astype(np.float64)
    kept = shares[shares >= rare].sort_index()
    rest = float(shares[shares < rare].sum())
    spread = 1 - float((kept**2).sum()) - rest**2
    if not len(kept):
        return f"every one of its {len(shares):,} texts is rarer than {rare:g}"
    if len(kept) + (rest > 0) < 2:
        return f"constant: {kept.index[0]!r} in every row"
    return LevelPlan(str(series.name), tuple(str(level) for level in kept.index), rest > 0, float(1 / np.sqrt(spread)))


def _moment_plans(series: pd.Series, flagged: set[bytes], now: Now, skew: Skew) -> list[Plan] | str:
    """Recency and calendar of a moment: two attributes."""
    if series.isna().all():
        return "no value in any row"
    as_of = _required(series, now)
    recency = _scaled(str(series.name), days_ago(series, as_of, now.zone), False, skew, flagged)
    found: list[Plan] = [] if isinstance(recency, str) else [replace(recency, moment=True)]
    local, _ = moments(series, as_of, now.zone)
    circles = _circle_plan(str(series.name), local.dropna())
    if circles is not None:
        found.append(circles)
    return found or str(recency)


def _circle_plan(name: str, local: pd.Series) -> CirclePlan | None:
    periods: list[Period] = []
    centres: list[float] = []
    spreads: list[float] = []
    for period in PERIODS:
        # sorted: equal sums whatever the order of the customers
        sine, cosine = (np.sort(axis) for axis in _circle(local, period))
        spread = float(sine.var() + cosine.var())
        if spread > 1e-9:
            periods.append(period)
            centres += [float(sine.mean()), float(cosine.mean())]
            spreads.append(spread)
    if not periods:
        return None
    scales = tuple(float((spread * len(periods)) ** -0.5) for spread in spreads)
    return CirclePlan(name, tuple(periods), tuple(centres), scales)


def _circle(local: pd.Series, period: Period) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of the day's place in the week or in its month; gaps stay NaN."""
    turn = local.dt.dayofweek / 7 if period == "weekday" else (local.dt.day - 1) / local.dt.days_in_month
    angle = 2 * np.pi * turn.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.sin(angle), np.cos(angle)
