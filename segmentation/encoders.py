"""Customers as points: mixed columns turned into comparable numbers, so that distance means difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from scenefit.contracts.errors import NotFitted, SettingsError
from segmentation.columns import Unreadable, protected_names
from segmentation.plans import CirclePlan, LevelPlan, Now, NumberPlan, Plan, Skew, plans

__all__ = ["CirclePlan", "CustomerEncoder", "LevelPlan", "NumberPlan", "Unfitted", "read_encoder"]


class Unfitted(NotFitted, NotFittedError):
    """An encoder asked before it has learned; also scikit-learn's error of that meaning, for its own tools."""


class CustomerEncoder(TransformerMixin, BaseEstimator):
    """Customers as points in which every attribute weighs alike.

    Numbers are standardised, after log(1 + x) where they are skewed and not negative; a gap becomes the median, and
    a flag says so. Value and flag together carry about one unit of variance. Texts become one column per level,
    scaled so that the levels of one attribute together have variance 1 (their inertia). Levels rarer than `rare`
    are folded into one. Moments become two attributes: days before `as_of`, and their place in the week and the month
    as sines and cosines, together of variance 1.

    Parameters
    ----------
    protected : columns to leave out; None takes those that the contract marks as protected, () leaves out none
    include : protected columns to use all the same, each asked for by name
    blocks : block name -> columns. Each block gets total variance 1, so that twenty spending columns do not outvote
        two on credit; columns of no block form one more block. None: every column weighs alike
    rare : share of rows below which a text level is folded into "(other)"
    skew : what a skewed number becomes: "log" its logarithm where it is not negative, "quantile" the normal score of
        its rank, negative or not
    as_of : moment against which recency is counted; needed when a column holds moments
    zone : time zone of the days of the week and month; moments without a zone are taken as local to it

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
    Infinities, moments at or after `as_of`, a text column that turned into numbers and a column given twice are
    refused. Refusals are ContractError and ValueError at once, so that scikit-learn's tools understand them.
    """

    def __init__(
        self,
        protected: Sequence[str] | None = None,
        blocks: Mapping[str, Sequence[str]] | None = None,
        rare: float = 0.01,
        include: Sequence[str] = (),
        skew: Skew = "log",
        as_of: pd.Timestamp | None = None,
        zone: str = "Asia/Shanghai",
    ) -> None:
        self.protected = protected
        self.blocks = blocks
        self.rare = rare
        self.include = include
        self.skew = skew
        self.as_of = as_of
        self.zone = zone

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []  # float32 whatever comes in
        return tags

    def fit(self, X: Any, y: Any = None) -> CustomerEncoder:  # noqa: ARG002
        """Learn scales, levels and medians from one row per customer."""
        frame = _as_frame(X)
        self._check_settings(frame)
        now = Now(None if self.as_of is None else pd.Timestamp(self.as_of), self.zone)
        left_out = protected_names() if self.protected is None else frozenset(self.protected)
        dropped: dict[str, str] = {}
        found: list[Plan] = []
        flagged: set[bytes] = set()
        for name in frame.columns:
            protected = name in left_out and name not in self.include
            plan = "protected" if protected else plans(frame[name], self.rare, self.skew, flagged, now)
            if isinstance(plan, str):
                dropped[name] = plan
            else:
                found += plan
        if not found:
            alone = "one sample was given: " if len(frame) == 1 else ""
            raise Unreadable(f"no column is left to tell customers apart: {alone}{dropped}; add columns that vary")
        self.dropped_ = dropped
        self.plans_ = _weighted(found, self.blocks or {}, list(frame.columns))
        self.columns_ = tuple(frame.columns)
        self.now_ = now
        self.n_features_in_ = frame.shape[1]
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        return self

    def transform(self, X: Any, as_of: pd.Timestamp | None = None) -> np.ndarray:
        """Points, float32 of shape (customers, encoded columns); `as_of` is that of the fit unless given anew."""
        if not hasattr(self, "plans_"):
            raise Unfitted("this CustomerEncoder has not learned any customers yet; call fit first")
        frame = _as_frame(X)
        self._check_columns(list(frame.columns), isinstance(X, pd.DataFrame))
        now = self.now_ if as_of is None else Now(pd.Timestamp(as_of), self.now_.zone)
        points = np.zeros((len(frame), sum(len(plan.outputs) for plan in self.plans_)), dtype=np.float32)
        start = 0
        for plan in self.plans_:
            part = points[:, start : start + len(plan.outputs)]
            plan.write(part, frame[plan.name], now)
            start += len(plan.outputs)
        return points

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Names of the encoded columns, in order."""
        if not hasattr(self, "plans_"):
            raise Unfitted("this CustomerEncoder has no columns yet; call fit first")
        return np.asarray([name for plan in self.plans_ for name in plan.outputs], dtype=object)

    def facts(self) -> dict[str, Any]:
        """What was learned, as plain JSON values; `read_encoder` reads it back."""
        if not hasattr(self, "plans_"):
            raise Unfitted("this CustomerEncoder has nothing to store yet; call fit first")
        return {
            "columns": list(self.columns_),
            "named": hasattr(self, "feature_names_in_"),
            "dropped": self.dropped_,
            "as_of": None if self.now_.as_of is None else self.now_.as_of.isoformat(),
            "zone": self.now_.zone,
            "plans": [{"kind": type(plan).__name__} | asdict(plan) for plan in self.plans_],
        }

    def _check_settings(self, frame: pd.DataFrame) -> None:
        if not 0 <= self.rare < 1:
            raise SettingsError(f"rare is {self.rare!r}; give a share from 0 to below 1, such as 0.01")
        if self.skew not in ("log", "quantile"):
            raise SettingsError(f"skew is {self.skew!r}; choose 'log' or 'quantile'")
        if frame.empty:
            rows, columns = frame.shape
            raise Unreadable(
                f"nothing to encode: {rows} rows with {columns} feature(s) (shape={frame.shape}) while a minimum of 1 "
                "is required. Give at least one row and one column"
            )
        unknown = [name for name in self.include if name not in frame.columns]
        if unknown:
            raise SettingsError(f"include names column {unknown[0]!r}, which is not among {list(frame.columns)}")

    def _check_columns(self, given: list[str], named: bool) -> None:
        if not named and len(given) != self.n_features_in_:
            raise Unreadable(
                f"X has {len(given)} features, but CustomerEncoder is expecting {self.n_features_in_} features as "
                "input; take the same columns as at fit"
            )
        missing = [plan.name for plan in self.plans_ if plan.name not in given]
        if missing:
            raise Unreadable(
                f"column {missing[0]!r} is missing ({len(missing)} in all); the encoder was fitted on "
                f"{len(self.columns_)} columns. Take the same feature service as at fit"
            )
        new = [name for name in given if name not in self.columns_]
        if new:
            raise Unreadable(
                f"column {new[0]!r} was not there at fit ({len(new)} such in all); "
                "take the same feature service as at fit, or fit again"
            )


def read_encoder(facts: Mapping[str, Any]) -> CustomerEncoder:
    """The encoder whose `facts()` these are: it encodes alike, bit by bit."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (NumberPlan, LevelPlan, CirclePlan)}
    encoder = CustomerEncoder()
    try:
        encoder.plans_ = [_read_plan(kinds, stored) for stored in facts["plans"]]
        encoder.columns_, encoder.dropped_ = tuple(facts["columns"]), dict(facts["dropped"])
        moment = facts["as_of"]
        encoder.now_ = Now(None if moment is None else pd.Timestamp(moment), facts["zone"])
        named = facts["named"]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"stored encoder: {error!r} is missing or wrong; restore the file or fit again") from error
    encoder.n_features_in_ = len(encoder.columns_)
    if named:
        encoder.feature_names_in_ = np.asarray(encoder.columns_, dtype=object)
    return encoder


def _read_plan(kinds: Mapping[str, Any], stored: Mapping[str, Any]) -> Plan:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    plan: Plan = kinds[str(values.pop("kind"))](**values)
    return plan


def _as_frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        frame = X.set_axis([str(name) for name in X.columns], axis=1)
        doubled = frame.columns[frame.columns.duplicated()]
        if len(doubled):
            raise Unreadable(f"column {doubled[0]!r} occurs more than once; keep one of them")
        return frame
    if hasattr(X, "toarray"):
        raise Unreadable("sparse input is not supported; pass a frame or a dense table, one row per customer")
    values = np.asarray(X)
    if values.ndim != 2:
        raise Unreadable(
            f"a table of {values.ndim} dimensions was given; one row per customer and one column per attribute are "
            "needed. Reshape your data with reshape(-1, 1) or reshape(1, -1)"
        )
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])


def _weighted(plans: list[Plan], blocks: Mapping[str, Sequence[str]], columns: list[str]) -> list[Plan]:
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
