"""Features that know the future: found by their stamps, by computing them again, or by knowing too much."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

# a single feature that tells takers from others better than this is, in credit, the outcome under another name
MOST_AUC = 0.98
# with fewer of either outcome an AUC near 1 is chance
FEWEST = 30
# rows, evenly spaced, that a feature is looked at in: an AUC is then known to a hundredth
LOOKED_AT = 20_000


def refuse_future(
    features: pd.DataFrame,
    before: pd.Series,
    known_at: pd.DataFrame | None = None,
    rebuilt: pd.DataFrame | None = None,
    outcome: np.ndarray | None = None,
) -> None:
    """Refuse features that cannot have been known when the outcome was still open.

    Parameters
    ----------
    features : one row per customer and label
    before : moment of each row from which its outcome counts; what is known at or after it is the future
    known_at : moment at which each value became known, columns as in `features`
    rebuilt : the same features computed again from events before `before` alone; a difference is the future's work
    outcome : whether each row came true; a feature that tells it almost surely is refused

    Raises
    ------
    ContractError : a feature comes from the future; the message names it, the first row and what gave it away.
    """
    if len(features) != len(before):
        raise ContractError(f"leakage: {len(features):,} rows of features for {len(before):,} moments; give one each")
    if known_at is not None:
        _refuse_late(features, before, known_at)
    if rebuilt is not None:
        _refuse_changed(features, before, rebuilt)
    if outcome is not None:
        _refuse_telling(features, np.asarray(outcome, bool))


def _refuse_late(features: pd.DataFrame, before: pd.Series, known_at: pd.DataFrame) -> None:
    missing = [name for name in features.columns if name not in known_at.columns]
    if missing or len(known_at) != len(features):
        raise ContractError(
            f"leakage: no moments for {missing[:3] or 'every row'}; give the moment at which each value became known"
        )
    moments = before.to_numpy()
    for name in features.columns:
        late = (known_at[name].to_numpy() >= moments) & features[name].notna().to_numpy()
        if late.any():
            row = int(late.argmax())
            raise ContractError(
                f"leakage: feature {name!r} knows the future in {int(late.sum()):,} of {len(late):,} rows; row {row} "
                f"became known at {known_at[name].iloc[row]}, its outcome counts from {before.iloc[row]}. Cut the "
                "feature's events at that moment"
            )


def _refuse_changed(features: pd.DataFrame, before: pd.Series, rebuilt: pd.DataFrame) -> None:
    if list(rebuilt.columns) != list(features.columns) or len(rebuilt) != len(features):
        raise ContractError("leakage: the features computed again have other rows or columns; compute the same ones")
    for name in features.columns:
        given, again = features[name], rebuilt[name]
        if pd.api.types.is_numeric_dtype(given.dtype):
            one, other = given.to_numpy(float, na_value=np.nan), again.to_numpy(float, na_value=np.nan)
            differs = ~np.isclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)
        else:
            differs = ((given != again) & ~(given.isna() & again.isna())).to_numpy(bool, na_value=True)
        if differs.any():
            row = int(differs.argmax())
            raise ContractError(
                f"leakage: feature {name!r} changes in {int(differs.sum()):,} of {len(differs):,} rows once events "
                f"from the outcome's start on are removed; row {row}, {before.iloc[row]}: {given.iloc[row]} with them, "
                f"{again.iloc[row]} without. Cut its events at that moment"
            )


def _refuse_telling(features: pd.DataFrame, outcome: np.ndarray) -> None:
    if len(outcome) != len(features):
        raise ContractError(f"leakage: {len(outcome):,} outcomes for {len(features):,} rows; give one each")
    step = -(-len(features) // LOOKED_AT) or 1
    features, outcome = features.iloc[::step], outcome[::step]
    if min(outcome.sum(), (~outcome).sum()) < FEWEST:
        return
    for name in features.columns:
        if not pd.api.types.is_numeric_dtype(features[name].dtype):
            continue
        for what, values in _readings(features[name]):
            auc = _auc(values, outcome)
            if max(auc, 1 - auc) > MOST_AUC:
                raise ContractError(
                    f"leakage: {what}feature {name!r} alone tells the outcome (AUC {max(auc, 1 - auc):.3f}, more than "
                    f"{MOST_AUC} is not known beforehand); leave it out, or cut its events before the outcome counts"
                )


def _readings(column: pd.Series) -> list[tuple[str, np.ndarray]]:
    """What a column can say: its values, where it has them, and where it has any."""
    values = column.to_numpy(float, na_value=np.nan)
    missing = np.isnan(values)
    if not missing.any():
        return [("", values)]
    # a gap ranks below everything, so that a value that only takers have is seen as well
    lowest = values[~missing].min() - 1 if not missing.all() else 0.0
    return [("a gap in ", missing.astype(float)), ("", np.where(missing, lowest, values))]


def _auc(values: np.ndarray, outcome: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(values)
    ones, others = outcome.sum(), (~outcome).sum()
    return float((ranks[outcome].sum() - ones * (ones + 1) / 2) / (ones * others))
