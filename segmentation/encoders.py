"""Customers as points: mixed columns turned into comparable numbers, so that distance means difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from segmentation.columns import column_kind, numbers, protected_names, texts

# beyond this skewness one large spender sets the scale for everybody
SKEWED = 1.0
# standard deviations; one extreme customer must not become a segment of his own
FURTHEST = 5.0
MISSING = "(missing)"
OTHER = "(other)"


@dataclass(frozen=True)
class NumberPlan:
    """How one numeric or true/false column is encoded; `scale` 0 means that only the missing flag carries anything."""

    name: str
    log: bool
    centre: float
    scale: float
    fill: float
    flag: float | None
    weight: float = 1.0

    @property
    def outputs(self) -> list[str]:
        """Names of the encoded columns."""
        return [self.name] * (self.scale > 0) + [f"{self.name} {MISSING}"] * (self.flag is not None)


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


class CustomerEncoder(TransformerMixin, BaseEstimator):
    """Customers as points in which every attribute weighs alike.

    Numbers are standardised, after log(1 + x) where they are skewed and not negative; a gap becomes the median, and
    a flag says so. Value and flag together carry about one unit of variance. Texts become one column per level,
    scaled so that the levels of one attribute together have variance 1 (their inertia). Levels rarer than `rare`
    are folded into one.

    Parameters
    ----------
    protected : columns to leave out; None takes those that the contract marks as protected, () leaves out none
    blocks : block name -> columns. Each block gets total variance 1, so that twenty spending columns do not outvote
        two on credit; columns of no block form one more block. None: every column weighs alike
    rare : share of rows below which a text level is folded into "(other)"

    Attributes
    ----------
    dropped_ : column -> why it carries nothing (protected, constant, no value at all ...)
    columns_ : columns seen at fit, in order

    Notes
    -----
    Named columns are taken by name, in any order. At `transform` a column that `fit` did not see is refused: it means
    a feature table of another version. An unseen text is "(other)"; where `fit` saw no rare level it is the absence
    of every level. A gap in a column that had none at fit becomes the median (number) or "(other)" (text).
    Columns with gaps in exactly the same rows share one flag: eight purchase features of a customer without a purchase
    say one thing, not eight. Sums are taken in sorted order, so the order of customers changes nothing.
    """

    def __init__(
        self,
        protected: Sequence[str] | None = None,
        blocks: Mapping[str, Sequence[str]] | None = None,
        rare: float = 0.01,
    ) -> None:
        self.protected = protected
        self.blocks = blocks
        self.rare = rare

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []  # float32 whatever comes in
        return tags

    def fit(self, X: Any, y: Any = None) -> CustomerEncoder:  # noqa: ARG002
        """Learn scales, levels and medians from one row per customer."""
        if not 0 <= self.rare < 1:
            raise SettingsError(f"rare is {self.rare!r}; give a share from 0 to below 1, such as 0.01")
        frame = _as_frame(X)
        if frame.empty:
            raise ContractError(f"nothing to encode: {frame.shape[0]} rows and {frame.shape[1]} columns; give both")
        left_out = protected_names() if self.protected is None else frozenset(self.protected)
        dropped: dict[str, str] = {}
        plans: list[NumberPlan | LevelPlan] = []
        flagged: set[bytes] = set()
        for name in frame.columns:
            plan = "protected" if name in left_out else _plan(frame[name], self.rare, flagged)
            if isinstance(plan, str):
                dropped[name] = plan
            else:
                plans.append(plan)
        if not plans:
            raise ContractError(f"no column is left to tell customers apart: {dropped}; add columns that vary")
        self.dropped_ = dropped
        self.plans_ = _weighted(plans, self.blocks or {}, list(frame.columns))
        self.columns_ = tuple(frame.columns)
        self.n_features_in_ = frame.shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Points, float32 of shape (customers, encoded columns)."""
        if not hasattr(self, "plans_"):
            raise NotFitted("this CustomerEncoder has not learned any customers yet; call fit first")
        frame = _as_frame(X)
        self._check_columns(list(frame.columns))
        points = np.zeros((len(frame), sum(len(plan.outputs) for plan in self.plans_)), dtype=np.float32)
        start = 0
        for plan in self.plans_:
            part = points[:, start : start + len(plan.outputs)]
            if isinstance(plan, NumberPlan):
                _write_numbers(part, plan, frame[plan.name])
            else:
                _write_levels(part, plan, frame[plan.name])
            start += len(plan.outputs)
        return points

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Names of the encoded columns, in order."""
        if not hasattr(self, "plans_"):
            raise NotFitted("this CustomerEncoder has no columns yet; call fit first")
        return np.asarray([name for plan in self.plans_ for name in plan.outputs], dtype=object)

    def _check_columns(self, given: list[str]) -> None:
        missing = [plan.name for plan in self.plans_ if plan.name not in given]
        if missing:
            raise ContractError(
                f"column {missing[0]!r} is missing ({len(missing)} in all); the encoder was fitted on "
                f"{len(self.columns_)} columns. Take the same feature service as at fit"
            )
        new = [name for name in given if name not in self.columns_]
        if new:
            raise ContractError(
                f"column {new[0]!r} was not there at fit ({len(new)} such in all); "
                "take the same feature service as at fit, or fit again"
            )


def _as_frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        frame = X.set_axis([str(name) for name in X.columns], axis=1)
        doubled = frame.columns[frame.columns.duplicated()]
        if len(doubled):
            raise ContractError(f"column {doubled[0]!r} occurs more than once; keep one of them")
        return frame
    if hasattr(X, "toarray"):
        raise ContractError("sparse input is not supported; pass a frame or a dense table, one row per customer")
    values = np.asarray(X)
    if values.ndim != 2:
        raise ContractError(
            f"a table of {values.ndim} dimensions was given; one row per customer and one column per attribute are "
            "needed. Reshape your data with reshape(-1, 1) or reshape(1, -1)"
        )
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])


def _plan(series: pd.Series, rare: float, flagged: set[bytes]) -> NumberPlan | LevelPlan | str:
    """The column's encoding, or why it carries nothing; `flagged` collects the patterns of gaps that have a flag."""
    kind = column_kind(series)
    if kind == "empty" or series.isna().all():
        return "no value in any row"
    return _level_plan(series, rare) if kind == "text" else _number_plan(series, kind == "bool", flagged)


def _number_plan(series: pd.Series, binary: bool, flagged: set[bytes]) -> NumberPlan | str:
    values = numbers(series)
    gaps = np.isnan(values)
    # sorted: equal sums whatever the order of the customers
    seen = np.sort(values[~gaps])
    log = not binary and bool(seen[0] >= 0) and _skewness(seen) > SKEWED
    seen = np.log1p(seen) if log else seen
    centre, scale = float(seen.mean()), float(seen.std())
    if scale <= 1e-9 * max(abs(centre), 1e-300) or seen[0] == seen[-1]:
        scale = 0.0
    flag = None
    pattern = np.packbits(gaps).tobytes()
    if gaps.any() and pattern not in flagged:
        flagged.add(pattern)
        flag = float(1 / np.sqrt(1 - gaps.mean()))
    if scale == 0 and flag is None:
        return f"constant: {values[~gaps][0]:g} in every row that has a value"
    return NumberPlan(str(series.name), log, centre, scale, float(np.median(seen)), flag)


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


def _weighted(
    plans: list[NumberPlan | LevelPlan], blocks: Mapping[str, Sequence[str]], columns: list[str]
) -> list[NumberPlan | LevelPlan]:
    """The plans with block weights: a column counts one over the square root of its block's columns."""
    if not blocks:
        return plans
    block_of: dict[str, str] = {}
    for block, members in blocks.items():
        for name in members:
            if name in block_of:
                raise SettingsError(f"column {name!r} is in blocks {block_of[name]!r} and {block!r}; keep it in one")
            if name not in columns:
                raise SettingsError(f"block {block!r} names column {name!r}, which is not among {columns}")
            block_of[name] = block
    homes = [block_of.get(plan.name, "") for plan in plans]
    return [replace(plan, weight=homes.count(home) ** -0.5) for plan, home in zip(plans, homes, strict=True)]


def _write_numbers(part: np.ndarray, plan: NumberPlan, series: pd.Series) -> None:
    values = numbers(series)
    gaps = np.isnan(values)
    if plan.scale > 0:
        seen = np.log1p(np.maximum(values, 0)) if plan.log else values
        steps = (np.where(gaps, plan.fill, seen) - plan.centre) / plan.scale
        part[:, 0] = plan.weight * np.clip(steps, -FURTHEST, FURTHEST)
    if plan.flag is not None:
        part[:, -1] = plan.weight * plan.flag * gaps


def _write_levels(part: np.ndarray, plan: LevelPlan, series: pd.Series) -> None:
    codes = pd.Categorical(texts(series).fillna(MISSING), categories=list(plan.levels)).codes.astype(np.intp)
    codes[codes < 0] = len(plan.levels)
    rows = np.flatnonzero(codes < part.shape[1])
    part[rows, codes[rows]] = plan.weight * plan.scale
