"""The people audiences are made of, and one bitmap for every condition that was asked about them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import RLock
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.audience_codes import LevelCodes, NumberCodes, coded_fits, level_codes, number_codes
from segmentation.bits import packed
from segmentation.columns import column_kind, numbers, texts
from segmentation.rules import Condition, Did, Percentile, RuleContext

# bitmaps kept, in bytes: two thousand conditions on a million customers
ROOM = 256 * 2**20


class People(NamedTuple):
    """Everybody an audience can hold, as of one moment.

    frame : customer_id (ascending, each once) and attributes, n rows
    context : what rules read beside the frame
    value, loss : (n,) expected profit and expected loss (CNY) of each customer's best offer in the latest run, 0 where
        none is worth making, NaN for people it does not know; None without a run
    fingerprint : changes whenever the people or their attributes do
    """

    frame: pd.DataFrame
    context: RuleContext
    value: np.ndarray | None
    loss: np.ndarray | None
    fingerprint: str
    as_of: pd.Timestamp


def checked_people(people: People) -> People:
    """The people themselves.

    Raises
    ------
    ContractError : nobody, ids missing, repeated or out of order, or figures of another length.
    """
    frame = people.frame
    if "customer_id" not in frame.columns:
        raise ContractError(f"people: column 'customer_id' is missing; the frame has {sorted(map(str, frame.columns))}")
    if not len(frame):
        raise ContractError("people: there is nobody; bring customers with `scenefit import` or `scenefit world` first")
    ids = pd.Index(frame["customer_id"])
    if ids.hasnans or not ids.is_monotonic_increasing or not ids.is_unique:
        raise ContractError(
            "people: customer_id must be known, ascending and each once; sort and deduplicate the frame"
        )
    for name, values in (("value", people.value), ("loss", people.loss)):
        if values is not None and np.shape(values) != (len(frame),):
            raise ContractError(f"people: {name} has shape {np.shape(values)} for {len(frame):,} people; give one each")
    if people.as_of.tzinfo is None:
        raise ContractError(f"people: as_of {people.as_of} has no time zone; give it in UTC")
    return people


class ConditionBits:
    """Bitmaps of single conditions, each evaluated once; the oldest go when `room` bytes are used up."""

    def __init__(self, people: People, room: int = ROOM) -> None:
        self._context = people.context
        # a view: columns replaced below by forms that compare faster leave the caller's frame alone
        self._frame = people.frame.copy(deep=False)
        self._ready: set[str] = set()
        self._shares: dict[str, np.ndarray] = {}
        self._codes: dict[str, NumberCodes | LevelCodes | None] = {}
        self._counts: dict[str, np.ndarray] = {}
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._room = room
        # sessions of a page share a store; preparing a column changes the frame
        self._lock = RLock()

    def of(self, condition: Condition) -> np.ndarray:
        """Who fits a condition, uint64 words; evaluated when it is asked for the first time."""
        return self.kept(condition.model_dump_json(), lambda: self.evaluated(condition))

    def evaluated(self, condition: Condition) -> np.ndarray:
        """Who fits a condition, evaluated now."""
        with self._lock:
            return packed(self._mask(condition))

    def kept(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The bitmap kept under a key, made when there is none; it cannot be written to."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        words = make()
        words.flags.writeable = False
        with self._lock:
            self._kept[key] = words
            for _ in range(len(self._kept) - max(self._room // max(words.nbytes, 1), 1)):
                self._kept.popitem(last=False)
        return words

    def column(self, name: str) -> pd.Series:
        """A column in the form in which it is compared fastest; its values are the same."""
        with self._lock:
            if name not in self._ready and name in self._frame.columns:
                self._frame[name] = _ready(self._frame[name])
                self._ready.add(name)
            return self._frame[name]

    @property
    def zone(self) -> str:
        """Business time, in which a date is a day."""
        return self._context.zone

    def shares(self, name: str) -> np.ndarray:
        """Every customer's place among everybody in a column of numbers (see `Percentile`), NaN for gaps, shape (n,).

        A rule's own reading selects the two edges anew on every edit; kept places answer any band at once.
        """
        if name not in self._shares:
            values = numbers(self.column(name))
            known = values[~np.isnan(values)]
            places = np.searchsorted(np.sort(known), values, side="left") / max(len(known), 1)
            self._shares[name] = np.where(np.isnan(values), np.nan, places)
        return self._shares[name]

    def event_counts(self, did: Did) -> np.ndarray:
        """How often every customer did what is asked, shape (n,), whatever number is asked for."""
        key = did.model_copy(update={"at_least": 1}).model_dump_json()
        if key not in self._counts and self._context.event_counts is not None:
            self._counts[key] = np.asarray(self._context.event_counts(did))
        return self._counts[key]

    def _coded(self, name: str) -> NumberCodes | LevelCodes | None:
        """A column as codes; None where it holds neither numbers nor texts."""
        if name not in self._codes:
            series = self.column(name)
            if isinstance(series.dtype, pd.CategoricalDtype) and isinstance(
                series.cat.categories.dtype, pd.StringDtype
            ):
                self._codes[name] = level_codes(series)
            elif series.dtype == np.float64 and name in self._ready:
                self._codes[name] = number_codes(series.to_numpy())
            else:
                self._codes[name] = None
        return self._codes[name]

    def _mask(self, condition: Condition) -> np.ndarray:
        name = getattr(condition, "column", None)
        if name is not None and name in self._frame.columns:
            if isinstance(condition, Percentile) and self.column(name).dtype == np.float64:
                shares = self.shares(name)
                return (shares >= condition.low) & (shares < condition.high)
            codes = self._coded(name)
            found = None if codes is None else coded_fits(condition, codes)
            if found is not None:
                return found
        if isinstance(condition, Did) and self._context.event_counts is not None:
            return condition.mask(self._frame, self._context._replace(event_counts=self.event_counts))
        return condition.mask(self._frame, self._context)


def _ready(series: pd.Series) -> pd.Series:
    """Texts as categories, numbers as floats; whatever no rule can read stays as it is."""
    try:
        kind = column_kind(series)
    except ContractError:
        return series
    if kind == "text" and not isinstance(series.dtype, pd.CategoricalDtype):
        return texts(series).astype("category")
    if kind == "number":
        return pd.Series(numbers(series), index=series.index, name=series.name)
    return series
