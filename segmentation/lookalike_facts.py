"""What an expansion brings along: seeds it holds, mean risk, and how evenly it selects between groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.columns import texts

# a mean or a rate of fewer tells about single people
LEAST_PEOPLE = 20
FAIRNESS_COLUMNS = ["column", "group", "people", "selected", "rate", "ratio"]


class Expansion(NamedTuple):
    """An expansion beside its seeds and everybody.

    `seeds_found` is the share of seeds that would be among as many best customers if seeds could be picked: high means
    near to the seeds, which have been learned from. `bad_…` are mean risks, NaN below 20 people of known risk.
    `fairness`: selected share by group of each protected column, and its ratio to the highest (the four-fifths rule
    asks for 0.8); empty where a group has fewer than 20 people.
    """

    size: int
    seeds_found: float
    bad_expansion: float
    bad_seeds: float
    bad_everybody: float
    fairness: pd.DataFrame


def mean_risk(bad: np.ndarray, positions: np.ndarray) -> float:
    """Mean PD or bad rate of those with a known one; NaN below 20 people."""
    known = bad[positions]
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) >= LEAST_PEOPLE else float("nan")


def fairness(protected: pd.DataFrame, selected: np.ndarray) -> pd.DataFrame:
    """Selected share by group of each protected column, and its ratio to the group with the highest.

    Parameters
    ----------
    protected : one row per customer; a gap is in no group
    selected : bool (n,)
    """
    parts = [_of_column(name, texts(protected[name]), selected) for name in protected.columns]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=FAIRNESS_COLUMNS)


def _of_column(name: str, values: pd.Series, selected: np.ndarray) -> pd.DataFrame:
    column = pd.Categorical(values)
    known = column.codes >= 0
    people = np.bincount(column.codes[known], minlength=len(column.categories))
    chosen = np.bincount(column.codes[known & selected], minlength=len(people))
    large = people >= LEAST_PEOPLE
    rate = np.where(large, chosen / np.maximum(people, 1), np.nan)
    highest = rate[large].max(initial=0.0)
    ratio = rate / highest if highest > 0 else np.full(len(rate), np.nan)
    return pd.DataFrame(
        {
            "column": name, "group": column.categories.astype(str), "people": people,
            "selected": pd.Series(chosen, dtype="Int64").mask(~large), "rate": rate, "ratio": ratio,
        }
    )[FAIRNESS_COLUMNS]  # fmt: skip


def checked_risk(bad: np.ndarray | None, n: int) -> np.ndarray | None:
    """Risks as float64 (n,) in [0, 1], NaN where unknown.

    Raises
    ------
    ContractError : another length, or values outside [0, 1].
    """
    if bad is None:
        return None
    values = np.asarray(bad, dtype=np.float64)
    if values.shape != (n,):
        raise ContractError(f"look-alikes: {values.shape} risks for {n:,} customers; give one each, NaN where unknown")
    wrong = values[(values < 0) | (values > 1)]
    if len(wrong):
        raise ContractError(f"look-alikes: risk {wrong[0]:g} is no share in [0, 1]; give PD or 0 and 1")
    return values
