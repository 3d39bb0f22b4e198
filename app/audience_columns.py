"""What the rule editor must know of a column: its kind, the range a slider covers, the levels there are."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from segmentation.columns import column_kind, numbers, texts

# more levels than this are typed, not picked
MOST_LEVELS = 300
# positions of a slider: finer steps cannot be hit by hand
STEPS = 100


class ColumnFacts(NamedTuple):
    """A column as the editor sees it.

    A slider runs from `low` to `high`, the 99th percentile rounded up, in `step`s; a rule may go beyond. `usual` is
    where a new condition starts.
    """

    kind: Literal["number", "bool", "text"]
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    usual: float = 0.0
    whole: bool = False
    levels: tuple[str, ...] = ()
    # how the column writes no and yes: features keep truth values as 0 and 1
    truths: tuple[bool | int, bool | int] = (False, True)


def column_facts(frame: pd.DataFrame) -> dict[str, ColumnFacts]:
    """Facts of every column that rules may read; empty ones are left out."""
    found = {name: _facts(frame[name]) for name in frame.columns if name != "customer_id"}
    return {name: facts for name, facts in found.items() if facts is not None}


def _facts(series: pd.Series) -> ColumnFacts | None:
    kind = column_kind(series)
    if kind == "empty":
        return None
    if kind == "bool":
        return ColumnFacts("bool")
    if kind == "text":
        counts = texts(series).value_counts()
        levels = tuple(str(level) for level in counts.index[:MOST_LEVELS])
        return ColumnFacts("text", levels=levels) if levels else None
    values = numbers(series)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    if np.isin(values, (0.0, 1.0)).all():
        return ColumnFacts("bool", truths=(0, 1))
    whole = bool((values == np.round(values)).all())
    low, high, usual = float(values.min()), float(np.quantile(values, 0.99)), float(np.median(values))
    step = nice_step(max(high - low, 1e-9) / STEPS, whole)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    if high <= low:
        high = low + step
    return ColumnFacts("number", _tidy(low), _tidy(high), step, _tidy(round(usual / step) * step), whole)


def nice_step(size: float, whole: bool) -> float:
    """1, 2 or 5 times a power of ten, at least this large; of whole numbers at least 1.

    >>> nice_step(0.0037, False), nice_step(0.3, True), nice_step(170, True)
    (0.005, 1.0, 200.0)
    """
    power = 10.0 ** math.floor(math.log10(size))
    step = next(_tidy(power * times) for times in (1, 2, 5, 10) if power * times >= size * (1 - 1e-9))
    return max(step, 1.0) if whole else step


def _tidy(value: float) -> float:
    return float(f"{value:.12g}")
