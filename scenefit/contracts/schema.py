"""Tables as Python values, and the one check at the door.

A `Table` names its grain, key and columns; `check` returns the frame in contract order and types, or raises a
`ContractError` that names the table, the column, the offending values and the way out. `split` does the same for
event streams, but sets bad rows aside with a reason instead of refusing the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scenefit.contracts.errors import ContractError
from scenefit.contracts.kinds import ARROW, MEANING, Kind, arrow_of, cast, frame_of, money, some

__all__ = [
    "ANY_PURPOSE", "ARROW", "MEANING", "RISK_ONLY", "Column", "Fault", "Kind", "Purpose", "Table", "arrow_of", "check",
    "check_arrow", "conform", "faults", "frame_of", "money", "split",
]  # fmt: skip

Purpose = Literal["marketing", "risk", "service"]

ANY_PURPOSE: frozenset[Purpose] = frozenset(("marketing", "risk", "service"))
RISK_ONLY: frozenset[Purpose] = frozenset(("risk",))


REPEATED = "duplicate key"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `purposes` are the uses the column permits (purpose binding); `protected` marks attributes that models leave out
    by default, `pii` those that may not leave the workspace unmasked. `values` lists what a text may be, `low` and
    `high` bound a number (both inclusive).
    """

    name: str
    kind: Kind
    unit: str = ""
    nullable: bool = False
    note: str = ""
    protected: bool = False
    pii: bool = False
    purposes: frozenset[Purpose] = ANY_PURPOSE
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """A table's contract: what one row is, what makes it unique, what it carries."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    optional: bool = True
    stream: bool = False

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when the table has none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def names(self) -> list[str]:
        """Column names in contract order."""
        return [column.name for column in self.columns]

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema in which the table is stored."""
        return pa.schema([pa.field(c.name, ARROW[c.kind], c.nullable) for c in self.columns])


@dataclass(frozen=True)
class Fault:
    """Rows that break one rule: a mask over the rows, and the sentence that says so."""

    rows: pa.ChunkedArray
    reason: str
    sentence: str


def check(frame: pd.DataFrame, table: Table, until: pd.Timestamp | None = None) -> pd.DataFrame:
    """The frame in contract order and types.

    Parameters
    ----------
    until : moments at or after this one count as lying in the future (exclusive end of the data)

    Raises
    ------
    ContractError : names table, column, offending values and the way out.
    """
    return frame_of(check_arrow(arrow_of(frame, table.name), table, until))


def check_arrow(data: pa.Table, table: Table, until: pd.Timestamp | None = None) -> pa.Table:
    """As `check`, for Arrow tables: no copy through pandas."""
    shaped = conform(data, table)
    for fault in faults(shaped, table, until):
        raise ContractError(fault.sentence)
    return shaped


def split(data: pa.Table, table: Table, until: pd.Timestamp | None = None) -> tuple[pa.Table, pa.Table]:
    """Good rows, and bad rows with a `reason` column (quarantine): nothing is lost silently.

    A wrong shape (missing column, wrong type) still raises: no row of it can be trusted. Of otherwise good rows
    with one key the first stays.
    """
    shaped = conform(data, table)
    reasons = pa.chunked_array([pa.nulls(shaped.num_rows, pa.string())])
    for fault in _value_faults(shaped, table, until):
        reasons = pc.if_else(pc.and_(fault.rows, pc.is_null(reasons)), fault.reason, reasons)
    good = pc.is_null(reasons).to_numpy()
    repeats = np.flatnonzero(good)[_repeated(shaped.filter(good), table)]
    if len(repeats):
        again = np.zeros(len(good), dtype=bool)
        again[repeats] = True
        reasons = pc.if_else(pa.array(again), REPEATED, reasons)
        good &= ~again
    return shaped.filter(good).cast(table.arrow), shaped.append_column("reason", reasons).filter(~good)


def conform(data: pa.Table, table: Table) -> pa.Table:
    """Columns in contract order and types; values untouched but for lossless casts."""
    unique = list(dict.fromkeys(data.column_names))
    if len(unique) < data.num_columns:
        doubled = sorted({n for n in data.column_names if data.column_names.count(n) > 1})
        raise ContractError(f"{table.name}: column {doubled[0]!r} occurs more than once; keep one of them")
    missing = [c.name for c in table.columns if c.name not in unique and not c.nullable]
    if missing:
        raise ContractError(
            f"{table.name}: column {missing[0]!r} is missing; the data has {sorted(unique)}. "
            f"Map or add it ({MEANING[table.column(missing[0]).kind]})"
        )
    extra = [n for n in unique if n not in table.names]
    if extra:
        raise ContractError(
            f"{table.name}: column {extra[0]!r} is not in the contract, which has {table.names}. Rename or drop it"
        )
    arrays = [
        cast(data[column.name], column.kind, f"{table.name}.{column.name}")
        if column.name in unique
        else pa.chunked_array([pa.nulls(data.num_rows, ARROW[column.kind])])
        for column in table.columns
    ]
    return pa.Table.from_arrays(arrays, names=table.names)


def faults(data: pa.Table, table: Table, until: pd.Timestamp | None = None) -> list[Fault]:
    """Every broken rule of a conformed table, in the order in which a person would look."""
    found = _value_faults(data, table, until)
    repeated = _repeated(data, table)
    if repeated.any():
        rows = data.filter(repeated).select(list(table.key)).slice(0, 3)
        shown = zip(
            *([f"{key}={some(rows[key].slice(i, 1))}" for i in range(len(rows))] for key in table.key), strict=True
        )
        found.append(Fault(pa.chunked_array([repeated]), REPEATED, (
            f"{table.name}: {repeated.sum():,} rows repeat a key ({'; '.join(map(', '.join, shown))}); "
            f"there must be {table.grain}. Remove the repeats")))  # fmt: skip
    return found


def _value_faults(data: pa.Table, table: Table, until: pd.Timestamp | None) -> list[Fault]:
    found = [fault for column in table.columns for fault in _column_faults(data[column.name], column, table, until)]
    if "at" in table.names and "ingested_at" in table.names:
        late = pc.fill_null(pc.less(data["ingested_at"], data["at"]), False)
        if pc.any(late).as_py():
            found.append(_fault(data["at"], late, "future", f"{table.name}: 'at' lies after 'ingested_at'",
                                "nothing is known before it happened; check the clock or the time zone"))  # fmt: skip
    return found


def _column_faults(values: pa.ChunkedArray, column: Column, table: Table, until: pd.Timestamp | None) -> list[Fault]:
    where, found = f"{table.name}.{column.name}", []
    missing = pc.is_null(values, nan_is_null=column.kind == "float")
    if not column.nullable and pc.any(missing).as_py():
        count = pc.sum(missing).as_py()
        first = pc.index(missing, True).as_py()
        found.append(Fault(missing, f"{column.name} missing", (
            f"{where}: {count:,} of {len(values):,} rows have no value (first: row {first}); "
            "every row needs one. Fill or drop them")))  # fmt: skip
    if column.values:
        known = pc.is_in(values, value_set=pa.array(column.values))
        bad = pc.and_(pc.is_valid(values), pc.invert(known))
        if pc.any(bad).as_py():
            found.append(_fault(values, bad, f"{column.name} unknown", f"{where}: unknown values",
                                f"must be one of {list(column.values)}"))  # fmt: skip
    if column.kind == "float":
        wild = pc.fill_null(pc.is_inf(values), False)
        if pc.any(wild).as_py():
            found.append(_fault(values, wild, f"{column.name} infinite", f"{where}: infinite values",
                                "give finite numbers or leave them empty"))  # fmt: skip
    for bound, compare, word in ((column.low, pc.less, "below"), (column.high, pc.greater, "above")):
        if bound is None:
            continue
        outside = pc.fill_null(compare(values, pa.scalar(float(bound)).cast(values.type, safe=False)), False)
        if pc.any(outside).as_py():
            unit = f" {column.unit}" if column.unit not in ("", "1") else ""
            found.append(_fault(values, outside, f"{column.name} {word} {bound:g}",
                                f"{where}: values {word} {bound:g}{unit}", "check unit and sign"))  # fmt: skip
    if column.kind == "instant" and until is not None and column.name in ("at", "ingested_at"):
        end = until.tz_convert("UTC")
        ahead = pc.fill_null(pc.greater_equal(values, pa.scalar(end, ARROW["instant"])), False)
        if pc.any(ahead).as_py():
            found.append(_fault(values, ahead, "future", f"{where}: moments at or after {end:%Y-%m-%d %H:%M} UTC",
                                "the data ends there; check clock, unit and time zone"))  # fmt: skip
    return found


def _fault(values: pa.ChunkedArray, rows: pa.ChunkedArray, reason: str, what: str, way_out: str) -> Fault:
    return Fault(rows, reason, f"{what}: {some(values.filter(rows))} in {pc.sum(rows).as_py():,} rows; {way_out}")


def _repeated(data: pa.Table, table: Table) -> np.ndarray:
    """(n,) rows whose key stands in an earlier row."""
    if not table.key or data.num_rows < 2:
        return np.zeros(data.num_rows, dtype=bool)
    keys = data.select(list(table.key))
    if len(table.key) == 1 and pc.count_distinct(keys.column(0)).as_py() + keys.column(0).null_count >= len(data):
        return np.zeros(data.num_rows, dtype=bool)
    return np.asarray(frame_of(keys).duplicated(), dtype=bool)
