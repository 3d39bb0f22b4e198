"""How likely a borrower is to default: a calibrated scorecard with reasons."""

from __future__ import annotations

from collections.abc import Iterator
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
        if len(defaulted) != len(features):
            raise ContractError(
                f"DefaultModel: {len(features):,} accounts with {len(defaulted):,} outcomes; give one outcome each"
            )
        if not defaulted.any() or defaulted.all():
            raise NotFitted(
                f"DefaultModel: {int(defaulted.sum()):,} of {len(defaulted):,} accounts defaulted; "
                "both outcomes are needed"
            )
        numeric = [name for name in features.columns if pd.api.types.is_numeric_dtype(features[name])]
        edges = {name: _edges(_numbers(features[name]), self.bins) for name in numeric}
        # a feature that is only sometimes missing tells two kinds of people apart as well
        varies = [n for n in numeric if len(edges[n]) or 0 < features[n].isna().sum() < len(features)]
        if not varies:
            raise NotFitted("DefaultModel: no feature varies; give features that differ between accounts")
        self.features_, self.edges_ = varies, [edges[name] for name in varies]
        binned = self._binned(features)
        design = np.hstack(
            [which[:, None] == np.arange(len(e) + 2) for which, e in zip(binned, self.edges_, strict=True)]
        )
        wide = design.astype(np.float64)
        model = LogisticRegression(C=self.c, max_iter=300).fit(wide, defaulted)
        self.coef_ = model.coef_[0]
        self.intercept_ = float(model.intercept_[0])
        self.covariance_ = _covariance(wide, self.predict_proba(features), self.c)
        self.average_ = np.array([points.mean() for points in self._points(binned)])
        return self

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """PD per row, shape (n,)."""
        binned = self._binned(features)
        logits = np.full(len(features), self.intercept_)
        # added feature by feature, in one order: equal bytes on any number of threads, and no wide design in memory
        for points in self._points(binned):
            logits += points
        return 1 / (1 + np.exp(-logits))

    def logit_error(self, features: pd.DataFrame) -> np.ndarray:
        """Standard error of the log-odds of the PD per row, shape (n,).

        Raises
        ------
        NotFitted : nothing was learned, or the model was kept without its covariance.
        """
        binned = self._binned(features)
        if not hasattr(self, "covariance_"):
            raise NotFitted("DefaultModel: it was kept without the covariance of its coefficients; fit it again")
        starts = np.cumsum([0] + [len(edges) + 2 for edges in self.edges_])
        places = [start + which for start, which in zip(starts[:-1], binned, strict=True)]
        cov = self.covariance_
        variance = np.full(len(features), cov[-1, -1])
        # a row has one bin of each feature: sums of single entries, in one order, equal in any batch
        for i, at in enumerate(places):
            variance += cov[at, at] + 2 * cov[at, -1]
            for other in places[:i]:
                variance += 2 * cov[at, other]
        return np.sqrt(np.maximum(variance, 0.0))

    def reasons(self, features: pd.DataFrame, most: int = 3) -> list[list[str]]:
        """The features that raise each person's PD most, against the average account the model was fitted on."""
        by_feature = np.column_stack(list(self._points(self._binned(features)))) - self.average_
        order = np.argsort(-by_feature, axis=1, kind="stable")[:, :most]
        return [[self.features_[j] for j in row if by_feature[i, j] > 0] for i, row in enumerate(order)]

    def _binned(self, features: pd.DataFrame) -> list[np.ndarray]:
        """The bin of every row, feature by feature."""
        if not hasattr(self, "features_"):
            raise NotFitted("DefaultModel: not fitted; call fit first")
        missing = [name for name in self.features_ if name not in features.columns]
        if missing:
            raise ContractError(f"DefaultModel: column {missing[0]!r} is missing; it was fitted on {self.features_}")
        return [_bins(_numbers(features[n]), e) for n, e in zip(self.features_, self.edges_, strict=True)]

    def _points(self, binned: list[np.ndarray]) -> Iterator[np.ndarray]:
        """What each feature adds to every row's log-odds."""
        starts = np.cumsum([0] + [len(edges) + 2 for edges in self.edges_])
        return (self.coef_[start + which] for start, which in zip(starts[:-1], binned, strict=True))


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


def _covariance(design: np.ndarray, chances: np.ndarray, c: float) -> np.ndarray:
    """Covariance of the coefficients, the intercept last and free of the penalty: inverse of X'WX + I/C (Laplace)."""
    from threadpoolctl import threadpool_limits

    wide = np.hstack([design, np.ones((len(design), 1))]) * np.sqrt(chances * (1 - chances))[:, None]
    penalty = np.full(wide.shape[1], 1 / c)
    penalty[-1] = 0.0
    # one BLAS thread: with more, the last bit of a sum depends on how it was split
    with threadpool_limits(1, "blas"):
        inverse: np.ndarray = np.linalg.inv(wide.T @ wide + np.diag(penalty))
    return (inverse + inverse.T) / 2


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=float, na_value=np.nan)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Where the bins of a feature begin; none where its known values are all the same."""
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) < 2:
        return np.zeros(0)
    quantiles = np.quantile(values[~np.isnan(values)], np.linspace(0, 1, bins + 1)[1:-1])
    # a cut at the lowest value would part nobody: a flag that one in twenty has lies above every inner quantile
    return np.unique(np.maximum(quantiles, distinct[1]))


def _bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each value: 0 below the first edge …, the last one for missing."""
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, np.nan_to_num(values), side="right"))
