"""Whom the plan of a run chooses, by protected group; aggregates only."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from app.finished_run import FinishedRun
from recsys.selection import selection_rates
from scenefit.contracts.schema import frame_of
from scenefit.contracts.tables import CUSTOMERS
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Workspace

# ages at which a band begins; a birth year alone tells no narrower age
AGES = (18, 25, 35, 45, 55, 65)


def plan_selection(workspace: Workspace, run: FinishedRun) -> pd.DataFrame:
    """Share of each protected group that the plan offers something: attribute, group, people, chosen, rate, ratio …

    People registered before the run's moment; attributes that nobody states are absent.
    """
    names = [column.name for column in CUSTOMERS.columns if column.protected]
    people = frame_of(read(workspace, "customers", ["customer_id", "registered_at", *names]))
    at = pd.Timestamp(run.manifest["as_of"])
    people = people[people["registered_at"] < at]
    chosen = people["customer_id"].isin(run.tables["plan"]["customer_id"]).to_numpy(bool)
    year = at.tz_convert(run.timezone).year
    parts = []
    for name in names:
        groups = age_bands(people[name], year) if name == "birth_year" else _texts(people[name])
        table = selection_rates(chosen, groups)
        if len(table) > 1:
            parts.append(table.assign(attribute="age" if name == "birth_year" else name))
    columns = ["attribute", "group", "people", "chosen", "rate", "low", "high", "ratio"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def age_bands(birth_year: pd.Series, year: int) -> np.ndarray:
    """Bands such as 25–34 of the age reached in a year, '' for not known."""
    age = year - birth_year.to_numpy(float, na_value=np.nan)
    labels = [f"< {AGES[0]}", *(f"{low}–{high - 1}" for low, high in itertools.pairwise(AGES)), f"{AGES[-1]}+"]
    bands = np.asarray(labels, dtype=object)[np.searchsorted(AGES, np.nan_to_num(age), side="right")]
    return np.where(np.isnan(age), "", bands)


def _texts(values: pd.Series) -> np.ndarray:
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy(object)
