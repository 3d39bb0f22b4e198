"""Typed values of rules, and the columns that are compared with them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    Tag,
    model_validator,
)

from scenefit.contracts.errors import ContractError
from segmentation.columns import column_kind, is_moment, numbers, texts

# business time: a date without a zone is a day there
ZONE = "Asia/Shanghai"
# columns are compared as 64-bit floats, which tell whole numbers apart up to here
LARGEST_WHOLE = 2**53 - 1
# how a gap among moments reads as a number
NO_MOMENT = np.iinfo(np.int64).min

# a flag is a column of numbers that are all 0 or 1: true and false are read as 1 and 0 there
Held = Literal["number", "flag", "bool", "text", "moment", "local moment", "empty"]
NUMERIC: tuple[Held, ...] = ("number", "flag")
Comparison = Literal["==", "!=", "<", "<=", ">", ">="]

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?")
_MICROSECOND = timedelta(microseconds=1)


class Node(BaseModel):
    """A part of a rule: fixed once made, of known fields alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Span(NamedTuple):
    """Microseconds since 1970-01-01, from `start` (included) to `end` (not included)."""

    start: int
    end: int


class Moment(Node):
    """A day (`2026-01-31`) or a point in time (`2026-01-31T09:30`, `2026-01-31T01:30Z`).

    A date is the whole day in business time: `<= 2026-01-31` takes the 31st along and `== 2026-01-31` is any time of
    it. A point in time without an offset is business time too.
    """

    at: StrictStr

    @model_validator(mode="after")
    def _real(self) -> Moment:
        if not _ISO.fullmatch(self.at) or not self.at.isascii():
            raise ValueError(f"{self.at!r} is no date or time; write 2026-01-31, 2026-01-31T09:30 or 2026-01-31T01:30Z")
        if not 1900 <= datetime.fromisoformat(self.at).year <= 9998:
            raise ValueError(f"{self.at!r} lies outside the years 1900 to 9998; check the year")
        return self

    def span(self, zone: str, local: bool) -> Span:
        """The microseconds meant: of UTC, or of the zone's own clock where the column holds `local` moments."""
        start = datetime.fromisoformat(self.at)
        end = start + (timedelta(days=1) if len(self.at) == 10 else _MICROSECOND)
        return Span(_clock(start, zone, local), _clock(end, zone, local))


def _clock(moment: datetime, zone: str, local: bool) -> int:
    if moment.tzinfo is None and not local:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    elif moment.tzinfo is not None and local:
        moment = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return (moment - datetime(1970, 1, 1, tzinfo=None if local else UTC)) // _MICROSECOND


def _comparable(value: float) -> float:
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} is nothing to compare with; give a finite number")
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ValueError(f"whole numbers beyond {LARGEST_WHOLE:,} cannot be told apart; compare such codes as texts")
    return value


def _storable(text: str) -> str:
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("a text must not hold NUL or half a character; leave it out")
    return text


def _tag(value: object) -> str | None:
    """Which kind of literal is meant, so that an error speaks of that kind alone."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "moment" if isinstance(value, Moment | dict) else None


_KINDS = Discriminator(
    _tag,
    custom_error_type="rule_value",
    custom_error_message='a value is a number, a text, true, false or a moment such as {"at": "2026-01-31"}',
)
Number = Annotated[StrictInt | StrictFloat, BeforeValidator(_comparable)]
Text = Annotated[StrictStr, StringConstraints(max_length=1000), AfterValidator(_storable)]
Name = Annotated[StrictStr, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
Value = Annotated[
    Annotated[StrictBool, Tag("truth")]
    | Annotated[Number, Tag("number")]
    | Annotated[Text, Tag("text")]
    | Annotated[Moment, Tag("moment")],
    _KINDS,
]
# what has an order
Bound = Annotated[Annotated[Number, Tag("number")] | Annotated[Moment, Tag("moment")], _KINDS]


def kind_of(value: bool | float | str | Moment) -> Literal["bool", "text", "moment", "number"]:
    """What a literal is.

    >>> kind_of(True), kind_of(1), kind_of("1"), kind_of(Moment(at="2026-01-31"))
    ('bool', 'number', 'text', 'moment')
    """
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "text"
    return "moment" if isinstance(value, Moment) else "number"


def held(series: pd.Series) -> Held:
    """What a column holds, moments included: with a zone (`moment`) or without (`local moment`)."""
    if is_moment(series):
        return "moment" if _zoned(series) else "local moment"
    return column_kind(series)


def _zoned(series: pd.Series) -> bool:
    """Whether the moments of a column have a time zone."""
    if series.dtype != object:
        return isinstance(series.dtype, pd.DatetimeTZDtype)
    return isinstance(pd.to_datetime(series.dropna().head(1)).dtype, pd.DatetimeTZDtype)


def holdings(frame: pd.DataFrame) -> dict[str, Held]:
    """What each column of a frame holds: the allow-list that a rule's SQL is written against.

    Columns that no rule can read (lists, mixed values) are left out.
    """
    found: dict[str, Held] = {}
    for name in frame.columns:
        try:
            holds = held(frame[name])
            found[str(name)] = "flag" if holds == "number" and is_flag(frame[name]) else holds
        except ContractError:
            continue
    return found


def is_flag(series: pd.Series) -> bool:
    """Whether a column of numbers holds nothing but 0, 1 and gaps."""
    values = amounts(series)
    return bool(((values == 0) | (values == 1) | np.isnan(values)).all())


def known_column(name: str, names: Iterable[str]) -> str:
    """The name itself; ContractError with the nearest known name where there is none such."""
    known = [str(one) for one in names]
    if name in known:
        return name
    near = get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"The data has {sorted(known)}"
    raise ContractError(f"rule: column {name!r} is unknown. {hint}{unusual(name)}")


def unusual(name: str) -> str:
    """A remark on letters that look like Latin ones but are not; empty where there is none.

    >>> unusual("city"), unusual("城市")
    ('', '')
    >>> unusual("c\u0456ty")
    " ('\u0456' at place 2 is CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I, not a Latin letter)"
    """
    for place, letter in enumerate(name, 1):
        called = unicodedata.name(letter, "a nameless character")
        if called.startswith(("CYRILLIC", "GREEK", "FULLWIDTH", "ZERO WIDTH", "ARMENIAN", "CHEROKEE", "MATHEMATICAL")):
            return f" ({letter!r} at place {place} is {called}, not a Latin letter)"
    return ""


def require_kind(name: str, holds: Held, value: bool | float | str | Moment) -> None:
    """Refuse a literal of another type than the column's."""
    asked = kind_of(value)
    if holds in ("empty", asked) or (asked == "moment" and holds == "local moment"):
        return
    if holds == "flag" and asked in ("number", "bool"):
        return
    shown = value.at if isinstance(value, Moment) else repr(value)
    raise ContractError(
        f"rule: column {name!r} holds {holds} values but is compared with {shown}, a {asked}; "
        "write the value as the column has it"
    )


def known(series: pd.Series) -> np.ndarray:
    """Where the column has a value, bool of shape (n,)."""
    return series.notna().to_numpy(dtype=bool)


def fits(series: pd.Series, op: Comparison, value: bool | float | str | Moment, zone: str) -> np.ndarray:
    """Which values stand in this relation to the literal, bool of shape (n,); a gap never does."""
    holds = _held_for(series, value)
    require_kind(str(series.name), holds, value)
    if holds == "empty":
        return np.zeros(len(series), dtype=bool)
    if isinstance(value, Moment):
        return _moment_fits(series, op, value.span(zone, holds == "local moment"))
    if isinstance(value, str):
        same = text_fits(series, (value,))
        return same if op == "==" else ~same & known(series)
    values = amounts(series)
    return compared(values, op, value) & ~np.isnan(values) if op == "!=" else compared(values, op, value)


def _held_for(series: pd.Series, value: bool | float | str | Moment) -> Held:
    """What a column holds; whether numbers are all 0 or 1 is looked up for true and false alone."""
    holds = held(series)
    return "flag" if holds == "number" and isinstance(value, bool) and is_flag(series) else holds


def compared(values: np.ndarray, op: Comparison, value: float) -> np.ndarray:
    """Values against one number."""
    if op in ("==", "!="):
        return np.asarray(values == value if op == "==" else values != value)
    if op in ("<", "<="):
        return np.asarray(values < value if op == "<" else values <= value)
    return np.asarray(values > value if op == ">" else values >= value)


def within(series: pd.Series, low: float | Moment, high: float | Moment, zone: str) -> np.ndarray:
    """Which values lie from `low` (included) to `high` (not included), bool of shape (n,)."""
    return fits(series, ">=", low, zone) & fits(series, "<", high, zone)


def text_fits(series: pd.Series, wanted: Sequence[str]) -> np.ndarray:
    """Which texts are one of those wanted, bool of shape (n,)."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        levels = texts(series.cat.categories.to_series()).isin(list(wanted)).to_numpy(dtype=bool)
        # code -1 is a gap; it reads the False put behind the levels
        return np.append(levels, False).take(series.cat.codes.to_numpy())
    values = pa.array(texts(series).array)
    found: np.ndarray = pc.is_in(values, value_set=pa.array(list(wanted), values.type)).to_numpy(zero_copy_only=False)
    return found


def amounts(series: pd.Series) -> np.ndarray:
    """Numbers as they are compared, gaps as NaN; without a copy where the column is plain numbers already."""
    if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "iuf" or series.dtype.itemsize < 8:
        return numbers(series)
    values = series.to_numpy()
    return numbers(series) if values.dtype.kind == "f" and np.isinf(values).any() else values


def one_of(series: pd.Series, wanted: Sequence[bool | float | str | Moment], zone: str) -> np.ndarray:
    """Which values are among those wanted, bool of shape (n,); a gap never is."""
    holds = held(series)
    for value in wanted:
        require_kind(str(series.name), _held_for(series, value), value)
    if holds == "text":
        return text_fits(series, [value for value in wanted if isinstance(value, str)])
    if holds == "number":
        return np.isin(amounts(series), np.array([float(value) for value in wanted if isinstance(value, int | float)]))
    found = np.zeros(len(series), dtype=bool)
    for value in dict.fromkeys(wanted):
        found |= fits(series, "==", value, zone)
    return found


def instants(series: pd.Series) -> np.ndarray:
    """Moments as microseconds since 1970, int64; a gap is the least of them."""
    moments = pd.to_datetime(series, utc=_zoned(series)) if series.dtype == object else series
    found: np.ndarray = moments.to_numpy(dtype="datetime64[us]").view(np.int64)
    return found


def _moment_fits(series: pd.Series, op: Comparison, span: Span) -> np.ndarray:
    at = instants(series)
    if op in ("==", "!="):
        inside = (at >= span.start) & (at < span.end)
        fit = inside if op == "==" else ~inside
    elif op in ("<", "<="):
        fit = at < (span.start if op == "<" else span.end)
    else:
        fit = at >= (span.start if op == ">=" else span.end)
    return np.asarray(fit & (at != NO_MOMENT))
