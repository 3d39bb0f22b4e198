"""Conditions made of conditions: all of several, at least one, none, or those of a scene's own rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from scenefit.contracts.errors import ContractError
from segmentation.phrases import Lang
from segmentation.rule_columns import Between, Compare, In, Missing, Percentile
from segmentation.rule_context import Did, InAudience, InSegment, RuleContext, customers_of, nearest
from segmentation.rule_sql import Query, Source, chained, scene_query
from segmentation.rule_tokens import written
from segmentation.rule_values import Name, Node
from segmentation.rule_words import joined, negated

# more than this no person reads, and no reader of JSON, SQL or masks has to dig deeper
MOST_CONDITIONS = 1000
MOST_DEPTH = 30

Position = tuple[int, ...]


class And(Node):
    """All of several conditions."""

    kind: Literal["and"] = "and"
    of: tuple[Condition, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _small(self) -> And:
        _limited(self)
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows fit every condition, bool of shape (n,)."""
        found: np.ndarray = np.logical_and.reduce([condition.mask(frame, context) for condition in self.of])
        return found

    def sentence(self, lang: Lang = "en") -> str:
        """The conditions in words."""
        return joined([(part.sentence(lang), _mixes(part, Or)) for part in self.of], "and", lang)

    def text(self) -> str:
        """The conditions as they are typed."""
        return _listed(self.of, "and")

    def query(self, source: Source) -> Query:
        """The conditions as SQL."""
        return chained([part.query(source) for part in self.of], "AND")


class Or(Node):
    """At least one of several conditions."""

    kind: Literal["or"] = "or"
    of: tuple[Condition, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _small(self) -> Or:
        _limited(self)
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows fit one condition or more, bool of shape (n,)."""
        found: np.ndarray = np.logical_or.reduce([condition.mask(frame, context) for condition in self.of])
        return found

    def sentence(self, lang: Lang = "en") -> str:
        """The conditions in words."""
        return joined([(part.sentence(lang), _mixes(part, And)) for part in self.of], "or", lang)

    def text(self) -> str:
        """The conditions as they are typed."""
        return _listed(self.of, "or")

    def query(self, source: Source) -> Query:
        """The conditions as SQL."""
        return chained([part.query(source) for part in self.of], "OR")


class Not(Node):
    """Everybody whom a condition leaves out, those with a gap too: not(x = 3) holds where x is missing."""

    kind: Literal["not"] = "not"
    of: Condition

    @model_validator(mode="after")
    def _small(self) -> Not:
        _limited(self)
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Which rows do not fit the condition, bool of shape (n,)."""
        return ~self.of.mask(frame, context)

    def sentence(self, lang: Lang = "en") -> str:
        """What must not hold, in words."""
        if isinstance(self.of, Missing):
            return self.of.opposite(lang)
        return negated(self.of.sentence(lang), lang)

    def text(self) -> str:
        """The condition as it is typed."""
        if isinstance(self.of, Missing):
            return f"{self.of.text().removesuffix('missing')}not missing"
        return f"not ({self.of.text()})"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        inner = self.of.query(source)
        return Query(f"(NOT {inner.text})", inner.parameters)


class InScene(Node):
    """People active in a scene whose own row there fits a condition; nobody else does."""

    kind: Literal["in_scene"] = "in_scene"
    scene: Name
    of: Condition

    @model_validator(mode="after")
    def _small(self) -> InScene:
        _limited(self)
        return self

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Who fits inside the scene, bool of shape (n,)."""
        people = customers_of(frame, context, f"scene {self.scene!r}")
        scenes = context.scenes if context else {}
        if context is None or self.scene not in scenes:
            raise ContractError(f"rule: scene {self.scene!r} is unknown. {nearest(self.scene, scenes)}")
        inside = scenes[self.scene]
        active = pd.Index(inside["customer_id"])
        if not active.is_unique:
            raise ContractError(f"rule: scene {self.scene!r} lists a customer twice; give one row per person")
        outer, home = context.event_counts, pd.Index(people).get_indexer(active)
        here = context._replace(customers=inside["customer_id"].to_numpy())
        if outer is not None:
            # people of the scene outside the frame are dropped below, so their counts do not matter
            here = here._replace(event_counts=lambda did: np.where(home >= 0, outer(did)[home], 0))
        fit = self.of.mask(inside, here) & (home >= 0)
        found = np.zeros(len(frame), dtype=bool)
        found[home[fit]] = True
        return found

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        inner = self.of.sentence(lang)
        return f"在场景{self.scene}中（{inner}）" if lang == "zh" else f"in scene {self.scene} ({inner})"

    def text(self) -> str:
        """The condition as it is typed."""
        return f"in scene {written(self.scene)} ({self.of.text()})"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return scene_query(source, self.scene, self.of.query(source.inside(self.scene)))


Leaf = Compare | Between | In | Missing | Percentile | Did | InSegment | InAudience
Branch = And | Or | Not | InScene
Condition = Annotated[Leaf | Branch, Field(discriminator="kind")]


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """The conditions that a condition is made of; none for one on a column, events or a list of members."""
    if isinstance(condition, And | Or):
        return condition.of
    return (condition.of,) if isinstance(condition, Not | InScene) else ()


def walked(condition: Condition, place: Position, into_scenes: bool) -> Iterator[tuple[Position, Condition]]:
    """Every condition with its position, from the outside in and from left to right."""
    waiting = [(place, condition)]
    while waiting:
        here, part = waiting.pop()
        yield here, part
        if into_scenes or not isinstance(part, InScene):
            waiting += [((*here, i), one) for i, one in enumerate(parts_of(part))][::-1]


def _listed(parts: Sequence[Condition], word: str) -> str:
    """Conditions as they are typed in a row; one alone is `all (…)` or `any (…)`, or it would not be a row."""
    if len(parts) == 1:
        return f"{'all' if word == 'and' else 'any'} ({parts[0].text()})"
    return f" {word} ".join(f"({part.text()})" if _mixes(part, And | Or) else part.text() for part in parts)


def _mixes(part: Condition, other: type | UnionType) -> bool:
    """Whether a part needs parentheses among its neighbours: it joins several by the other word."""
    return isinstance(part, And | Or) and isinstance(part, other) and len(part.of) > 1


def _limited(whole: Branch) -> None:
    """Refuse a condition that has grown beyond what is read."""
    for count, (place, _) in enumerate(walked(whole, (), into_scenes=True), 1):
        if count > MOST_CONDITIONS or len(place) >= MOST_DEPTH:
            raise ValueError(
                f"the rule has more than {MOST_CONDITIONS:,} conditions or is nested deeper than {MOST_DEPTH}; "
                "use 'one of several values' for long lists, or split it into audiences"
            )
