"""Who moved: customers by their segment before and after, with those who came and those who left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

ENTRANTS = "(entrants)"
LEAVERS = "(leavers)"


def migration(before: Mapping[Any, str] | pd.Series, after: Mapping[Any, str] | pd.Series) -> pd.DataFrame:
    """Customers by segment before and after, one row per pair that occurs.

    Columns: `from_id`, `to_id`, `customers`, `share_of_from`, `share_of_to`. Customers without a segment before come
    from "(entrants)", those without one after go to "(leavers)".

    Parameters
    ----------
    before, after : customer id → segment id

    >>> moved = migration({"a": "t/1", "b": "t/1", "c": "t/2"}, {"a": "t/1", "b": "t/2", "d": "t/2"})
    >>> moved["from_id"].tolist(), moved["to_id"].tolist()
    (['(entrants)', 't/1', 't/1', 't/2'], ['t/2', 't/1', 't/2', '(leavers)'])
    """
    old, new = _by_customer(before, "before"), _by_customer(after, "after")
    both = pd.DataFrame({"from_id": old, "to_id": new})
    both = both.fillna({"from_id": ENTRANTS, "to_id": LEAVERS})
    table = both.groupby(["from_id", "to_id"], sort=True).size().rename("customers").reset_index()
    for side in ("from", "to"):
        table[f"share_of_{side}"] = table["customers"] / table.groupby(f"{side}_id")["customers"].transform("sum")
    return table


def kept_share(table: pd.DataFrame) -> float:
    """Share of the customers with a segment before and after who kept it; NaN when there is none.

    >>> kept_share(migration({"a": "t/1", "b": "t/1"}, {"a": "t/1", "b": "t/2"}))
    0.5
    """
    stayed = table[(table["from_id"] != ENTRANTS) & (table["to_id"] != LEAVERS)]
    total = int(stayed["customers"].sum())
    same = int(stayed.loc[stayed["from_id"] == stayed["to_id"], "customers"].sum())
    return same / total if total else float("nan")


def matrix(table: pd.DataFrame, values: str = "customers") -> pd.DataFrame:
    """The migration table as a square picture: rows before, columns after, entrants and leavers last."""
    wide = table.pivot(index="from_id", columns="to_id", values=values).fillna(0)
    rows = [*(name for name in wide.index if name != ENTRANTS), *(name for name in wide.index if name == ENTRANTS)]
    columns = [*(name for name in wide.columns if name != LEAVERS), *(name for name in wide.columns if name == LEAVERS)]
    return wide.loc[rows, columns].astype(np.int64 if values == "customers" else np.float64)


def _by_customer(given: Mapping[Any, str] | pd.Series, name: str) -> pd.Series:
    series = given if isinstance(given, pd.Series) else pd.Series(dict(given), dtype=object)
    doubled = series.index[series.index.duplicated()]
    if len(doubled):
        raise ContractError(f"migration: customer {doubled[0]!r} occurs twice in `{name}`; give one segment each")
    if series.isna().any():
        raise ContractError(
            f"migration: customer {series.index[series.isna()][0]!r} has no segment in `{name}`; leave such rows out"
        )
    return series.astype(object)
