"""What a column may hold, and the way foreign types become it: nothing but the type changes, nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scenefit.contracts.errors import ContractError

Kind = Literal["str", "int", "float", "bool", "money", "instant", "strs"]

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
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "money": "money with two decimals",
    "instant": "a moment with time zone",
    "strs": "a list of texts",
}
# sixteen digits before the point, two behind it
MOST_CENTS = 1e18
LAST_MOMENT = pa.scalar(pd.Timestamp("9999-12-31T23:59:59.999999Z").to_pydatetime(), ARROW["instant"])


def cast(values: pa.ChunkedArray, kind: Kind, where: str) -> pa.ChunkedArray:
    """The values in the type of their kind; `where` names table and column in the message.

    Raises
    ------
    ContractError : another type, or values that the type cannot hold without loss.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if values.type == ARROW[kind]:
        return values
    if _nothing(values):
        return pa.chunked_array([pa.nulls(len(values), ARROW[kind])])
    if kind == "instant":
        return _instants(values, where)
    if not _same_family(values.type, kind):
        raise ContractError(
            f"{where}: is {values.type}, must be {MEANING[kind]}; values such as {some(values)}. Convert the column"
        )
    if kind == "money" and pa.types.is_floating(values.type):
        chunks = [money(chunk.to_numpy(zero_copy_only=False), where) for chunk in values.chunks]
        return pa.chunked_array(chunks, type=ARROW[kind])
    if kind == "int" and pa.types.is_floating(values.type):
        # pandas turns whole numbers with gaps into floats; NaN stands for missing there
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        if kind == "money" and pa.types.is_integer(values.type):
            # any 64-bit number fits here; whether it fits money shows in the next step
            values = values.cast(pa.decimal128(22, 2))
        return values.cast(ARROW[kind])
    except pa.ArrowInvalid as error:
        raise ContractError(f"{where}: not every value is {MEANING[kind]}: {error}. Correct the values") from error


def money(values: np.ndarray, where: str = "money") -> pa.Array:
    """Exact decimals of float amounts, rounded half-even to cents; NaN becomes null.

    Built from the integer cents directly: casting floats one by one costs twenty times as much.

    Raises
    ------
    ContractError : infinite amounts, or more than sixteen digits.
    """
    amounts = np.asarray(values, dtype=np.float64)
    cents = np.rint(amounts * 100)
    valid = np.abs(cents) < MOST_CENTS
    wild = ~valid & ~np.isnan(cents)
    if wild.any():
        raise ContractError(
            f"{where}: infinite amounts or more than sixteen digits: {texts(amounts[wild][:3].tolist())} "
            f"in {wild.sum():,} rows; give finite amounts in units of the currency"
        )
    whole = np.where(valid, cents, 0).astype("<i8")
    words = np.empty((len(whole), 2), dtype="<i8")
    words[:, 0] = whole
    words[:, 1] = whole >> 63
    bitmap = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(ARROW["money"], len(whole), [bitmap, pa.py_buffer(words.tobytes())])


def arrow_of(frame: pd.DataFrame, name: str) -> pa.Table:
    """An Arrow table of the frame's columns as they are; `name` names the table in messages.

    Raises
    ------
    ContractError : a column mixes types or time zones, or holds what no table can store.
    """
    arrays, names = [], []
    for position, label in enumerate(frame.columns):
        series, where = frame.iloc[:, position], f"{name}.{label}"
        try:
            array = pa.chunked_array([pa.Array.from_pandas(series)])
        except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError) as error:
            raise ContractError(f"{where}: {_unstorable(series, error)}") from error
        if series.dtype == object and pa.types.is_timestamp(array.type):
            _one_zone(series, where)
        names.append(str(label))
        arrays.append(array)
    return pa.Table.from_arrays(arrays, names=names)


def frame_of(data: pa.Table) -> pd.DataFrame:
    """A pandas frame of an Arrow table: Arrow-backed texts, money as float64, moments in UTC microseconds."""
    for i, field in enumerate(data.schema):
        if pa.types.is_decimal(field.type):
            data = data.set_column(i, field.name, pc.cast(data.column(i), pa.float64()))
    return data.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)


def some(values: pa.ChunkedArray) -> str:
    """A few different values, for messages."""
    sample = values.drop_null().slice(0, 10_000)
    if pa.types.is_timestamp(sample.type):
        # Python has no year above 9999, which a wrong unit easily gives
        moments = sample.cast(pa.int64()).to_numpy().astype(f"datetime64[{sample.type.unit}]")
        written = (re.sub(r"\.0+$", "", str(moment)) + ("Z" if sample.type.tz else "") for moment in moments)
        return ", ".join(list(dict.fromkeys(written))[:3])
    return ", ".join(list(dict.fromkeys(map(repr, sample.to_pylist())))[:3])


def texts(values: Iterable[object]) -> str:
    """Values side by side, as a program would write them."""
    return ", ".join(map(repr, values))


def _nothing(values: pa.ChunkedArray) -> bool:
    # a column of gaps only is read as numbers by pandas, whatever it is meant to hold
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return bool(values.null_count == len(values))


def _same_family(found: pa.DataType, kind: Kind) -> bool:
    if kind == "str":
        return bool(_text(found))
    if kind in ("int", "float", "money"):
        return pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found)
    if kind == "strs" and (pa.types.is_list(found) or pa.types.is_large_list(found)):
        return _text(found.value_type) or pa.types.is_null(found.value_type)
    return False


def _text(found: pa.DataType) -> bool:
    return pa.types.is_string(found) or pa.types.is_large_string(found)


def _instants(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    if not pa.types.is_timestamp(values.type):
        raise ContractError(
            f"{where}: is {values.type}, must be a moment with time zone; values such as {some(values)}. "
            "Parse the column, all rows in one zone"
        )
    if values.type.tz is None:
        raise ContractError(
            f"{where}: moments without time zone, such as {some(values)}; "
            "say which zone they are in (tz_localize), then they are stored in UTC"
        )
    try:
        # finer than microseconds is cut off; coarser must not overflow
        moments = pc.cast(values, ARROW["instant"], safe=values.type.unit != "ns")
    except pa.ArrowInvalid as error:
        raise ContractError(f"{where}: moments out of range: {error}. Check the unit") from error
    late = pc.greater(moments, LAST_MOMENT)
    if pc.any(late).as_py():
        raise ContractError(
            f"{where}: moments after the year 9999, such as {some(moments.filter(late))}; check the unit"
        )
    return moments


def _one_zone(series: pd.Series, where: str) -> None:
    zones = sorted({str(value.tzinfo or "none") for value in series.dropna() if isinstance(value, datetime)})
    if len(zones) > 1:
        raise ContractError(f"{where}: moments of several time zones {zones}; bring all rows into one (tz_convert)")


def _unstorable(series: pd.Series, error: Exception) -> str:
    present = series.dropna().head(1000)
    kinds = sorted({type(value).__name__ for value in present})
    shown = ", ".join(list(dict.fromkeys(map(ascii, present)))[:3])
    if len(kinds) > 1:
        return f"values of mixed types {kinds}, such as {shown}; give the whole column one type"
    return f"values that no table can hold, such as {shown} ({error}); convert the column"
