"""What a rule needs beyond the customers' own columns, and the conditions that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from scenefit.contracts.errors import ContractError
from scenefit.contracts.tables import EVENTS
from segmentation.phrases import Lang
from segmentation.rule_scenes import SceneTree, with_below
from segmentation.rule_sql import Query, Source, deeds_query, members_query, table_of
from segmentation.rule_tokens import written
from segmentation.rule_values import ZONE, Name, Node
from segmentation.rule_words import deed_words

MOST_DAYS = 3660
# what events may be limited to
PLACES = ("scene", "product", "merchant")
KINDS = EVENTS.column("kind").values


class Did(Node):
    """Somebody did something at least so often within the last days.

    The window is half-open, [as_of - days, as_of), of days of 24 hours; an event that became known at the as-of time
    or after it does not count. `events` are event kinds; other scenes, products and merchants are not counted. A scene
    takes those below it along, where the tree of scenes is given to what counts.
    """

    kind: Literal["did"] = "did"
    events: tuple[str, ...] = Field(min_length=1)
    at_least: int = Field(default=1, ge=1, le=1_000_000, strict=True)
    within_days: int = Field(ge=1, le=MOST_DAYS, strict=True)
    scene: Name | None = None
    product: Name | None = None
    merchant: Name | None = None

    @field_validator("events")
    @classmethod
    def _kinds(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        for event in events:
            if event not in KINDS:
                raise ValueError(f"event kind {event!r} is unknown. {nearest(event, KINDS)}")
        if len(set(events)) < len(events):
            raise ValueError(f"event kinds {list(events)} name one twice; name each once")
        return events

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """What the events are limited to, such as ("scene", "travel")."""
        given = zip(PLACES, (self.scene, self.product, self.merchant), strict=True)
        return tuple((what, name) for what, name in given if name is not None)

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Who did, bool of shape (n,)."""
        counts = context.event_counts if context else None
        if counts is None:
            raise ContractError(
                f"rule: {self.sentence()!r} needs events, which are not given; give "
                "RuleContext(event_counts=event_counts(events, customers, as_of))"
            )
        found = np.asarray(counts(self))
        if found.shape != (len(frame),):
            raise ContractError(
                f"rule: event counts of shape {found.shape} for {len(frame):,} rows; count for the frame's customers"
            )
        return np.asarray(found >= self.at_least)

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return deed_words(self.events, self.at_least, self.within_days, self.places, lang)

    def text(self) -> str:
        """The condition as it is typed."""
        events = self.events[0] if len(self.events) == 1 else f"({', '.join(self.events)})"
        times = f"at least {self.at_least} times " if self.at_least > 1 else ""
        words = {"scene": "in scene", "product": "with product", "merchant": "at merchant"}
        where = "".join(f" {words[what]} {written(name)}" for what, name in self.places)
        days = "day" if self.within_days == 1 else "days"
        return f"did {events} {times}within {self.within_days} {days}{where}"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return deeds_query(source, self.events, self.at_least, self.within_days, self.places)


class RuleContext(NamedTuple):
    """What surrounds the customers of a frame; what a rule does not ask for may be left out.

    customers : ids of the frame's rows, ascending
    event_counts : how often each of them did what a `Did` names, int64 of shape (n,); see `event_counts`
    scenes : scene id → customer_id and the features of the people active there, one row per person
    segments : customer_id, segment_id
    audiences : audience id → ids of its members
    zone : business time, in which a date is a day
    """

    customers: np.ndarray | None = None
    as_of: datetime | None = None
    event_counts: Callable[[Did], np.ndarray] | None = None
    scenes: Mapping[str, pd.DataFrame] = {}
    segments: pd.DataFrame | None = None
    audiences: Mapping[str, np.ndarray] = {}
    zone: str = ZONE


class InSegment(Node):
    """Members of a segment, such as travel/3."""

    kind: Literal["in_segment"] = "in_segment"
    segment: Name

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Who is in the segment, bool of shape (n,)."""
        people = customers_of(frame, context, f"segment {self.segment!r}")
        if context is None or context.segments is None:
            raise ContractError(
                f"rule: segment {self.segment!r} is asked for but no segments are given; run `scenefit run` first, "
                "or give RuleContext(segments=...)"
            )
        segments = context.segments
        inside = (segments["segment_id"] == self.segment).to_numpy(dtype=bool)
        if not inside.any():
            raise ContractError(
                f"rule: segment {self.segment!r} is unknown. "
                + nearest(self.segment, segments["segment_id"].dropna().unique())
            )
        return isin(people, segments["customer_id"].to_numpy()[inside])

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return f"属于客群{self.segment}" if lang == "zh" else f"in segment {self.segment}"

    def text(self) -> str:
        """The condition as it is typed."""
        return f"in segment {written(self.segment)}"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return members_query(
            source, table_of(source.tables.segments, "segments", self.text()), "segment_id", self.segment
        )


class InAudience(Node):
    """Members of a stored audience."""

    kind: Literal["in_audience"] = "in_audience"
    audience: Name

    def mask(self, frame: pd.DataFrame, context: RuleContext | None = None) -> np.ndarray:
        """Who is in the audience, bool of shape (n,)."""
        people = customers_of(frame, context, f"audience {self.audience!r}")
        stored = context.audiences if context else {}
        if self.audience not in stored:
            raise ContractError(f"rule: audience {self.audience!r} is unknown. {nearest(self.audience, stored)}")
        return isin(people, np.asarray(stored[self.audience]))

    def sentence(self, lang: Lang = "en") -> str:
        """The condition in words."""
        return f"属于人群包{self.audience}" if lang == "zh" else f"in audience {self.audience}"

    def text(self) -> str:
        """The condition as it is typed."""
        return f"in audience {written(self.audience)}"

    def query(self, source: Source) -> Query:
        """The condition as SQL."""
        return members_query(
            source, table_of(source.tables.audiences, "audiences", self.text()), "audience_id", self.audience
        )


def zone_of(context: RuleContext | None) -> str:
    """Business time, the default one without a context."""
    return context.zone if context else ZONE


def nearest(name: str, names: Iterable[object]) -> str:
    """The way out of an unknown name: the nearest known one, or a few of those there are."""
    listed = sorted(map(str, names))
    near = get_close_matches(name, listed, 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if not listed:
        return "There is none yet"
    return f"Choose one of {listed[:20]}" + (f" and {len(listed) - 20:,} more" if len(listed) > 20 else "")


def customers_of(frame: pd.DataFrame, context: RuleContext | None, what: str) -> np.ndarray:
    """Ids of the frame's rows; ContractError where the context does not give them."""
    if context is None or context.customers is None:
        raise ContractError(
            f"rule: {what} is read by customer id, and the ids of the frame's rows are not given; "
            "give RuleContext(customers=...)"
        )
    if len(context.customers) != len(frame):
        raise ContractError(
            f"rule: {len(context.customers):,} customer ids for {len(frame):,} rows; give one id per row"
        )
    return context.customers


def isin(people: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Which people are among the members, bool of shape (n,)."""
    found: np.ndarray = pd.Index(people).isin(members)
    return found


def event_counts(
    events: pd.DataFrame, customers: np.ndarray, as_of: datetime, parents: SceneTree | None = None
) -> Callable[[Did], np.ndarray]:
    """How often each customer did something, counted from events in memory.

    Parameters
    ----------
    events : customer_id, at, ingested_at, kind and, where a rule asks for them, scene_id, product_id, merchant_id
    customers : ids in the order in which the counts come back, shape (n,)
    as_of : with a time zone; events that happened or became known at or after it do not count
    parents : the tree of scenes; without it a scene is itself alone

    Returns
    -------
    Callable : `Did` → int64 of shape (n,)
    """
    missing = [name for name in ("customer_id", "at", "ingested_at", "kind") if name not in events.columns]
    if missing:
        raise ContractError(f"events: columns {missing} are missing; the data has {sorted(map(str, events.columns))}")
    end = pd.Timestamp(as_of)
    if end.tzinfo is None:
        raise ContractError(f"as_of {end} has no time zone; give one, such as {end.isoformat()}+08:00")
    position = pd.Index(customers).get_indexer(pd.Index(events["customer_id"]))
    counted = (position >= 0) & (events["at"] < end).to_numpy(bool) & (events["ingested_at"] < end).to_numpy(bool)
    position, kept = position[counted], events.loc[counted]
    kinds = pd.Categorical(kept["kind"], categories=KINDS)
    where = {what: pd.Categorical(kept[f"{what}_id"]) for what in PLACES if f"{what}_id" in kept.columns}
    at, n = kept["at"].reset_index(drop=True), len(customers)

    def counts(did: Did) -> np.ndarray:
        chosen = kinds.isin(did.events) & (at >= end - pd.Timedelta(days=did.within_days)).to_numpy(dtype=bool)
        for what, name in did.places:
            if what not in where:
                raise ContractError(f"events: column '{what}_id' is missing, and a rule asks for {what} {name!r}")
            names = with_below(name, parents or {}) if what == "scene" else (name,)
            chosen &= np.asarray(where[what].isin(names))
        return np.bincount(position[chosen], minlength=n)

    return counts
