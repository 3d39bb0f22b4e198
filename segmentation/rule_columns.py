"""Conditions on one column: compared, between, one of several, missing, or at a place among everybody."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from scenefit.contracts.errors import ContractError
from segmentation.phrases import Lang
from segmentation.rule_context import RuleContext, zone_of
from segmentation.rule_places import placed
from segmentation.rule_sql import Query, Source, chained, compared_query, missing_query, one_of_query, share_query
from segmentation.rule_tokens import band, identifier, written
from segmentation.rule_values import (
    ZONE,
    Bound,
    Comparison,
    Moment,
    Name,
    Node,
    Value,
    fits,
    known,
    known_column,
    one_of,
    within,
)
from segmentation.rule_words import band_words, compared_words, named, one_of_words, share_words

MOST_VALUES = 10_000


class Compare(Node):
    """A column against one value. A gap never fits, not even `!=`."""

    kind: Literal["compare"] = "compare"
    column: Name
    op: Comparison
    value: Value

    @model_validator(mode="after")
    def _ordered(self) -> Compare:
        if self.op not in ("==", "!=") and isinstance(self.value, bool | str):
            raise ValueError(
                f"{self.column} {self.op} {self.value!r}: only numbers are ordered, and dates written without quotes; "
                "use == or !="
            )
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows fit, bool of shape (n,)."""
        return fits(_series(frame, self.column), self.op, self.value, zone_of(context))

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return compared_words(self.column, self.op, self.value, lang)

    def text(self) -> str:
        """The condition as it is typed."""
        return f"{identifier(self.column)} {'=' if self.op == '==' else self.op} {written(self.value)}"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return compared_query(source, self.column, self.op, self.value)


class Between(Node):
    """A number or moment from `low` (included) to `high` (not included)."""

    kind: Literal["between"] = "between"
    column: Name
    low: Bound
    high: Bound

    @model_validator(mode="after")
    def _not_empty(self) -> Between:
        low, high = self.low, self.high
        if isinstance(low, Moment) != isinstance(high, Moment):
            raise ValueError(f"{self.column} runs from a number to a moment; give two numbers or two moments")
        if isinstance(low, Moment) and isinstance(high, Moment):
            rising, shown = low.span(ZONE, False).start < high.span(ZONE, False).start, (low.at, high.at)
        else:
            rising, shown = low < high, (str(low), str(high))  # type: ignore[operator]
        if not rising:
            raise ValueError(f"{self.column} from {shown[0]} to {shown[1]} holds nobody; low must be below high")
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows fit, bool of shape (n,)."""
        return within(_series(frame, self.column), self.low, self.high, zone_of(context))

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return band_words(self.column, self.low, self.high, lang)

    def text(self) -> str:
        """The condition as it is typed."""
        word = "before" if isinstance(self.high, Moment) else "below"
        return f"{identifier(self.column)} from {written(self.low)} to {word} {written(self.high)}"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return chained(
            [compared_query(source, self.column, ">=", self.low), compared_query(source, self.column, "<", self.high)],
            "AND",
        )


class In(Node):
    """A column that holds one of several values."""

    kind: Literal["in"] = "in"
    column: Name
    values: tuple[Value, ...] = Field(min_length=1, max_length=MOST_VALUES)

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows fit, bool of shape (n,)."""
        return one_of(_series(frame, self.column), self.values, zone_of(context))

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return one_of_words(self.column, self.values, lang)

    def text(self) -> str:
        """The condition as it is typed."""
        return f"{identifier(self.column)} in ({', '.join(map(written, self.values))})"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return one_of_query(source, self.column, self.values)


class Missing(Node):
    """A column that has no value."""

    kind: Literal["missing"] = "missing"
    column: Name

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:  # noqa: ARG002 every condition is asked alike
        """Which rows have a gap, bool of shape (n,)."""
        return ~known(_series(frame, self.column))

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return f"{named(self.column, lang)}缺失" if lang == "zh" else f"{named(self.column, lang)} is missing"

    def opposite(self, lang: Lang) -> str:
        """That the value is there, in words."""
        return f"{named(self.column, lang)}已知" if lang == "zh" else f"{named(self.column, lang)} is known"

    def text(self) -> str:
        """The condition as it is typed."""
        return f"{identifier(self.column)} is missing"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return missing_query(source, self.column)


class Percentile(Node):
    """A place among everybody: the share of known values below the own one, from `low` to below `high`.

    The top fifth is `low=0.8, high=1`, the bottom tenth `low=0, high=0.1`. "Everybody" are all rows of the frame,
    whatever else the rule asks of them. Equal values share one place, that of the first of them, so that a top fifth
    never holds more than a fifth, a bottom tenth never less than a tenth, and bands that touch share nobody.
    A gap has no place.
    """

    kind: Literal["percentile"] = "percentile"
    column: Name
    low: float = Field(ge=0, lt=1, strict=True)
    high: float = Field(gt=0, le=1, strict=True)

    @model_validator(mode="after")
    def _not_empty(self) -> Percentile:
        if not self.low < self.high:
            raise ValueError(f"{self.column} from {self.low:.2%} to {self.high:.2%} holds nobody; give a rising band")
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:  # noqa: ARG002 every condition is asked alike
        """Which rows stand there, bool of shape (n,)."""
        return placed(_series(frame, self.column), self.low, self.high)

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return share_words(self.column, self.low, self.high, lang)

    def text(self) -> str:
        """The condition as it is typed."""
        return f"{identifier(self.column)} in {band(self.low, self.high)}"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return share_query(source, self.column, self.low, self.high)


def _series(frame: pd.DataFrame, column: str) -> pd.Series:
    found = frame[known_column(column, (name for name in frame.columns if isinstance(name, str)))]
    if isinstance(found, pd.DataFrame):
        raise ContractError(f"rule: column {column!r} stands {found.shape[1]} times in the data; keep one of them")
    return found
