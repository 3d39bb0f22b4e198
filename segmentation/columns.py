"""What a column holds, and its values in one shape: the reading that encoders, rules and profiles share."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from scenefit.contracts.tables import RAW

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
        raise ContractError(f"column {series.name!r} holds complex numbers; give real ones")
    if pd.api.types.is_numeric_dtype(values.dtype):
        # a category coded by numbers is still a category
        return "text" if values is not series else "number"
    if isinstance(values.dtype, pd.StringDtype):
        return "text"
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found in _OF_OBJECTS:
        return _OF_OBJECTS[found]
    shown = ", ".join(repr(value) for value in values.dropna().head(3))
    raise ContractError(
        f"column {series.name!r} holds {found} values such as {shown}; give numbers, texts or truth values "
        "(a moment becomes days before the as-of time, a list one column per entry)"
    )


def numbers(series: pd.Series) -> np.ndarray:
    """Values as float64, gaps as NaN, true as 1; infinities are refused."""
    try:
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        shown = ", ".join(repr(value) for value in series.dropna().head(3))
        raise ContractError(
            f"column {series.name!r} must hold numbers but has values such as {shown}; convert the column"
        ) from error
    wild = np.isinf(values)
    if wild.any():
        raise ContractError(
            f"column {series.name!r}: {int(wild.sum()):,} of {len(values):,} values are infinite "
            f"(first: row {int(wild.argmax())}); give finite numbers or leave them empty"
        )
    return values


def texts(series: pd.Series) -> pd.Series:
    """Values as Arrow-backed texts, gaps as missing."""
    return series.astype(pd.StringDtype("pyarrow"))
