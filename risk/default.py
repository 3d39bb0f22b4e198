"""How likely a borrower is to default: a calibrated scorecard with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotFitted


class DefaultModel:
    """Probability of default (PD) of a taker, from features known when the account was opened.

    Quantile bins per feature into a logistic regression (a scorecard): monotone enough to read, missing is a bin of
    its own. Classes are never re-weighted: `class_weight="balanced"` moves the mean PD from .22 to .43 and with it
    every expected loss. Protected columns are for the caller to leave out.
    """

    def __init__(self, bins: int = 6, c: float = 0.1):
        self.bins = bins
        self.c = c

    def fit(self, features: pd.DataFrame, defaulted: np.ndarray) -> Self:
        """Learn from accounts: features as of opening, and whether each defaulted.

        Raises
        ------
        NotFitted : no account, or only one outcome.
        """
        from sklearn.linear_model import LogisticRegression

        defaulted = np.asarray(defaulted, dtype=bool)
        if not defaulted.any() or defaulted.all():
            raise NotFitted(
                f"DefaultModel: {int(defaulted.sum()):,} of {len(defaulted):,} accounts defaulted; "
                "both outcomes are needed"
            )
        numeric = [name for name in features.columns if pd.api.types.is_numeric_dtype(features[name])]
        self.features_: list[str] = []
        self.edges_: list[np.ndarray] = []
        for name in numeric:
            values = features[name].to_numpy(dtype=float, na_value=np.nan)
            known = values[~np.isnan(values)]
            edges = (
                np.unique(np.quantile(known, np.linspace(0, 1, self.bins + 1)[1:-1])) if len(known) else np.array([])
            )
            if len(edges) and known.min() < known.max():
                self.features_.append(name)
                self.edges_.append(edges)
        if not self.features_:
            raise NotFitted("DefaultModel: no feature varies; give features that differ between accounts")
        model = LogisticRegression(C=self.c, max_iter=300).fit(self._design(features), defaulted)
        self.coef_ = model.coef_[0]
        self.intercept_ = float(model.intercept_[0])
        return self

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """PD per row, shape (n,)."""
        return 1 / (1 + np.exp(-(self._design(features) @ self.coef_ + self.intercept_)))

    def reasons(self, features: pd.DataFrame, most: int = 3) -> list[list[str]]:
        """The features that raise each person's PD most, against the average person."""
        design = self._design(features)
        points = (design - design.mean(axis=0)) * self.coef_
        starts = np.cumsum([0] + [len(edges) + 2 for edges in self.edges_])
        by_feature = np.add.reduceat(points, starts[:-1], axis=1)
        order = np.argsort(-by_feature, axis=1, kind="stable")[:, :most]
        return [[self.features_[j] for j in row if by_feature[i, j] > 0] for i, row in enumerate(order)]

    def _design(self, features: pd.DataFrame) -> np.ndarray:
        if not hasattr(self, "features_"):
            raise NotFitted("DefaultModel: not fitted; call fit first")
        missing = [name for name in self.features_ if name not in features.columns]
        if missing:
            raise ContractError(f"DefaultModel: column {missing[0]!r} is missing; it was fitted on {self.features_}")
        blocks = [
            _bins(features[n].to_numpy(float, na_value=np.nan), e)
            for n, e in zip(self.features_, self.edges_, strict=True)
        ]
        return np.hstack(blocks)


def ever_late(repayments: pd.DataFrame, as_of: pd.Timestamp, days: int = 30) -> pd.Series:
    """Per account whether any due amount was more than `days` late at `as_of` (30+ days past due, ever)."""
    grace = pd.Timedelta(days=days)
    due = repayments[repayments["due_at"] + grace < as_of]
    settled = due["paid_at"].where(due["paid_at"] < as_of)
    late = settled.isna() | (settled > due["due_at"] + grace)
    return late.groupby(due["account_id"], sort=True).any().rename("late")


def matured(accounts: pd.DataFrame, as_of: pd.Timestamp, days: int) -> pd.DataFrame:
    """Accounts opened at least `days` before `as_of`: younger ones have not had the time to default."""
    return accounts[accounts["opened_at"] <= as_of - pd.Timedelta(days=days)]


def _bins(values: np.ndarray, edges: Sequence[float] | np.ndarray) -> np.ndarray:
    which = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, np.nan_to_num(values), side="right"))
    return (which[:, None] == np.arange(len(edges) + 2)[None, :]).astype(np.float64)
