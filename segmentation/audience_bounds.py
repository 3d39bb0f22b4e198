"""How single conditions are loosened: a bound moved to the nearest people outside, or values added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from segmentation.audience_people import ConditionBits
from segmentation.columns import numbers
from segmentation.rule_columns import MOST_VALUES
from segmentation.rule_values import instants
from segmentation.rules import Between, Compare, Condition, Did, In, Moment, Percentile

How = Literal["drop", "move", "add"]
# a bound is rounded to what a person can read as long as that lets in at most a tenth more than needed
SLACK = 0.1
READABLE_DIGITS = range(2, 7)


class Change(NamedTuple):
    """A change of one condition of a rule; `relaxed` is None where it is dropped."""

    how: How
    step: int
    relaxed: Condition | None


class Bound(NamedTuple):
    """One end of a condition, with what those outside have there.

    `values` (k,) of the people blocked who lie beyond this end; `upper` says which end it is, `open_end` that the
    bound itself does not fit; `made` gives the condition with another bound, which takes whole days where `days`.
    """

    values: np.ndarray
    upper: bool
    open_end: bool
    made: Callable[[float], Condition]
    days: bool = False


def moved_bounds(
    condition: Condition, blocked: np.ndarray, bits: ConditionBits, more: int
) -> Iterator[tuple[How, Condition]]:
    """The condition with one end moved just far enough that `more` of those blocked fit; all of them if fewer.

    Parameters
    ----------
    blocked : positions of the people whom this condition alone keeps out
    """
    for bound in _bounds(condition, blocked, bits):
        known = bound.values[~np.isnan(bound.values)]
        if len(known):
            ordered = np.sort(known) if bound.upper else -np.sort(-known)
            yield "move", bound.made(_moved(ordered, min(more, len(known)), bound))


def added_levels(
    condition: Condition, blocked: np.ndarray, bits: ConditionBits, more: int
) -> Iterator[tuple[How, Condition]]:
    """The condition with the values that most of those blocked have, as many as `more` of them need."""
    if isinstance(condition, In):
        column, values = condition.column, condition.values
    elif isinstance(condition, Compare) and condition.op == "==":
        column, values = condition.column, (condition.value,)
    else:
        return
    if any(isinstance(value, bool | Moment) for value in values):
        return
    counts = bits.column(column).iloc[blocked].dropna().value_counts()
    counts = counts[counts > 0]
    if len(counts) > MOST_VALUES:
        return
    many = dict(zip(counts.index.tolist(), counts.tolist(), strict=True))
    # equally frequent values in their own order
    levels = sorted(many, key=lambda level: (-many[level], level))
    needed = int(np.searchsorted(np.cumsum([many[level] for level in levels]), more)) + 1
    added = tuple(level if isinstance(level, str) else _literal(float(level)) for level in levels[:needed])
    if added and len(values) + len(added) <= MOST_VALUES:
        yield "add", In(column=column, values=(*values, *added))


def _bounds(condition: Condition, blocked: np.ndarray, bits: ConditionBits) -> list[Bound]:
    if isinstance(condition, Compare) and condition.op in ("<", "<=", ">", ">="):
        if isinstance(condition.value, Moment):
            return [_first_or_last_day(condition, blocked, bits)]
        name, upper = condition.column, condition.op in ("<", "<=")
        return [
            Bound(
                _numbers(bits.column(name), blocked), upper, False,
                lambda value: Compare(column=name, op="<=" if upper else ">=", value=_literal(value)),
            )
        ]  # fmt: skip
    if isinstance(condition, Between):
        return _ends(condition, blocked, bits)
    if isinstance(condition, Percentile):
        return _places(condition, blocked, bits)
    if isinstance(condition, Did):
        counts = bits.event_counts(condition)[blocked].astype(np.float64)
        often = counts[counts >= 1]
        return [Bound(often, False, False, lambda value: condition.model_copy(update={"at_least": int(value)}))]
    return []


def _ends(band: Between, blocked: np.ndarray, bits: ConditionBits) -> list[Bound]:
    low, high = band.low, band.high
    if isinstance(low, Moment) or isinstance(high, Moment):
        # two comparisons of one column say the same, and each has one end to move
        return []
    values = _numbers(bits.column(band.column), blocked)
    return [
        Bound(
            values[values < low], False, False,
            lambda value: Between(column=band.column, low=_literal(value), high=high),
        ),
        Bound(
            values[values >= high], True, True,
            lambda value: Between(column=band.column, low=low, high=_literal(value)),
        ),
    ]  # fmt: skip


def _first_or_last_day(limit: Compare, blocked: np.ndarray, bits: ConditionBits) -> Bound:
    """The end of a comparison with a day: moved by whole days of business time."""
    series, upper = bits.column(limit.column).iloc[blocked].dropna(), limit.op in ("<", "<=")

    def made(microseconds: float) -> Condition:
        moment = pd.Timestamp(int(microseconds), unit="us")
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            moment = moment.tz_localize("UTC").tz_convert(bits.zone)
        return Compare(column=limit.column, op="<=" if upper else ">=", value=Moment(at=moment.date().isoformat()))

    return Bound(instants(series).astype(np.float64), upper, False, made, days=True)


def _places(band: Percentile, blocked: np.ndarray, bits: ConditionBits) -> list[Bound]:
    if bits.column(band.column).dtype != np.float64:
        return []
    shares = bits.shares(band.column)[blocked]
    below, above = shares[shares < band.low], shares[shares >= band.high]
    return [
        Bound(below, False, False, lambda low: Percentile(column=band.column, low=float(low), high=band.high)),
        Bound(above, True, True, lambda high: Percentile(column=band.column, low=band.low, high=min(float(high), 1.0))),
    ]


def _moved(ordered: np.ndarray, needed: int, bound: Bound) -> float:
    """The readable bound that lets in the nearest `needed` people, or the exact one where rounding lets in too many."""
    nearest = float(ordered[needed - 1])
    if bound.days:
        return nearest
    exact = _past(nearest) if bound.open_end else nearest
    most = _reached(ordered, exact, bound) + SLACK * needed
    for digits in READABLE_DIGITS:
        rounded = _rounded(exact, digits, bound.upper)
        if _reached(ordered, rounded, bound) <= most:
            return rounded
    return exact


def _reached(ordered: np.ndarray, value: float, bound: Bound) -> int:
    if not bound.upper:
        return int((ordered >= value).sum())
    return int((ordered < value).sum() if bound.open_end else (ordered <= value).sum())


def _past(value: float) -> float:
    """The next number that a bound can have so that the value itself is still inside."""
    return value + 1 if value.is_integer() and abs(value) < 2**52 else float(np.nextafter(value, np.inf))


def _rounded(value: float, digits: int, up: bool) -> float:
    """The value with few digits, never on the inner side of itself."""
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    return float(Context(prec=digits, rounding=rounding).create_decimal(Decimal(repr(value))))


def _numbers(column: pd.Series, positions: np.ndarray) -> np.ndarray:
    return numbers(column)[positions]


def _literal(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
