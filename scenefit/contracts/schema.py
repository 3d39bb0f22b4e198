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

Kind = Literal["str", "int", "float", "bool", "money", "instant", "strs"]
Purpose = Literal["marketing", "risk", "service"]

ANY_PURPOSE: frozenset[Purpose] = frozenset(("marketing", "risk", "service"))
RISK_ONLY: frozenset[Purpose] = frozenset(("risk",))

ARROW: dict[Kind, pa.DataType] = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    # exact sums whatever the order: a float total depends on the number of threads
    "money": pa.decimal128(18, 2),
    # nanoseconds break the feature store's materialisation on DuckDB 2
    "instant": pa.timestamp("us", tz="UTC"),
    "strs": pa.list_(pa.string()),
}
MEANING: dict[Kind, str] = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "money": "money with two decimals",
    "instant": "moment with time zone",
    "strs": "list of texts",
}


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
    return frame_of(check_arrow(_from_pandas(frame, table), table, until))


def check_arrow(data: pa.Table, table: Table, until: pd.Timestamp | None = None) -> pa.Table:
    """As `check`, for Arrow tables: no copy through pandas."""
    shaped = conform(data, table)
    for fault in faults(shaped, table, until):
        raise ContractError(fault.sentence)
    return shaped


def split(data: pa.Table, table: Table, until: pd.Timestamp | None = None) -> tuple[pa.Table, pa.Table]:
    """Good rows, and bad rows with a `reason` column (quarantine): nothing is lost silently.

    A wrong shape (missing column, wrong type) still raises: no row of it can be trusted. Of rows with one key
    the first stays.
    """
    shaped = conform(data, table)
    reasons = pa.nulls(shaped.num_rows, pa.string())
    for fault in faults(shaped, table, until):
        reasons = pc.if_else(pc.and_(fault.rows, pc.is_null(reasons)), fault.reason, reasons)
    good = pc.is_null(reasons)
    kept = shaped.filter(good)
    bad = shaped.append_column("reason", reasons).filter(pc.invert(good))
    return _strict(kept, table), bad


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
            f"Map or add it (a {MEANING[table.column(missing[0]).kind]})"
        )
    extra = [n for n in unique if n not in table.names]
    if extra:
        raise ContractError(
            f"{table.name}: column {extra[0]!r} is not in the contract, which has {table.names}. Rename or drop it"
        )
    arrays = [_cast(data, column, table) for column in table.columns]
    return pa.Table.from_arrays(arrays, names=table.names)


def faults(data: pa.Table, table: Table, until: pd.Timestamp | None = None) -> list[Fault]:
    """Every broken rule of a conformed table, in the order in which a person would look."""
    found = [fault for column in table.columns for fault in _column_faults(data[column.name], column, table, until)]
    if "at" in table.names and "ingested_at" in table.names:
        late = pc.fill_null(pc.less(data["ingested_at"], data["at"]), False)
        if pc.any(late).as_py():
            found.append(_fault(data["at"], late, "future", f"{table.name}: 'at' lies after 'ingested_at'",
                                "nothing is known before it happened; check the clock or the time zone"))  # fmt: skip
    repeated = _repeated(data, table)
    if repeated is not None:
        rows = data.filter(repeated).select(list(table.key)).slice(0, 3).to_pylist()
        shown = "; ".join(", ".join(f"{k}={_text(v)}" for k, v in row.items()) for row in rows)
        found.append(Fault(repeated, "duplicate key", (
            f"{table.name}: {pc.sum(repeated).as_py():,} rows repeat a key ({shown}); "
            f"there must be {table.grain}. Remove the repeats")))  # fmt: skip
    return found


def frame_of(data: pa.Table) -> pd.DataFrame:
    """A pandas frame of an Arrow table: Arrow-backed texts, money as float64, moments in UTC microseconds."""
    for i, field in enumerate(data.schema):
        if pa.types.is_decimal(field.type):
            data = data.set_column(i, field.name, pc.cast(data.column(i), pa.float64()))
    return data.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)


def money(values: np.ndarray) -> pa.Array:
    """Exact decimals of float amounts, rounded half-even to cents; NaN becomes null.

    Built from the integer cents directly: casting floats one by one costs twenty times as much.
    """
    cents = np.rint(np.asarray(values, dtype=np.float64) * 100)
    valid = np.isfinite(cents)
    whole = np.where(valid, cents, 0).astype("<i8")
    words = np.empty((len(whole), 2), dtype="<i8")
    words[:, 0] = whole
    words[:, 1] = whole >> 63
    bitmap = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(ARROW["money"], len(whole), [bitmap, pa.py_buffer(words.tobytes())])


def _from_pandas(frame: pd.DataFrame, table: Table) -> pa.Table:
    arrays, names = [], []
    for position, name in enumerate(frame.columns):
        series = frame.iloc[:, position]
        names.append(str(name))
        try:
            arrays.append(pa.chunked_array([pa.Array.from_pandas(series)]))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            kinds = sorted({type(value).__name__ for value in series.dropna().head(1000)})
            raise ContractError(
                f"{table.name}.{name}: values of mixed types {kinds}, such as {_texts(series.dropna().unique()[:3])}; "
                "give the whole column one type"
            ) from error
    return pa.Table.from_arrays(arrays, names=names)


def _cast(data: pa.Table, column: Column, table: Table) -> pa.ChunkedArray:
    target = ARROW[column.kind]
    if column.name not in data.column_names:
        return pa.chunked_array([pa.nulls(data.num_rows, target)])
    values = data[column.name]
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if values.type == target:
        return values
    where = f"{table.name}.{column.name}"
    wanted = MEANING[column.kind]
    if column.kind == "instant":
        return _instants(values, where)
    if column.kind == "money" and pa.types.is_floating(values.type):
        chunks = [money(chunk.to_numpy(zero_copy_only=False)) for chunk in values.chunks]
        return pa.chunked_array(chunks, type=target)
    same_family = (
        (column.kind == "str" and (pa.types.is_large_string(values.type) or pa.types.is_null(values.type)))
        or (column.kind in ("int", "float", "money") and _numeric(values.type))
        or (column.kind == "bool" and pa.types.is_null(values.type))
        or (column.kind == "strs" and pa.types.is_list(values.type))
    )
    if not same_family:
        raise ContractError(
            f"{where}: is {values.type}, must be a {wanted}; values such as {_texts(_some(values))}. Convert the column"
        )
    if column.kind == "int" and pa.types.is_floating(values.type):
        # pandas turns whole numbers with gaps into floats; NaN stands for missing there
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        return values.cast(target)
    except pa.ArrowInvalid as error:
        raise ContractError(f"{where}: not every value is a {wanted}: {error}. Correct the values") from error


def _instants(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    if pa.types.is_null(values.type):
        return values.cast(ARROW["instant"])
    if not pa.types.is_timestamp(values.type):
        raise ContractError(
            f"{where}: is {values.type}, must be a moment with time zone; values such as {_texts(_some(values))}. "
            "Parse the column, all rows in one zone"
        )
    if values.type.tz is None:
        raise ContractError(
            f"{where}: moments without time zone, such as {_texts(_some(values))}; "
            "say which zone they are in (tz_localize), then they are stored in UTC"
        )
    return pc.cast(values, ARROW["instant"], safe=False)


def _numeric(kind: pa.DataType) -> bool:
    return (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


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
            unit = f" {column.unit}" if column.unit else ""
            found.append(_fault(values, outside, f"{column.name} {word} {bound:g}",
                                f"{where}: values {word} {bound:g}{unit}", "check unit and sign"))  # fmt: skip
    if column.kind == "instant" and until is not None and column.name in ("at", "ingested_at"):
        ahead = pc.fill_null(pc.greater_equal(values, pa.scalar(until, ARROW["instant"])), False)
        if pc.any(ahead).as_py():
            found.append(_fault(values, ahead, "future", f"{where}: moments at or after {until:%Y-%m-%d %H:%M} UTC",
                                "the data ends there; check clock, unit and time zone"))  # fmt: skip
    return found


def _fault(values: pa.ChunkedArray, rows: pa.ChunkedArray, reason: str, what: str, way_out: str) -> Fault:
    shown = _texts(_some(values.filter(rows)))
    return Fault(rows, reason, f"{what}: {shown} in {pc.sum(rows).as_py():,} rows; {way_out}")


def _repeated(data: pa.Table, table: Table) -> pa.ChunkedArray | None:
    if not table.key or data.num_rows < 2:
        return None
    keys = data.select(list(table.key))
    if len(table.key) == 1 and pc.count_distinct(keys.column(0)).as_py() + keys.column(0).null_count >= len(data):
        return None
    rows = keys.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
    repeated = rows.duplicated().to_numpy(dtype=bool)
    return pa.chunked_array([pa.array(repeated)]) if repeated.any() else None


def _strict(data: pa.Table, table: Table) -> pa.Table:
    return data.cast(table.arrow)


def _some(values: pa.ChunkedArray) -> list[object]:
    seen: list[object] = pc.unique(values.slice(0, 10_000).drop_null()).slice(0, 3).to_pylist()
    return seen


def _texts(values: object) -> str:
    return ", ".join(_text(value) for value in values)  # type: ignore[attr-defined]


def _text(value: object) -> str:
    moment = getattr(value, "isoformat", None)
    return moment() if moment else repr(value)
