"""Rules that say who is meant: stored as JSON, applied to a frame, spoken in English and Chinese."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from scenefit.contracts.errors import ContractError
from scenefit.contracts.purposes import require_columns
from segmentation.columns import column_kind, numbers, texts
from segmentation.phrases import Lang, amount, phrase

Number = StrictInt | StrictFloat
Value = StrictBool | StrictInt | StrictFloat | StrictStr
Comparison = Literal["==", "!=", "<", "<=", ">", ">="]

_WORDS: dict[Lang, dict[Comparison, str]] = {
    "en": {"==": "is", "!=": "is not", "<": "below", "<=": "at most", ">": "above", ">=": "at least"},
    "zh": {"==": "为", "!=": "不为", "<": "低于", "<=": "不高于", ">": "高于", ">=": "不低于"},
}


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Compare(_Node):
    """A column against one value. A gap never fits, not even `!=`."""

    kind: Literal["compare"] = "compare"
    column: str
    op: Comparison
    value: Value

    @model_validator(mode="after")
    def _ordered(self) -> Compare:
        if self.op not in ("==", "!=") and isinstance(self.value, bool | str):
            raise ValueError(f"{self.column} {self.op} {self.value!r}: only numbers are ordered; use == or !=")
        return self

    def mask(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows fit, bool of shape (n,)."""
        values, known = _values(frame, self.column, self.value)
        if self.op == "==":
            return known & (values == self.value)
        if self.op == "!=":
            return known & (values != self.value)
        if self.op in ("<", "<="):
            return known & (values < self.value if self.op == "<" else values <= self.value)
        return known & (values > self.value if self.op == ">" else values >= self.value)

    def sentence(self, lang: Lang) -> str:
        """The condition in words."""
        spoken = phrase(self.column)
        if spoken.unit == "truth" and self.op == "==":
            yes, no = (spoken.high_zh, spoken.low_zh) if lang == "zh" else (spoken.high_en, spoken.low_en)
            return yes if self.value else no
        said = _said(self.column, self.value, lang)
        return f"{_name(self.column, lang)}{_gap(lang)}{_WORDS[lang][self.op]}{_gap(lang)}{said}"


class Between(_Node):
    """A number from `low` (included) to `high` (not included)."""

    kind: Literal["between"] = "between"
    column: str
    low: Number
    high: Number

    @model_validator(mode="after")
    def _not_empty(self) -> Between:
        if not self.low < self.high:
            raise ValueError(f"{self.column} from {self.low} to {self.high} holds nobody; low must be below high")
        return self

    def mask(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows fit, bool of shape (n,)."""
        values, known = _values(frame, self.column, self.low)
        return known & (values >= self.low) & (values < self.high)

    def sentence(self, lang: Lang) -> str:
        """The condition in words."""
        low, high = _said(self.column, self.low, lang), _said(self.column, self.high, lang)
        if lang == "zh":
            return f"{_name(self.column, lang)}在{low}（含）至{high}（不含）之间"
        return f"{_name(self.column, lang)} from {low} to below {high}"


class In(_Node):
    """A column that holds one of several values."""

    kind: Literal["in"] = "in"
    column: str
    values: tuple[Value, ...] = Field(min_length=1)

    def mask(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows fit, bool of shape (n,)."""
        fits = np.zeros(len(frame), dtype=bool)
        for value in self.values:
            values, known = _values(frame, self.column, value)
            fits |= known & (values == value)
        return fits

    def sentence(self, lang: Lang) -> str:
        """The condition in words."""
        said = [_said(self.column, value, lang) for value in self.values]
        if lang == "zh":
            return f"{_name(self.column, lang)}为{'或'.join(said)}"
        return f"{_name(self.column, lang)} is {' or '.join(said)}"


class And(_Node):
    """All of several conditions."""

    kind: Literal["and"] = "and"
    of: tuple[Condition, ...] = Field(min_length=1)

    def mask(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows fit every condition, bool of shape (n,)."""
        return np.logical_and.reduce([condition.mask(frame) for condition in self.of])

    def sentence(self, lang: Lang) -> str:
        """The conditions in words."""
        return {"en": " and ", "zh": "，且"}[lang].join(condition.sentence(lang) for condition in self.of)


Condition = Annotated[Compare | Between | In | And, Field(discriminator="kind")]


class Rule(_Node):
    """Who is meant. JSON is the stored form: `rule.model_dump_json()` and `Rule.read(text)`.

    >>> rule = Rule(where=And(of=(Compare(column="night_share_365d", op=">=", value=0.4),
    ...                           In(column="occupation", values=("nurse", "driver")))))
    >>> rule.sentence("en")
    'share of night activity at least 40% and occupation is nurse or driver'
    >>> rule.sentence("zh")
    '夜间活动占比不低于40%，且职业为nurse或driver'
    >>> Rule.read(rule.model_dump_json()) == rule
    True
    """

    where: Condition

    @classmethod
    def read(cls, text: str) -> Rule:
        """The rule of a JSON text; ContractError names the place that is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole text"
            raise ContractError(f"rule: {place}: {first['msg']}; correct the stored rule") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the rule reads, in order of first mention."""
        return tuple(dict.fromkeys(_columns(self.where)))

    def require(
        self,
        purpose: str,
        permitted: Mapping[str, Collection[str]],
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Refuse the rule for a purpose that one of its columns does not permit.

        Parameters
        ----------
        permitted : column name → its purposes; a column that is not listed is refused
        sources : column name → the raw columns it is made of, for the message

        Raises
        ------
        PurposeError : names the column.
        """
        require_columns("rule", purpose, self.columns, permitted, sources)

    def mask(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows are meant, bool of shape (n,); a gap in a column fits no condition on it."""
        return self.where.mask(frame)

    def sentence(self, lang: Lang = "en") -> str:
        """The rule in words."""
        return self.where.sentence(lang)


def _columns(condition: Compare | Between | In | And) -> list[str]:
    if isinstance(condition, And):
        return [name for part in condition.of for name in _columns(part)]
    return [condition.column]


def _values(frame: pd.DataFrame, column: str, value: bool | float | str) -> tuple[np.ndarray, np.ndarray]:
    """The column's values, comparable with this value, and where they are known."""
    if column not in frame.columns:
        near = get_close_matches(column, [str(name) for name in frame.columns], 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"The data has {sorted(map(str, frame.columns))}"
        raise ContractError(f"rule: column {column!r} is unknown. {hint}")
    series = frame[column]
    found = column_kind(series)
    asked = "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
    if found == "empty":
        return np.zeros(len(series)), np.zeros(len(series), dtype=bool)
    if found != asked:
        raise ContractError(
            f"rule: column {column!r} holds {found} values but is compared with {value!r}, a {asked}; "
            "write the value as the column has it"
        )
    if found == "text":
        known = series.notna().to_numpy(dtype=bool)
        return texts(series).to_numpy(dtype=object, na_value=""), known
    values = numbers(series)
    return values, ~np.isnan(values)


def _name(column: str, lang: Lang) -> str:
    spoken = phrase(column)
    return spoken.zh if lang == "zh" else spoken.en


def _gap(lang: Lang) -> str:
    return " " if lang == "en" else ""


def _said(column: str, value: bool | float | str, lang: Lang) -> str:
    if isinstance(value, bool):
        return {("en", True): "yes", ("en", False): "no", ("zh", True): "是", ("zh", False): "否"}[lang, value]
    return value if isinstance(value, str) else amount(value, phrase(column).unit)
