"""Rules that say who is meant: stored as JSON, applied to a frame, spoken in English and Chinese."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from scenefit.contracts.errors import ContractError
from scenefit.contracts.purposes import require_columns
from segmentation.phrases import Lang
from segmentation.rule_columns import Between, Compare, In, Missing, Percentile
from segmentation.rule_context import Did, InAudience, InSegment, RuleContext
from segmentation.rule_sql import Query, RuleTables, Source
from segmentation.rule_text import reading
from segmentation.rule_tokens import fault
from segmentation.rule_trees import MOST_DEPTH, And, Condition, InScene, Not, Or, Position, parts_of, walked
from segmentation.rule_values import Comparison, Held, Moment, Node, Value

__all__ = [
    "And", "Between", "Compare", "Comparison", "Condition", "Did", "In", "InAudience", "InScene", "InSegment",
    "Missing", "Moment", "Not", "Or", "Percentile", "Position", "Query", "Rule", "RuleContext", "RuleTables", "Value",
    "leaves", "replace", "within", "without",
]  # fmt: skip

# longest stored rule, in characters: 1,000 conditions of many values
LONGEST = 4_000_000


class Rule(Node):
    """Who is meant. JSON is the stored form: `rule.model_dump_json()` and `Rule.read(text)`.

    Every condition is true or false for everybody: a gap makes it false, and `Not` turns that round.

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
        if len(text) > LONGEST:
            raise ContractError(
                f"rule: the text has {len(text):,} characters, at most {LONGEST:,} are read; shorten it"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole text"
            raise ContractError(f"rule: {place}: {_said(first)}; correct the stored rule") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the customers that the rule reads, in order of first mention; `scene_columns` come beside."""
        return tuple(dict.fromkeys(column for scene, column in _columns(self.where, None) if scene is None))

    @property
    def scene_columns(self) -> tuple[str, ...]:
        """Columns of scenes' own rows that the rule reads, in order of first mention."""
        return tuple(dict.fromkeys(column for scene, column in _columns(self.where, None) if scene is not None))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What must all hold: the parts of the outermost `And`, or the one condition there is."""
        return self.where.of if isinstance(self.where, And) else (self.where,)

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
        require_columns("rule", purpose, (*self.columns, *self.scene_columns), permitted, sources)

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows are meant, bool of shape (n,); `context` holds what is not in the frame."""
        return self.where.mask(frame, context)

    def sentence(self, lang: Lang = "en") -> str:
        """The rule in words."""
        return self.where.sentence(lang)

    def text(self) -> str:
        """The rule as it is typed; `Rule.parse` reads it back."""
        return self.where.text()

    @classmethod
    def parse(cls, text: str, columns: Collection[str] | None = None) -> Rule:
        """The rule of a typed text; ContractError shows line, column and what was expected there.

        Parameters
        ----------
        columns : names there are, of customers and scenes; None leaves their check to `mask` and `sql`

        >>> rule = Rule.parse('city_tier >= 3 and not (spend_90d > 5000 or phone is missing)')
        >>> Rule.parse(rule.text()) == rule
        True
        """
        # `not (…)` is one level of the tree and two of the text
        found = reading(text, 2 * MOST_DEPTH, columns)
        try:
            return cls.model_validate({"where": found.tree})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise fault(text, found.place(first["loc"]), _said(first)) from error

    def sql(
        self,
        tables: RuleTables,
        columns: Mapping[str, Held],
        scene_columns: Mapping[str, Held] | None = None,
    ) -> Query:
        """The ids of those who are meant, ascending, as one SELECT for DuckDB; the same people as `mask`.

        Parameters
        ----------
        tables : names of the tables, and the as-of time where the rule asks for events
        columns, scene_columns : column → what it holds (`rule_values.holdings(frame)`); no other column is read

        Raises
        ------
        ContractError : a column that is not listed, a value of another type, a table that is not given.
        """
        source = Source(tables, columns, scene_columns or {})
        rows, where = source.rows(), self.where.query(source)
        text = f"SELECT {source.person} {rows.text} AND {where.text} ORDER BY {source.person}"
        return Query(text, (*rows.parameters, *where.parameters))


def leaves(rule: Rule) -> tuple[tuple[Position, Condition], ...]:
    """Conditions that hold no others, with their positions; what a scene asks is one of them as a whole.

    >>> few = Compare(column="visits_90d", op="<", value=2)
    >>> leaves(Rule(where=And(of=(few, Not(of=Missing(column="city"))))))[1]
    ((1, 0), Missing(kind='missing', column='city'))
    """
    found = walked(rule.where, (), into_scenes=False)
    return tuple((place, part) for place, part in found if not isinstance(part, And | Or | Not))


def within(rule: Rule, position: Position) -> Condition:
    """The condition at a position: () is the whole, (0, 2) the third part of the first part."""
    part: Condition = rule.where
    for depth, step in enumerate(position):
        parts = parts_of(part)
        if not 0 <= step < len(parts):
            raise ContractError(
                f"rule: there is no condition at {position}: {position[:depth]} has {len(parts)} parts, not {step + 1}"
            )
        part = parts[step]
    return part


def replace(rule: Rule, position: Position, condition: Condition) -> Rule:
    """The rule with another condition at this position."""
    within(rule, position)
    return Rule(where=_replaced(rule.where, position, condition))


def without(rule: Rule, position: Position) -> Rule:
    """The rule without the condition at this position; an `And` or `Or` that keeps one part becomes that part."""
    within(rule, position)
    kept = _without(rule.where, position)
    if kept is None:
        raise ContractError(f"rule: without the condition at {position} nothing is left; keep one condition")
    return Rule(where=kept)


def _said(error: ErrorDetails) -> str:
    """What is wrong, with the name of the field where the message does not say it."""
    field = next((part for part in reversed(error["loc"]) if isinstance(part, str)), None)
    if error["type"] == "value_error" or field is None:
        return error["msg"].removeprefix("Value error, ")
    return f"{field}: {error['msg']}"


def _replaced(whole: Condition, position: Position, condition: Condition) -> Condition:
    if not position:
        return condition
    first, *rest = position
    part = _replaced(parts_of(whole)[first], tuple(rest), condition)
    if isinstance(whole, And | Or):
        return type(whole)(of=(*whole.of[:first], part, *whole.of[first + 1 :]))
    return InScene(scene=whole.scene, of=part) if isinstance(whole, InScene) else Not(of=part)


def _without(whole: Condition, position: Position) -> Condition | None:
    if not position:
        return None
    first, *rest = position
    part = _without(parts_of(whole)[first], tuple(rest))
    if isinstance(whole, And | Or):
        kept = tuple(one for one in (*whole.of[:first], part, *whole.of[first + 1 :]) if one is not None)
        if len(kept) < 2:
            return kept[0] if kept else None
        return type(whole)(of=kept)
    if part is None:
        return None
    return InScene(scene=whole.scene, of=part) if isinstance(whole, InScene) else Not(of=part)


def _columns(condition: Condition, scene: str | None) -> Iterator[tuple[str | None, str]]:
    if isinstance(condition, Compare | Between | In | Missing | Percentile):
        yield scene, condition.column
    for part in parts_of(condition):
        yield from _columns(part, condition.scene if isinstance(condition, InScene) else scene)
