"""A bank's monthly product holdings as panel: who held what, who acquired what, month by month.

The public Santander set lists, for each month, the customers who acquired at least one product in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import Column, Table, check

# `peer_score` of the public file is a forecast by others who saw the same month: it is never read
PANEL = Table(
    "santander-panel",
    grain="one row per month, customer and product",
    key=("month", "ncodpers", "product"),
    columns=(
        Column("month", "str", note="last day that counts, such as 2016-04-28"),
        Column("ncodpers", "int", note="customer number, given out in order of joining"),
        Column("product", "str"),
        Column("held_prev", "int", low=0, high=1, note="held at the end of the month before"),
        Column("acquired", "int", low=0, high=1, note="held at the end of the month and not before"),
    ),
)


class Month(NamedTuple):
    """Acquirers of one month, sorted by number: customers (n,), held and acquired (n, products) bool."""

    month: str
    customers: np.ndarray
    held: np.ndarray
    acquired: np.ndarray


class Panel(NamedTuple):
    """Products by name, and the months, oldest first."""

    products: tuple[str, ...]
    months: tuple[Month, ...]


def read_santander_panel(path: Path) -> Panel:
    """The panel of a Parquet file, checked.

    Raises
    ------
    StoreError : the file is not there or cannot be read.
    ContractError : a column or value breaks the contract, a customer lacks a product, or acquired what they held.
    """
    names = PANEL.names
    try:
        present = set(pq.read_schema(path).names)
        table = pq.read_table(path, columns=[name for name in names if name in present])
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"santander-panel: {path} cannot be read ({error}); give the panel's Parquet file") from error
    return panel_of(table.to_pandas().astype({n: "str" for n in ("month", "product") if n in present}))


def panel_of(frame: pd.DataFrame) -> Panel:
    """The panel of a frame in long form."""
    rows = check(frame, PANEL).sort_values(["month", "ncodpers", "product"], ignore_index=True)
    both = rows[(rows["held_prev"] == 1) & (rows["acquired"] == 1)]
    if len(both):
        first = both.iloc[0]
        raise ContractError(
            f"santander-panel: {len(both):,} rows are acquired and held before, such as customer {first['ncodpers']} "
            f"and {first['product']} in {first['month']}; only what was not held can be acquired"
        )
    products = tuple(sorted(rows["product"].unique()))
    return Panel(products, tuple(_month(str(name), part, products) for name, part in rows.groupby("month", sort=True)))


def _month(name: str, rows: pd.DataFrame, products: tuple[str, ...]) -> Month:
    customers, counts = np.unique(rows["ncodpers"].to_numpy(np.int64), return_counts=True)
    short = customers[counts != len(products)]
    if len(short):
        raise ContractError(
            f"santander-panel: {len(short):,} customers of {name}, such as {short[0]}, do not have one row for each of "
            f"the {len(products)} products; complete the panel with zeros"
        )
    shape = (len(customers), len(products))
    held, acquired = (rows[column].to_numpy(bool).reshape(shape) for column in ("held_prev", "acquired"))
    return Month(name, customers, held, acquired)
