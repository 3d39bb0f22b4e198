"""Households of The Complete Journey as customers."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from scenefit.contracts.schema import conform, frame_of
from scenefit.contracts.tables import CUSTOMERS

YEAR = 2017  # to which the data's calendar is relabelled; ages hold in it
OPEN_BAND = 5  # years above the bound of the open band 65+


def customers(known: pd.DataFrame, demographics: pa.Table) -> pa.Table:
    """One customer per household, with what the survey tells of those who were asked.

    Parameters
    ----------
    known : household_id, registered_at; one row per household
    """
    frame = known.merge(frame_of(demographics), on="household_id", how="left")
    bands = {label: _income_band(label) for label in frame["income"].dropna().unique()}
    values = pd.DataFrame({
        "customer_id": "household-" + frame["household_id"].astype(str),
        "kind": "customer",
        "birth_year": _birth_year(frame["age"]),
        "marital_status": frame["marital_status"].mask(frame["marital_status"] == "Unknown").str.lower(),
        "income_band": frame["income"].map(bands).astype("string"),
        "household_size": frame["household_size"].str.rstrip("+").astype("Int64"),
        "home_owner": frame["home_ownership"].map({
            "Homeowner": True, "Probable Homeowner": True, "Renter": False, "Probable Renter": False,
        }).astype("boolean"),
        "registered_at": frame["registered_at"],
    }).sort_values("customer_id", ignore_index=True)  # fmt: skip
    return conform(pa.Table.from_pandas(values, preserve_index=False), CUSTOMERS)


def _birth_year(ages: pd.Series) -> pd.Series:
    """Year of birth of the middle of the age band: 45-54 is read as 50, 65+ as 70."""
    bounds = ages.str.extract(r"^(\d+)(?:-(\d+))?").astype("Float64")
    middle = ((bounds[0] + bounds[1] + 1) // 2).where(bounds[1].notna(), bounds[0] + OPEN_BAND)
    return (YEAR - middle).astype("Int64")


def _income_band(label: str) -> str:
    """A label that sorts by income: Under 15K becomes 000-015K, 15-24K becomes 015-024K."""
    if label.startswith("Under "):
        return f"000-{label.removeprefix('Under ').rstrip('K'):0>3}K"
    if label.endswith("+"):
        return label
    low, high = label.rstrip("K").split("-")
    return f"{low:0>3}-{high:0>3}K"
