"""What a column holds, and its values in one shape: the reading that encoders, rules and profiles share."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from scenefit.contracts.tables import RAW
from segmentation.phrases import DAYS_AGO

ColumnKind = Literal["number", "bool", "text", "empty"]

_OF_OBJECTS: dict[str, ColumnKind] = {
    "string": "text",
    "boolean": "bool",
    "floating": "number",
    "integer": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "empty": "empty",
}


class Unreadable(ContractError, ValueError):
    """Values that are no attribute of a customer; also a ValueError, which scikit-learn's own tools expect."""


def protected_names() -> frozenset[str]:
    """Columns the contract marks as protected: models leave them out unless asked otherwise.

    >>> sorted(protected_names())
    ['birth_year', 'education', 'gender', 'marital_status']
    """
    return frozenset(column.name for table in RAW.values() for column in table.columns if column.protected)


def column_kind(series: pd.Series) -> ColumnKind:
    """Number, truth value, text, or nothing but gaps.

    Raises
    ------
    ContractError : for moments, lists and values of mixed types.

    >>> column_kind(pd.Series([1.5, None])), column_kind(pd.Series([True, None], dtype=object))
    ('number', 'bool')
    """
    values = series.array.categories.to_series() if isinstance(series.dtype, pd.CategoricalDtype) else series
    if pd.api.types.is_bool_dtype(values.dtype):
        return "bool"
    if pd.api.types.is_complex_dtype(values.dtype):
        raise Unreadable(f"Complex data not supported: column {series.name!r} holds complex numbers; give real ones")
    if pd.api.types.is_numeric_dtype(values.dtype):
        # a category coded by numbers is still a category
        return "text" if values is not series else "number"
    if isinstance(values.dtype, pd.StringDtype):
        return "text"
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found in _OF_OBJECTS:
        return _OF_OBJECTS[found]
    shown = ", ".join(repr(value) for value in values.dropna().head(3))
    raise Unreadable(
        f"column {series.name!r} holds {found} values such as {shown}; give numbers, texts or truth values "
        "(a moment becomes days before the as-of time: see `in_days`; a list one column per entry)"
    )


def numbers(series: pd.Series) -> np.ndarray:
    """Values as float64, gaps as NaN, true as 1; infinities are refused."""
    try:
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        shown = ", ".join(repr(value) for value in series.dropna().head(3))
        raise Unreadable(
            f"column {series.name!r} must hold numbers but has values such as {shown}; convert the column"
        ) from error
    wild = np.isinf(values)
    if wild.any():
        raise Unreadable(
            f"column {series.name!r}: {int(wild.sum()):,} of {len(values):,} values are infinite "
            f"(first: row {int(wild.argmax())}); give finite numbers or leave them empty"
        )
    return values


def texts(series: pd.Series) -> pd.Series:
    """Values as Arrow-backed texts, gaps as missing."""
    return series.astype(pd.StringDtype("pyarrow"))


def is_moment(series: pd.Series) -> bool:
    """Whether the column holds moments or dates.

    >>> is_moment(pd.Series(pd.to_datetime(["2026-01-31"]))), is_moment(pd.Series(["2026-01-31"]))
    (True, False)
    """
    if isinstance(series.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(series.dtype):
        return True
    return series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) in (
        "datetime",
        "datetime64",
        "date",
    )


def moments(series: pd.Series, as_of: pd.Timestamp, zone: str) -> tuple[pd.Series, pd.Timestamp]:
    """Local times of the business zone, and the as-of time in it; both without a zone of their own.

    Moments without a zone are taken as local already. A moment at or after `as_of` is refused: no attribute may be
    younger than the question.
    """
    local = pd.to_datetime(series)
    if isinstance(local.dtype, pd.DatetimeTZDtype):
        local = local.dt.tz_convert(zone).dt.tz_localize(None)
    end = as_of.tz_convert(zone).tz_localize(None) if as_of.tzinfo else as_of
    ahead = (local >= end).to_numpy(dtype=bool)
    if ahead.any():
        raise Unreadable(
            f"column {series.name!r}: {int(ahead.sum()):,} of {len(local):,} moments are at or after the as-of time "
            f"{end:%Y-%m-%d %H:%M} (first: row {int(ahead.argmax())}); give a later as_of or leave those rows out"
        )
    return local, end


def days_ago(series: pd.Series, as_of: pd.Timestamp, zone: str) -> np.ndarray:
    """Days from each moment to the as-of time, with fractions; gaps are NaN."""
    local, end = moments(series, as_of, zone)
    days: np.ndarray = (end - local).dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan) / 86_400
    return days


def in_days(frame: pd.DataFrame, as_of: pd.Timestamp, zone: str = "Asia/Shanghai") -> pd.DataFrame:
    """The frame with every moment as days before the as-of time, as rules, profiles and surrogates read it.

    >>> shown = pd.DataFrame({"joined": pd.to_datetime(["2026-01-30", None])})
    >>> in_days(shown, pd.Timestamp("2026-02-01"))["joined (days ago)"].tolist()
    [2.0, nan]
    """
    return pd.DataFrame(
        {
            f"{name}{DAYS_AGO}" if is_moment(frame[name]) else name: days_ago(frame[name], as_of, zone)
            if is_moment(frame[name])
            else frame[name]
            for name in frame.columns
        },
        index=frame.index,
    )
